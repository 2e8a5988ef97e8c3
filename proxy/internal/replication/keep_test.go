package replication_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replication"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

const (
	local    = crdtpb.CrdtWriteConsistency_LOCAL
	majority = crdtpb.CrdtWriteConsistency_MAJORITY
)

// keep changes an entity, and waits until the change is kept.
func keep(t *testing.T, node *replication.Node, key replication.Key, delta *crdtpb.CrdtDelta) {
	t.Helper()
	require.NoError(t, node.Publish(node.Entity(key).Update(delta), local)(t.Context()))
}

// sizes returns how many parts of an entity are kept, and how many bytes they are.
func sizes(t *testing.T, replicas store.Replicas, key replication.Key) (parts, bytes int) {
	t.Helper()
	for part, err := range replicas.Parts(t.Context()) {
		require.NoError(t, err)
		if part.Key == key {
			parts++
			bytes += len(part.Data)
		}
	}
	return parts, bytes
}

// A node that starts again has what it had, and goes on under another name.
func TestNode_HasItsCRDTsAfterARestart(t *testing.T) {
	t.Parallel()
	stored := memory.New()
	gone := replication.Key{Type: "cart", ID: "gone"}
	names := map[string]bool{}
	for life := range uint64(4) {
		node := newNode(t, replication.Config{Replicas: stored})
		names[node.ID()] = true
		if life > 0 {
			require.True(t, proto.Equal(counter(3*life), value(node, key)))
			require.True(t, node.Entity(gone).Deleted(), "what was deleted does not come back")
		}
		keep(t, node, key, counter(1))
		keep(t, node, key, counter(2))
		if life == 0 {
			keep(t, node, gone, counter(1))
			require.NoError(t, node.Publish(node.Entity(gone).Delete(), local)(t.Context()))
		}
		keep(t, node, gone, counter(1)) // has no effect
		node.Close()
	}
	require.Len(t, names, 4)
}

// A node that starts again votes as if it never had: what its vote stood for, such as the
// streams of clients, has ended.
func TestNode_VotesAnewAfterARestart(t *testing.T) {
	t.Parallel()
	vote := func(self bool, votes int32) *crdtpb.CrdtDelta {
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: self, VotesFor: votes, TotalVoters: 1}}}
	}
	stored := memory.New()
	node := newNode(t, replication.Config{Replicas: stored})
	keep(t, node, key, vote(true, 0))
	require.True(t, proto.Equal(vote(true, 1), value(node, key)))
	node.Close()
	node = newNode(t, replication.Config{Replicas: stored})
	defer node.Close()
	require.True(t, proto.Equal(vote(false, 0), value(node, key)))
	keep(t, node, key, vote(true, 0))
	require.True(t, proto.Equal(vote(true, 1), value(node, key)))
}

// What a node has got from others it has after a restart, too, without them.
func TestNode_KeepsWhatOthersHaveWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network, stored := &cluster.Memory{}, memory.New()
		a := newNode(t, replication.Config{Transport: network})
		b := newNode(t, replication.Config{Transport: network, Replicas: stored})
		write(t, a, key, counter(1))
		synctest.Wait()
		network.Partition([]string{a.ID()})
		write(t, a, key, counter(2))
		network.Heal()
		time.Sleep(3 * time.Second) //nolint:forbidigo // virtual time, for a comparison
		a.Close()
		b.Close()
		c := newNode(t, replication.Config{Replicas: stored})
		defer c.Close()
		require.True(t, proto.Equal(counter(3), value(c, key)))
	})
}

// Nodes start again while the network is bad and split. What was kept is never lost, and
// counts once.
func TestNode_ConvergesDespiteRestarts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { restarts(t, seed) })
		})
	}
}

func restarts(t *testing.T, seed uint64) {
	t.Helper()
	network := &cluster.Memory{Fault: func(string, string, []byte) cluster.Fault {
		return cluster.Fault{Drop: rand.IntN(3) == 0, Copies: rand.IntN(2), Delay: time.Duration(rand.IntN(2000)) * time.Millisecond}
	}}
	random := rand.New(rand.NewPCG(seed, 0))
	configs, nodes := make([]replication.Config, 3), make([]*replication.Node, 3)
	for i := range configs {
		configs[i] = replication.Config{Transport: network, Replicas: memory.New()}
		nodes[i] = newNode(t, configs[i])
	}
	gone := replication.Key{Type: "cart", ID: "gone"}
	total := map[replication.Key]uint64{}
	for step := range 200 {
		k := replication.Key{Type: "cart", ID: fmt.Sprint("u", random.IntN(3))}
		by, i := random.Uint64N(10), random.IntN(3)
		total[k] += by
		keep(t, nodes[i], k, counter(by))
		if step < 100 {
			keep(t, nodes[i], gone, counter(1))
		}
		if step == 100 {
			require.NoError(t, nodes[i].Publish(nodes[i].Entity(gone).Delete(), local)(t.Context()))
		}
		switch random.IntN(12) {
		case 0:
			network.Partition([]string{nodes[random.IntN(3)].ID()})
		case 1:
			network.Heal()
		case 2:
			nodes[i].Close()
			nodes[i] = newNode(t, configs[i])
		case 3:
			for j := range nodes { // all at once
				nodes[j].Close()
			}
			for j := range nodes {
				nodes[j] = newNode(t, configs[j])
			}
		}
		time.Sleep(100 * time.Millisecond) //nolint:forbidigo // virtual time
	}
	network.Heal()
	time.Sleep(2 * time.Minute) //nolint:forbidigo // virtual time
	for i, node := range nodes {
		require.Equal(t, nodes[0].Fingerprints(), node.Fingerprints())
		node.Close()
		alone := newNode(t, replication.Config{Replicas: configs[i].Replicas})
		for k, want := range total {
			require.True(t, proto.Equal(counter(want), value(node, k)), "%v: want %d, got %v", k, want, value(node, k))
			require.True(t, proto.Equal(counter(want), value(alone, k)), "%v: want %d, got %v", k, want, value(alone, k))
		}
		require.True(t, alone.Entity(gone).Deleted())
		alone.Close()
	}
}

// A change of one entry costs a write of that entry, however large the CRDT is, and what is
// kept does not grow without limit.
func TestNode_KeepsChanges(t *testing.T) {
	t.Parallel()
	elements := func(from, n int) *crdtpb.CrdtDelta {
		delta := &crdtpb.ORSetDelta{}
		for i := range n {
			delta.Added = append(delta.Added, &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: fmt.Append(nil, "element-", from+i)})
		}
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: delta}}
	}
	stored := memory.New()
	node := newNode(t, replication.Config{Replicas: stored})
	keep(t, node, key, elements(0, 10_000))
	_, whole := sizes(t, stored, key)
	keep(t, node, key, elements(10_000, 1))
	parts, bytes := sizes(t, stored, key)
	require.Less(t, bytes, whole+200)
	require.Equal(t, 2, parts)
	for i := range 3000 {
		keep(t, node, key, elements(i%10, 1)) // again
	}
	_, bytes = sizes(t, stored, key)
	require.Less(t, bytes, 2*whole+10_000)
	want := value(node, key)
	node.Close()
	node = newNode(t, replication.Config{Replicas: stored})
	defer node.Close()
	require.True(t, proto.Equal(want, value(node, key)))
}

// A slow store is a store whose writes wait for the test.
type slow struct {
	store.Replicas

	proceed chan struct{}
}

func (s slow) AddParts(ctx context.Context, key store.Key, parts ...[]byte) error {
	select {
	case <-s.proceed:
		return s.Replicas.AddParts(ctx, key, parts...)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Nobody is told that a change is safe before it is, wherever it has to be.
func TestNode_WaitsForTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &cluster.Memory{}
		stores := []slow{{memory.New(), make(chan struct{})}, {memory.New(), make(chan struct{})}}
		nodes := make([]*replication.Node, 0, len(stores))
		for _, s := range stores {
			node := newNode(t, replication.Config{Transport: network, Replicas: s})
			defer node.Close()
			nodes = append(nodes, node)
		}
		begin := func(consistency crdtpb.CrdtWriteConsistency) <-chan error {
			done := make(chan error, 1)
			wait := nodes[0].Publish(nodes[0].Entity(key).Update(counter(1)), consistency)
			go func() { done <- wait(t.Context()) }()
			synctest.Wait()
			require.Empty(t, done)
			return done
		}
		one := begin(local)
		stores[0].proceed <- struct{}{}
		require.NoError(t, <-one)
		stores[1].proceed <- struct{}{}

		both := begin(majority)
		stores[0].proceed <- struct{}{}
		synctest.Wait()
		require.Empty(t, both)
		stores[1].proceed <- struct{}{}
		require.NoError(t, <-both)
		require.True(t, proto.Equal(counter(2), value(nodes[1], key)))

		first := begin(local)
		second, third := begin(local), begin(local)
		stores[0].proceed <- struct{}{}
		require.NoError(t, <-first)
		stores[0].proceed <- struct{}{} // both
		require.NoError(t, <-second)
		require.NoError(t, <-third)
		close(stores[0].proceed)
		close(stores[1].proceed)
	})
}

// What could not be kept fails, and is kept as soon as that is possible: other nodes may know
// of it already.
func TestNode_TriesAgainToKeep(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]storetest.Fault{"nothing is kept": storetest.FailSave, "it is unknown whether it is kept": storetest.UnknownStored} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				faults := 0
				stored := storetest.NewFaultyReplicas(memory.New())
				node := newNode(t, replication.Config{Replicas: stored, Fault: func(err error) {
					require.ErrorIs(t, err, storetest.ErrInjected)
					require.ErrorContains(t, err, `keep the CRDT of cart "u1": `)
					faults++
				}})
				keep(t, node, key, counter(1))
				stored.Inject(fault, fault)
				err := node.Publish(node.Entity(key).Update(counter(2)), local)(t.Context())
				require.ErrorIs(t, err, replication.ErrConsistency)
				require.ErrorIs(t, err, storetest.ErrInjected)
				time.Sleep(time.Second) //nolint:forbidigo // virtual time
				synctest.Wait()
				require.Equal(t, 2, faults)
				require.Empty(t, stored.Pending())
				keep(t, node, key, counter(4))
				node.Close()
				node = newNode(t, replication.Config{Replicas: stored})
				defer node.Close()
				require.True(t, proto.Equal(counter(7), value(node, key)))
			})
		})
	}
}

// A node does not wait for ever for a store that fails.
func TestNode_ClosesWithoutItsStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		faults := 0
		stored := slow{Replicas: memory.New()}
		node := newNode(t, replication.Config{Replicas: stored, Fault: func(error) { faults++ }})
		first := node.Publish(node.Entity(key).Update(counter(1)), local)
		second := node.Publish(node.Entity(key).Update(counter(1)), local)
		begin := time.Now()
		node.Close()
		require.Equal(t, 5*time.Second, time.Since(begin))
		require.ErrorIs(t, first(t.Context()), replication.ErrConsistency)
		require.ErrorIs(t, second(t.Context()), replication.ErrConsistency)
		require.Equal(t, 1, faults)
	})
}

// A node that does not know what it had does not start.
func TestNode_RefusesToStart(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(stored *storetest.FaultyReplicas) error
		want    string
	}{
		"if the store fails": {
			func(stored *storetest.FaultyReplicas) error { stored.Inject(storetest.FailLoad); return nil },
			"load the CRDTs: read: injected fault",
		},
		"if the store fails in the middle": {
			func(stored *storetest.FaultyReplicas) error { stored.Inject(storetest.FailLoadLate); return nil },
			"load the CRDTs: read: injected fault",
		},
		"if the store has something else": {
			func(stored *storetest.FaultyReplicas) error {
				return stored.AddParts(context.Background(), key, []byte("something else"))
			},
			`load the CRDT of cart "u1": decode a CRDT: its encoding has version 115, want 1; do all nodes run the same release?`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stored := storetest.NewFaultyReplicas(memory.New())
			require.NoError(t, tt.prepare(stored))
			node := replication.NewNode(t.Context(), replication.Config{Replicas: stored})
			defer node.Close()
			require.EqualError(t, node.Join(t.Context()), tt.want)
		})
	}
}

// Two lives of a node must not have the same name.
func TestNode_RefusesItsFormerName(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		node := newNode(t, replication.Config{Transport: &cluster.Memory{}, Replicas: stored})
		keep(t, node, key, counter(1))
		node.Close()
		again := replication.NewNode(t.Context(), replication.Config{Transport: &cluster.Memory{}, Replicas: stored})
		defer again.Close()
		require.ErrorContains(t, again.Join(t.Context()), "its name for this node is node-1, but the store has writes of an earlier node of that name")
	})
}
