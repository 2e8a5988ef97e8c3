package replica_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// A node is a replica with its user function.
type node struct {
	t     testing.TB
	name  string
	now   int64 // in milliseconds
	state *replica.State
	held  *replica.View
	twin  *replica.View   // held as well, and compared with everything each time
	since replica.Touched // what the user function was told
}

func newNode(tb testing.TB, name string) *node {
	tb.Helper()
	return &node{t: tb, name: name, state: replica.NewState()}
}

// write lets the user function change the CRDT, and returns what others need to know.
func (n *node) write(delta *crdtpb.CrdtDelta) *replica.State {
	n.t.Helper()
	part, err := n.try(delta)
	require.NoError(n.t, err)
	return part
}

func (n *node) try(delta *crdtpb.CrdtDelta) (*replica.State, error) {
	n.t.Helper()
	if n.held == nil {
		n.held, n.twin = replica.NewView(replica.KindOf(delta)), replica.NewView(replica.KindOf(delta))
	}
	if err := n.held.Apply(delta); err != nil {
		return nil, err
	}
	require.NoError(n.t, n.twin.Apply(delta))
	n.now++
	part, differs := n.state.Apply(delta, replica.Writer{Node: n.name, Now: time.UnixMilli(n.now)})
	if differs {
		n.since.Add(part)
	}
	return part, nil
}

// activate lets the user function begin with everything.
func (n *node) activate() {
	n.held, n.twin, n.since = n.view(), n.view(), replica.Touched{}
}

// merge merges what another node has sent.
func (n *node) merge(other *replica.State) {
	if n.state.Merge(other) {
		n.since.Add(other)
	}
}

// tell brings the user function up to date, and returns what it was told.
func (n *node) tell() *crdtpb.CrdtDelta {
	n.t.Helper()
	if n.held == nil { // it has been told of nothing
		n.activate()
		if n.held == nil {
			return nil
		}
		return n.held.Full()
	}
	delta, err := n.held.Follow(n.state, &n.since, n.cluster())
	require.NoError(n.t, err)
	n.since = replica.Touched{}
	return delta
}

// cluster is one of the nodes a, b and c.
func (n *node) cluster() replica.Cluster {
	others := slices.DeleteFunc([]string{"a", "b", "c"}, func(name string) bool { return name == n.name })
	return replica.Cluster{Self: n.name, Others: others}
}

// view returns what the user function should hold.
func (n *node) view() *replica.View { return n.state.View(n.cluster()) }

func (n *node) requireValue(want *crdtpb.CrdtDelta) {
	n.t.Helper()
	requireDelta(n.t, want, n.view().Full())
}

func requireDelta(tb testing.TB, want, got *crdtpb.CrdtDelta) {
	tb.Helper()
	require.True(tb, proto.Equal(want, got), "want %v, got %v", want, got)
}

func text(s string) *anypb.Any {
	return &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte(s)}
}

func texts(list ...string) []*anypb.Any {
	elements := make([]*anypb.Any, 0, len(list))
	for _, s := range list {
		elements = append(elements, text(s))
	}
	return elements
}

func gcounter(by uint64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: by}}}
}

func pncounter(by int64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: by}}}
}

func gset(added ...string) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: texts(added...)}}}
}

func orset(delta *crdtpb.ORSetDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: delta}}
}

func added(list ...string) *crdtpb.CrdtDelta {
	return orset(&crdtpb.ORSetDelta{Added: texts(list...)})
}

func removed(list ...string) *crdtpb.CrdtDelta {
	return orset(&crdtpb.ORSetDelta{Removed: texts(list...)})
}

func register(value string, clock crdtpb.CrdtClock, custom int64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: &crdtpb.LWWRegisterDelta{
		Value: text(value), Clock: clock, CustomClockValue: custom,
	}}}
}

func flag(value bool) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: value}}}
}

func vote(self bool, votes, members int32) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: self, VotesFor: votes, TotalVoters: members}}}
}

func ormap(delta *crdtpb.ORMapDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: delta}}
}

func ormapOf(key string, delta *crdtpb.CrdtDelta) *crdtpb.CrdtDelta {
	return ormap(&crdtpb.ORMapDelta{Added: at(key, delta)})
}

func at(key string, delta *crdtpb.CrdtDelta) []*crdtpb.ORMapEntryDelta {
	return []*crdtpb.ORMapEntryDelta{{Key: text(key), Delta: delta}}
}

// dice make decisions out of the input of a fuzz test.
type dice []byte

// roll returns a number below n; 0 once there is no more input.
func (d *dice) roll(n int) int {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return int(b) % n
}

// delta returns a change that a user function could make.
func (d *dice) delta(kind replica.Kind, depth int) *crdtpb.CrdtDelta {
	key := func() string { return fmt.Sprint("k", d.roll(4)) }
	switch kind {
	case replica.GCounter:
		return gcounter(uint64(d.roll(5)))
	case replica.PNCounter:
		return pncounter(int64(d.roll(9) - 4))
	case replica.GSet:
		return gset(key())
	case replica.ORSet:
		return orset(&crdtpb.ORSetDelta{Cleared: d.roll(8) == 0, Removed: texts(key()), Added: texts(key())})
	case replica.LWWRegister:
		return register(key(), crdtpb.CrdtClock(d.roll(4)), int64(d.roll(20)))
	case replica.Flag:
		return flag(true)
	case replica.Vote:
		return vote(d.roll(2) == 1, 0, 0)
	default:
		return d.mapDelta(key, depth)
	}
}

func (d *dice) mapDelta(key func() string, depth int) *crdtpb.CrdtDelta {
	child := func() *crdtpb.CrdtDelta {
		kinds := 8
		if depth > 1 {
			kinds = 6 // no further maps
		}
		return d.delta(replica.Kind(1+d.roll(kinds)), depth+1)
	}
	delta := &crdtpb.ORMapDelta{Cleared: d.roll(12) == 0}
	switch d.roll(4) {
	case 0:
		delta.Removed = texts(key())
	case 1:
		k := key()
		delta.Removed, delta.Added = texts(k), at(k, child()) // whatever was there
	default:
		delta.Updated = at(key(), child())
		k := key()
		delta.Removed = texts(k)
		delta.Added = at(k, child())
	}
	return ormap(delta)
}
