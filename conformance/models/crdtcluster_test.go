package models_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate"
	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/conformance/models"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/cloudstate-go/cloudstate/testkit"
)

var crdtTypes = []string{"GCounter", "PNCounter", "GSet", "ORSet", "LWWRegister", "Flag", "ORMap", "Vote"}

// A node has the model, and a proxy that keeps its CRDTs.
type node struct {
	*testkit.Kit

	proxy *proxy.Proxy
}

func newNode(t *testing.T, network *cluster.Memory) *node {
	t.Helper()
	n := &node{}
	n.Kit = testkit.Start(t, &cloudstate.Service{Components: []cloudstate.Component{models.CRDT, models.CRDTTwo}}, func(p *proxy.Proxy) {
		p.Cluster, p.Replicas = network, memory.New()
		n.proxy = p
	})
	return n
}

// process carries out actions, and returns the state after them, without the vote of the node.
func (n *node) process(t *testing.T, id string, actions ...*pb.RequestAction) *pb.State {
	t.Helper()
	response, err := pb.NewCrdtTckModelClient(n).Process(t.Context(), &pb.Request{Id: id, Actions: actions})
	require.NoError(t, err)
	hideVotes(response.GetState())
	return response.GetState()
}

func hideVotes(state *pb.State) {
	if vote := state.GetVote(); vote != nil {
		vote.SelfVote = false
	}
	for _, entry := range state.GetOrmap().GetEntries() {
		hideVotes(entry.GetValue())
	}
}

// update returns an action that changes a CRDT of a type.
func update(random *rand.Rand, typ string, depth int) *pb.Update {
	name := func() string { return fmt.Sprint("x", random.IntN(4)) }
	u := &pb.Update{}
	switch typ {
	case "GCounter":
		u.Update = &pb.Update_Gcounter{Gcounter: &pb.GCounterUpdate{Increment: random.Uint64N(5)}}
	case "PNCounter":
		u.Update = &pb.Update_Pncounter{Pncounter: &pb.PNCounterUpdate{Change: random.Int64N(9) - 4}}
	case "GSet":
		u.Update = &pb.Update_Gset{Gset: &pb.GSetUpdate{Add: name()}}
	case "ORSet":
		set := &pb.ORSetUpdate{Action: &pb.ORSetUpdate_Add{Add: name()}}
		switch random.IntN(6) {
		case 0:
			set.Action = &pb.ORSetUpdate_Clear{Clear: true}
		case 1, 2:
			set.Action = &pb.ORSetUpdate_Remove{Remove: name()}
		}
		u.Update = &pb.Update_Orset{Orset: set}
	case "LWWRegister":
		clock := &pb.LWWRegisterClock{ClockType: pb.LWWRegisterClockType(random.Int32N(4)), CustomClockValue: random.Int64N(10)}
		u.Update = &pb.Update_Lwwregister{Lwwregister: &pb.LWWRegisterUpdate{Value: name(), Clock: clock}}
	case "Flag":
		u.Update = &pb.Update_Flag{Flag: &pb.FlagUpdate{}}
	case "Vote":
		u.Update = &pb.Update_Vote{Vote: &pb.VoteUpdate{SelfVote: random.IntN(2) == 0}}
	default:
		u.Update = &pb.Update_Ormap{Ormap: updateMap(random, depth)}
	}
	return u
}

func updateMap(random *rand.Rand, depth int) *pb.ORMapUpdate {
	types := crdtTypes
	if depth > 1 {
		types = crdtTypes[:6] // no further maps
	}
	typ := types[random.IntN(len(types))]
	key := fmt.Sprintf("%s-%d", typ, random.IntN(2))
	switch random.IntN(8) {
	case 0:
		return &pb.ORMapUpdate{Action: &pb.ORMapUpdate_Clear{Clear: true}}
	case 1, 2:
		return &pb.ORMapUpdate{Action: &pb.ORMapUpdate_Remove{Remove: key}}
	case 3:
		return &pb.ORMapUpdate{Action: &pb.ORMapUpdate_Add{Add: key}}
	default:
		return &pb.ORMapUpdate{Action: &pb.ORMapUpdate_Update{Update: &pb.ORMapEntryUpdate{Key: key, Update: update(random, typ, depth+1)}}}
	}
}

// Three nodes change CRDTs of every type at will, in a network that loses, repeats, delays and
// splits. Afterwards all user functions have the same values, and have them still when they
// get them anew from their proxies. Meanwhile the testkit compares each value with what the
// proxy believes that it is.
func TestCRDT_ConvergesInABadNetwork(t *testing.T) {
	t.Parallel()
	for _, typ := range crdtTypes {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				synctest.Test(t, func(t *testing.T) { badNetwork(t, typ, seed) })
			}
		})
	}
}

func badNetwork(t *testing.T, typ string, seed uint64) {
	t.Helper()
	network := &cluster.Memory{Fault: func(string, string, []byte) cluster.Fault {
		return cluster.Fault{Drop: rand.IntN(4) == 0, Copies: rand.IntN(2), Delay: time.Duration(rand.IntN(1000)) * time.Millisecond}
	}}
	nodes := []*node{newNode(t, network), newNode(t, network), newNode(t, network)}
	random := rand.New(rand.NewPCG(seed, 0))
	ids := []string{typ + "-a", typ + "-b"}
	for range 60 {
		n, id := nodes[random.IntN(3)], ids[random.IntN(2)]
		actions := make([]*pb.RequestAction, 1+random.IntN(3))
		for i := range actions {
			actions[i] = &pb.RequestAction{Action: &pb.RequestAction_Update{Update: update(random, typ, 0)}}
		}
		n.process(t, id, actions...)
		switch random.IntN(10) {
		case 0:
			network.Partition([]string{nodes[random.IntN(3)].proxy.Replication().Node})
		case 1:
			network.Heal()
		case 2:
			n.Passivate("CrdtTckModel", id)
		}
		time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond) //nolint:forbidigo // virtual time
	}
	network.Heal()
	time.Sleep(5 * time.Minute) //nolint:forbidigo // virtual time
	for _, n := range nodes {
		require.True(t, maps.Equal(nodes[0].proxy.Replication().Fingerprints, n.proxy.Replication().Fingerprints))
	}
	for _, id := range ids {
		want := nodes[0].process(t, id)
		for i, n := range nodes {
			got := n.process(t, id)
			require.True(t, proto.Equal(want, got), "node %d: want %v, got %v", i, want, got)
			n.Passivate("CrdtTckModel", id)
			got = n.process(t, id)
			require.True(t, proto.Equal(want, got), "node %d, anew: want %v, got %v", i, want, got)
		}
	}
}
