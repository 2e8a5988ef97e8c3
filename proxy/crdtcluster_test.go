package proxy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// change lets an entity change by a command with this id.
func (f *fixture) changeCRDT(stream *scripted.CRDTStream, id string, command int64, action *crdtpb.CrdtStateAction) {
	f.t.Helper()
	c := f.askCRDT(id)
	stream.RequireCommand(command, "Ask")
	stream.Reply(command, scripted.Answer("changed"), action)
	c.requireAnswer("changed")
}

// P-110, P-112, P-124, P-125: other nodes are told of changes, when no command is under
// way, and all at once.
func TestCRDT_Replicates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := newCluster(t, 2, &cluster.Memory{})
		a, b := nodes[0], nodes[1]
		left := a.openCRDT("e", nil)
		right := b.openCRDT("e", counted(1))
		left.RequireDelta(gcounter(1)) // creates it
		b.changeCRDT(right, "e", 2, counted(2))
		left.RequireDelta(gcounter(2))

		c := a.askCRDT("e")
		left.RequireCommand(2, "Ask")
		b.changeCRDT(right, "e", 3, counted(3))
		b.changeCRDT(right, "e", 4, counted(4))
		synctest.Wait()
		left.Reply(2, scripted.Answer("counted"), counted(10))
		left.RequireDelta(gcounter(7))
		c.requireAnswer("counted")
		right.RequireDelta(gcounter(10))

		a.passivateCRDT("e", left)
		c = a.askCRDT("e")
		left = a.AcceptCRDT()
		require.True(t, proto.Equal(gcounter(20), left.RequireInit("e")))
		left.RequireCommand(1, "Ask")
		left.Reply(1, scripted.Answer("done"), nil)
		c.requireAnswer("done")
		a.passivateCRDT("e", left)
		b.passivateCRDT("e", right)
	})
}

// P-124: changes that cancel each other out are not told.
func TestCRDT_DoesNotTellWhatCancelledOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := newCluster(t, 2, &cluster.Memory{})
		a, b := nodes[0], nodes[1]
		left := a.openCRDT("set", nil)
		right := b.openCRDT("set", scripted.Change(orset(&crdtpb.ORSetDelta{Added: elements("a")}), local))
		left.RequireDelta(orset(&crdtpb.ORSetDelta{Added: elements("a")}))
		c := a.askCRDT("set")
		left.RequireCommand(2, "Ask")
		b.changeCRDT(right, "set", 2, scripted.Change(orset(&crdtpb.ORSetDelta{Added: elements("b")}), local))
		b.changeCRDT(right, "set", 3, scripted.Change(orset(&crdtpb.ORSetDelta{Removed: elements("b")}), local))
		synctest.Wait()
		left.Reply(2, scripted.Answer("nothing"), nil)
		c.requireAnswer("nothing")
		a.passivateCRDT("set", left) // and no delta before
		b.passivateCRDT("set", right)
	})
}

// P-117, P-116: a delete reaches all nodes, and later commands everywhere fail.
func TestCRDT_DeletesEverywhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := newCluster(t, 3, &cluster.Memory{})
		a, b, c := nodes[0], nodes[1], nodes[2]
		left := a.openCRDT("e", counted(1))
		right := b.openCRDT("e", nil)
		w := a.openWatch(left, "e", 2)
		b.changeCRDT(right, "e", 2, scripted.Remove(all))
		right.Close()
		left.RequireDelete()
		left.Close()
		w.requireEnd()
		for _, node := range []*fixture{a, b, c} {
			node.askCRDT("e").requireStatus(codes.Unknown, "Entity deleted")
		}
	})
}

// P-128: writes are acknowledged by as many nodes as they ask for, or fail.
func TestCRDT_WriteConsistency(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		consistency crdtpb.CrdtWriteConsistency
		apart       []string
		fails       bool
	}{
		"LOCAL needs nobody":              {local, []string{"node-1"}, false},
		"MAJORITY needs two of three":     {majority, []string{"node-3"}, false},
		"MAJORITY fails on its own":       {majority, []string{"node-1"}, true},
		"ALL needs all":                   {all, nil, false},
		"ALL fails if one is missing":     {all, []string{"node-3"}, true},
		"an unknown consistency is LOCAL": {17, []string{"node-1"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				network := &cluster.Memory{}
				f := newCluster(t, 3, network)[0]
				stream := f.openCRDT("e", counted(1))
				w := f.openWatch(stream, "e", 2)
				network.Partition(tt.apart)
				begin := time.Now()
				c := f.askCRDT("e")
				stream.RequireCommand(3, "Ask")
				stream.Reply(3, scripted.Answer("written"), scripted.Change(gcounter(1), tt.consistency))
				if !tt.fails {
					c.requireAnswer("written")
					require.Less(t, time.Since(begin), time.Second)
					return
				}
				c.requireStatus(codes.Unknown, "Failed to update CRDT at requested write consistency")
				require.Equal(t, 5*time.Second, time.Since(begin))
				w.requireFailure("Entity terminating")
				stream.Cancelled()
				f.requireFaults("Failed to update CRDT at requested write consistency")
			})
		})
	}
}

// An initial read waits for a majority, and then makes do with what the node knows.
func TestCRDT_ReadsFromAMajority(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &cluster.Memory{}
		nodes := newCluster(t, 3, network)
		network.Partition([]string{"node-3"})
		nodes[0].passivateCRDT("e", nodes[0].openCRDT("e", counted(4)))
		begin := time.Now()
		c := nodes[2].askCRDT("e")
		stream := nodes[2].AcceptCRDT()
		require.Nil(t, stream.RequireInit("e"))
		require.Equal(t, 3*time.Second, time.Since(begin))
		stream.RequireCommand(1, "Ask")
		stream.Reply(1, scripted.Answer("alone"), counted(1))
		c.requireAnswer("alone")
		network.Heal()
		stream.RequireDelta(gcounter(4)) // by comparing
		nodes[2].passivateCRDT("e", stream)
	})
}

// While its write is under way, a new stream gets what the user function sends after the
// reply.
func TestCRDT_KeepsStreamedMessagesInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &cluster.Memory{Fault: func(string, string, []byte) cluster.Fault { return cluster.Fault{Delay: time.Second} }}
		f := newCluster(t, 2, network)[0]
		stream := f.openCRDT("e", nil)
		w := f.watch("e")
		stream.RequireCommand(2, "Watch")
		stream.Answer(&crdtpb.CrdtReply{
			CommandId: 2, Streamed: true, ClientAction: scripted.Replied(scripted.Answer("first")), StateAction: scripted.Change(gcounter(1), all),
		})
		stream.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 2, ClientAction: scripted.Replied(scripted.Answer("second")), EndStream: true})
		w.requireNext("first")
		w.requireNext("second")
		w.requireEnd()
		f.passivateCRDT("e", stream)
	})
}

// A proxy that stops takes back what its streams stood for, before it leaves the cluster.
func TestCRDT_ShutdownTellsTheCluster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := newCluster(t, 2, &cluster.Memory{})
		vote := func(self bool) *crdtpb.CrdtStateAction {
			return scripted.Change(&crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: self}}}, local)
		}
		left := nodes[0].openCRDT("e", vote(true))
		left.RequireDelta(&crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: true, VotesFor: 1, TotalVoters: 2}}})
		right := nodes[1].openCRDT("e", nil)
		w := nodes[0].openWatch(left, "e", 2)
		nodes[0].stop()
		w.requireEnd()
		left.RequireCancelled("e", 2)
		left.Confirm(&crdtpb.CrdtStreamCancelledResponse{CommandId: 2, StateAction: vote(false)})
		left.Close()
		told := right.Receive().GetDelta().GetVote()
		require.NotNil(t, told)
		require.Zero(t, told.GetVotesFor())
		nodes[1].passivateCRDT("e", right)
	})
}
