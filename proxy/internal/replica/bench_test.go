package replica_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// bench runs a benchmark on two nodes that have the same CRDT, of several types and sizes.
// toggle changes one entry of the CRDT, in turns one way and the other.
func bench(b *testing.B, run func(b *testing.B, left, right *node, toggle func() *crdtpb.CrdtDelta)) {
	b.Helper()
	types := map[string]struct {
		entry func(i int) *crdtpb.CrdtDelta
		on    *crdtpb.CrdtDelta
		off   *crdtpb.CrdtDelta
	}{
		"ORSet": {func(i int) *crdtpb.CrdtDelta { return added(fmt.Sprint("element-", i)) }, added("one"), removed("one")},
		"ORMap": {
			func(i int) *crdtpb.CrdtDelta { return ormapOf(fmt.Sprint("key-", i), pncounter(1)) },
			ormap(&crdtpb.ORMapDelta{Updated: at("key-0", pncounter(1))}), ormap(&crdtpb.ORMapDelta{Updated: at("key-0", pncounter(-1))}),
		},
	}
	for name, typ := range types {
		for _, size := range []int{10, 1_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				left, right := newNode(b, "a"), newNode(b, "b")
				for i := range size {
					left.write(typ.entry(i))
				}
				right.merge(left.state)
				right.tell()
				turn := false
				toggle := func() *crdtpb.CrdtDelta {
					turn = !turn
					if turn {
						return typ.on
					}
					return typ.off
				}
				b.ReportAllocs()
				run(b, left, right, toggle)
			})
		}
	}
}

// What a change of the user function costs, until it can be sent to other nodes.
func BenchmarkState_Apply(b *testing.B) {
	bench(b, func(b *testing.B, left, _ *node, toggle func() *crdtpb.CrdtDelta) {
		b.Helper()
		for b.Loop() {
			left.write(toggle()).Encode()
		}
	})
}

// What a change of another node costs, from the network to the user function.
func BenchmarkState_MergeAndTell(b *testing.B) {
	bench(b, func(b *testing.B, left, right *node, toggle func() *crdtpb.CrdtDelta) {
		b.Helper()
		for b.Loop() {
			b.StopTimer()
			encoded := left.write(toggle()).Encode()
			b.StartTimer()
			part, err := replica.Decode(encoded)
			require.NoError(b, err)
			right.merge(part)
			require.NotNil(b, right.tell())
		}
	})
}

// What it costs to encode all of a CRDT, which happens when nodes find that theirs differ.
func BenchmarkState_Encode(b *testing.B) {
	bench(b, func(b *testing.B, left, _ *node, _ func() *crdtpb.CrdtDelta) {
		b.Helper()
		for b.Loop() {
			left.state.Encode()
		}
	})
}
