package replication_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replication"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// A change of one element of a set, until its command can be answered: with a store, whose
// cost is not part of it, and without.
func BenchmarkNode_Change(b *testing.B) {
	for name, replicas := range map[string]store.Replicas{"not kept": nil, "kept": memory.New()} {
		for _, size := range []int{10, 1_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				node := replication.NewNode(context.Background(), replication.Config{Replicas: replicas})
				defer node.Close()
				require.NoError(b, node.Join(b.Context()))
				e := node.Entity(replication.Key{Type: "cart", ID: fmt.Sprint(size)})
				change := func(delta *crdtpb.ORSetDelta) {
					wait := node.Publish(e.Update(&crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: delta}}), local)
					if wait == nil {
						return
					}
					if err := wait(b.Context()); err != nil {
						b.Error(err)
					}
				}
				all := &crdtpb.ORSetDelta{}
				for i := range size {
					all.Added = append(all.Added, &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: fmt.Append(nil, "element-", i)})
				}
				change(all)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					one := []*anypb.Any{{TypeUrl: "p.cloudstate.io/string", Value: []byte("one")}}
					if i%2 == 0 {
						change(&crdtpb.ORSetDelta{Added: one})
					} else {
						change(&crdtpb.ORSetDelta{Removed: one})
					}
				}
			})
		}
	}
}
