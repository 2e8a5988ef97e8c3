package replication_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replication"
)

var key = replication.Key{Type: "cart", ID: "u1"}

// join returns nodes of a network that are closed when the test ends.
func join(t *testing.T, n int, network cluster.Transport) []*replication.Node {
	t.Helper()
	nodes := make([]*replication.Node, 0, n)
	for range n {
		node := newNode(t, replication.Config{Transport: network})
		t.Cleanup(node.Close)
		nodes = append(nodes, node)
	}
	return nodes
}

// newNode returns a node that has joined, and that the test closes.
func newNode(t *testing.T, config replication.Config) *replication.Node {
	t.Helper()
	config.Warn = func(err error) { t.Errorf("garbled: %v", err) }
	if config.Fault == nil {
		config.Fault = func(err error) { t.Errorf("fault: %v", err) }
	}
	node := replication.NewNode(context.Background(), config)
	require.NoError(t, node.Join(t.Context()))
	return node
}

func counter(by uint64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: by}}}
}

func value(node *replication.Node, key replication.Key) *crdtpb.CrdtDelta {
	view, _ := node.Entity(key).View()
	if view == nil {
		return nil
	}
	return view.Full()
}

// write changes an entity, and sends the change to everybody.
func write(t *testing.T, node *replication.Node, key replication.Key, delta *crdtpb.CrdtDelta) {
	t.Helper()
	change := node.Entity(key).Update(delta)
	require.Nil(t, node.Publish(change, crdtpb.CrdtWriteConsistency_LOCAL))
}

// However messages get lost, doubled, late and out of order, and however the network is
// split, all nodes end up with the same.
func TestNode_ConvergesInABadNetwork(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { badNetwork(t, seed) })
		})
	}
}

func badNetwork(t *testing.T, seed uint64) {
	t.Helper()
	network := &cluster.Memory{Fault: func(string, string, []byte) cluster.Fault {
		return cluster.Fault{Drop: rand.IntN(3) == 0, Copies: rand.IntN(2), Delay: time.Duration(rand.IntN(2000)) * time.Millisecond}
	}}
	nodes := join(t, 3, network)
	random := rand.New(rand.NewPCG(seed, 0))
	total := map[replication.Key]uint64{}
	seen := map[*replication.Entity]uint64{}
	for range 200 {
		for k, most := range total { // at no time is anything counted twice
			for _, node := range nodes {
				e, now := node.Entity(k), value(node, k).GetGcounter().GetIncrement()
				require.GreaterOrEqual(t, now, seen[e])
				require.LessOrEqual(t, now, most)
				seen[e] = now
			}
		}
		k := replication.Key{Type: "cart", ID: fmt.Sprint("u", random.IntN(3))}
		by := random.Uint64N(10)
		total[k] += by
		write(t, nodes[random.IntN(3)], k, counter(by))
		switch random.IntN(20) {
		case 0:
			network.Partition([]string{nodes[random.IntN(3)].ID()})
		case 1:
			network.Heal()
		}
		time.Sleep(100 * time.Millisecond) //nolint:forbidigo // virtual time
	}
	network.Heal()
	time.Sleep(2 * time.Minute) //nolint:forbidigo // virtual time
	for _, node := range nodes {
		require.Equal(t, nodes[0].Fingerprints(), node.Fingerprints())
		for k, want := range total {
			require.True(t, proto.Equal(counter(want), value(node, k)), "%v: want %d, got %v", k, want, value(node, k))
		}
	}
}

// A node that joins later gets what there is, without being asked for it.
func TestNode_TellsThoseWhoJoin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &cluster.Memory{}
		first := join(t, 1, network)[0]
		write(t, first, key, counter(3))
		second := join(t, 1, network)[0]
		require.Empty(t, second.Fingerprints())
		time.Sleep(2 * time.Second) //nolint:forbidigo // virtual time
		require.Equal(t, first.Fingerprints(), second.Fingerprints())
		require.True(t, proto.Equal(counter(3), value(second, key)))
	})
}

// Nodes that have the same compare it in one message of half a kilobyte, however much it is.
// Where they differ, they do not send what is the same.
func TestNode_ComparesBriefly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var messages, bytes atomic.Int64
		lossy := false
		network := &cluster.Memory{Fault: func(_, _ string, message []byte) cluster.Fault {
			messages.Add(1)
			bytes.Add(int64(len(message)))
			return cluster.Fault{Drop: lossy}
		}}
		nodes := join(t, 2, network)
		exchange := func() (int64, int64) {
			messages.Store(0)
			bytes.Store(0)
			nodes[0].Exchange()
			synctest.Wait()
			return messages.Load(), bytes.Load()
		}
		large := replication.Key{Type: "cart", ID: "large"}
		set := &crdtpb.GSetDelta{}
		for i := range 10_000 {
			set.Added = append(set.Added, &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: fmt.Append(nil, "element-", i)})
		}
		write(t, nodes[0], large, &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: set}})
		for i := range 1000 {
			write(t, nodes[i%2], replication.Key{Type: "cart", ID: fmt.Sprint("u", i)}, counter(uint64(i)))
		}
		require.NoError(t, nodes[0].Publish(nodes[0].Entity(replication.Key{Type: "cart", ID: "u1"}).Delete(), crdtpb.CrdtWriteConsistency_ALL)(t.Context()))
		synctest.Wait()
		count, size := exchange()
		require.Equal(t, int64(1), count)
		require.Less(t, size, int64(520))

		lossy = true
		lost := replication.Key{Type: "cart", ID: "lost"}
		write(t, nodes[0], lost, counter(7))
		synctest.Wait()
		lossy = false
		_, size = exchange()
		require.Less(t, size, int64(4_000))
		require.True(t, proto.Equal(counter(7), value(nodes[1], lost)))
		count, _ = exchange()
		require.Equal(t, int64(1), count)
	})
}

// Watchers learn of what other nodes do, and only of that.
func TestEntity_Watch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := join(t, 2, &cluster.Memory{})
		changes := 0
		e := nodes[0].Entity(key)
		e.Watch(func() { changes++ })
		write(t, nodes[0], key, counter(1))
		synctest.Wait()
		require.Zero(t, changes)
		write(t, nodes[1], key, counter(1))
		synctest.Wait()
		require.Equal(t, 1, changes)
		require.Equal(t, uint64(1), e.Changes())
		e.Watch(nil)
		write(t, nodes[1], key, counter(1))
		synctest.Wait()
		require.Equal(t, 1, changes)
	})
}

// A write is repeated until it is acknowledged: a network that loses much is good enough.
func TestNode_RepeatsWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		nodes := join(t, 2, &cluster.Memory{Fault: func(from, _ string, _ []byte) cluster.Fault {
			return cluster.Fault{Drop: from == "node-1" && sent.Add(1) < 4}
		}})
		change := nodes[0].Entity(key).Update(counter(1))
		require.NoError(t, nodes[0].Publish(change, crdtpb.CrdtWriteConsistency_ALL)(t.Context()))
		require.True(t, proto.Equal(counter(1), value(nodes[1], key)))
	})
}

// A part that comes before one that it builds on waits for it, or for everything, which nodes
// exchange when they find a difference. Until then it is not acknowledged.
func TestNode_MergesPartsInOrder(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		consistency crdtpb.CrdtWriteConsistency
		takes       time.Duration
	}{
		"compared after a second":        {crdtpb.CrdtWriteConsistency_LOCAL, time.Second},
		"sent again after half a second": {crdtpb.CrdtWriteConsistency_ALL, 500 * time.Millisecond},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int32
				nodes := join(t, 2, &cluster.Memory{Fault: func(from, _ string, _ []byte) cluster.Fault {
					return cluster.Fault{Drop: from == "node-1" && sent.Add(1) == 2}
				}})
				begin := time.Now()
				write(t, nodes[0], key, counter(1))
				write(t, nodes[0], key, counter(2))
				wait := nodes[0].Publish(nodes[0].Entity(key).Update(counter(4)), tt.consistency)
				if wait != nil {
					done := make(chan error, 1)
					go func() { done <- wait(t.Context()) }()
					defer func() { require.NoError(t, <-done) }()
				}
				synctest.Wait()
				require.True(t, proto.Equal(counter(1), value(nodes[1], key)))
				changed := make(chan struct{}, 1)
				nodes[1].Entity(key).Watch(func() { changed <- struct{}{} })
				<-changed
				require.Equal(t, tt.takes, time.Since(begin))
				require.True(t, proto.Equal(counter(7), value(nodes[1], key)))
			})
		})
	}
}

// Tombstones travel like everything else, and nothing brings back what was deleted.
func TestNode_ReplicatesDeletes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &cluster.Memory{}
		nodes := join(t, 2, network)
		write(t, nodes[0], key, counter(1))
		network.Partition([]string{"node-1"})
		require.Nil(t, nodes[0].Publish(nodes[0].Entity(key).Delete(), crdtpb.CrdtWriteConsistency_LOCAL))
		write(t, nodes[1], key, counter(2))
		network.Heal()
		time.Sleep(3 * time.Second) //nolint:forbidigo // virtual time
		for _, node := range nodes {
			require.True(t, node.Entity(key).Deleted())
			require.Nil(t, value(node, key))
		}
	})
}

// What was asked for, but never written, leaves nothing behind.
func TestNode_ForgetsWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	node := join(t, 1, nil)[0]
	first, second := node.Entity(key), node.Entity(key)
	require.Same(t, first, second)
	node.Release(first)
	require.Same(t, first, node.Entity(key), "it is held")
	node.Release(first)
	node.Release(first)
	again := node.Entity(key)
	require.NotSame(t, first, again)
	again.Update(counter(1))
	node.Release(again)
	require.Same(t, again, node.Entity(key), "it exists")
}

// A node without a cluster needs nobody.
func TestNode_Alone(t *testing.T) {
	t.Parallel()
	node := join(t, 1, nil)[0]
	e := node.Entity(key)
	e.Read(t.Context())
	change := e.Update(&crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: true}}})
	require.Nil(t, node.Publish(change, crdtpb.CrdtWriteConsistency_ALL))
	node.Exchange()
	// one voter.
	want := &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: true, VotesFor: 1, TotalVoters: 1}}}
	require.True(t, proto.Equal(want, value(node, key)))
}

// Section 5.9: only members of the cluster vote. Those that have left without taking back
// their votes have none, and nobody has that of a former member.
func TestNode_CountsTheVotesOfMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		vote := func(self bool, votes, voters int32) *crdtpb.CrdtDelta {
			return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: self, VotesFor: votes, TotalVoters: voters}}}
		}
		network := &cluster.Memory{}
		nodes := join(t, 2, network)
		gone := newNode(t, replication.Config{Transport: network})
		write(t, gone, key, vote(true, 0, 0))
		write(t, nodes[0], key, vote(true, 0, 0))
		synctest.Wait()
		require.True(t, proto.Equal(vote(true, 2, 3), value(nodes[0], key)))
		require.True(t, proto.Equal(vote(false, 2, 3), value(nodes[1], key)))
		gone.Close()
		require.True(t, proto.Equal(vote(true, 1, 2), value(nodes[0], key)))
		require.True(t, proto.Equal(vote(false, 1, 2), value(nodes[1], key)))
	})
}

// A user function that does not hold what the replica has is told of it when it is known that
// something differs, and what is found at once is what a look at everything would find.
func TestEntity_Tells(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := join(t, 2, &cluster.Memory{})
		write(t, nodes[0], key, counter(1))
		synctest.Wait()
		e := nodes[0].Entity(key)
		e.Watch(func() {})
		held, _ := e.View()
		require.False(t, e.Differs())
		write(t, nodes[1], key, counter(5))
		synctest.Wait()
		require.True(t, e.Differs())
		delta, changes, err := e.Tell(held)
		require.NoError(t, err)
		require.Equal(t, uint64(1), changes)
		require.True(t, proto.Equal(counter(5), delta))
		require.False(t, e.Differs())

		require.NoError(t, held.Apply(counter(7))) // which does not count
		e.Doubt()
		_, _, err = e.Tell(held)
		require.EqualError(t, err, "a GCounter has become smaller")
		e.Watch(nil)
		write(t, nodes[1], key, counter(1))
		synctest.Wait()
		require.False(t, e.Differs(), "nobody watches")
	})
}

// What makes no sense is reported, and changes nothing.
func TestNode_WarnsOfGarbage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &cluster.Memory{}
		warnings := 0
		node := replication.NewNode(t.Context(), replication.Config{Transport: network, Warn: func(error) { warnings++ }})
		defer node.Close()
		require.NoError(t, node.Join(t.Context()))
		stranger, err := network.Join(func(string, []byte) {})
		require.NoError(t, err)
		defer stranger.Leave()
		garbage := [][]byte{nil, {9, 1}, {1, 9, 0}, {1, 1}, {1, 1, 0, 5}, {1, 1, 0, 0, 0, 9}, {1, 6, 0, 0, 0, 1}, {1, 5, 0, 0, 0, 9}, {1, 4, 0, 0, 0, 9}, {1, 6, 0, 0xff}, {1, 7, 0, 0, 0, 1}, {1, 8, 0, 0, 0, 1}}
		for _, data := range garbage {
			stranger.Send(node.ID(), data)
		}
		synctest.Wait()
		require.Equal(t, len(garbage), warnings)
		require.Empty(t, node.Fingerprints())
	})
}

// Elements of sets travel as they are.
func TestNode_ReplicatesElements(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := join(t, 2, &cluster.Memory{})
		set := &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: []*anypb.Any{
			{TypeUrl: "p.cloudstate.io/bytes", Value: []byte{0xff, 0}}, {TypeUrl: "p.cloudstate.io/string"},
		}}}}
		write(t, nodes[0], key, set)
		synctest.Wait()
		require.True(t, proto.Equal(set, value(nodes[1], key)))
	})
}
