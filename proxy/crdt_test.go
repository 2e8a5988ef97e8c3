package proxy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// passivateCRDT lets an entity leave memory.
func (f *fixture) passivateCRDT(id string, stream *scripted.CRDTStream) {
	f.t.Helper()
	done := make(chan error, 1)
	go func() { done <- f.proxy.Passivate(f.t.Context(), scripted.PersistenceID(scripted.CRDT), id) }()
	stream.Close()
	require.NoError(f.t, <-done)
}

// P-110: init has no delta before there is a CRDT, and then all of it, empty or not. P-125:
// what an entity has done itself is not echoed. P-020, P-024: command ids start over.
func TestCRDT_KeepsItsState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		c := f.askCRDT("e")
		stream := f.AcceptCRDT()
		require.Nil(t, stream.RequireInit("e"))
		command := stream.RequireCommand(1, "Ask")
		require.False(t, command.GetStreamed())
		require.Nil(t, command.GetMetadata())
		stream.Reply(1, scripted.Answer("created"), counted(0))
		c.requireAnswer("created")
		f.passivateCRDT("e", stream)

		c = f.askCRDT("e")
		stream = f.AcceptCRDT()
		require.True(t, proto.Equal(gcounter(0), stream.RequireInit("e")), "present, but empty")
		stream.RequireCommand(1, "Ask")
		stream.Reply(1, scripted.Answer("counted"), counted(3))
		c.requireAnswer("counted")
		c = f.askCRDT("e")
		stream.RequireCommand(2, "Ask") // and no delta
		stream.Reply(2, scripted.Answer("again"), counted(4))
		c.requireAnswer("again")
		f.passivateCRDT("e", stream)

		c = f.askCRDT("e")
		stream = f.AcceptCRDT()
		require.True(t, proto.Equal(gcounter(7), stream.RequireInit("e")))
		stream.RequireCommand(1, "Ask")
		stream.Reply(1, scripted.Answer("done"), nil)
		c.requireAnswer("done")
		f.passivateCRDT("e", stream)
	})
}

// P-131: commands do not wait for each other, and replies come in any order.
func TestCRDT_PipelinesCommands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("e", nil)
		first := f.askCRDT("e")
		stream.RequireCommand(2, "Ask")
		second := f.askCRDT("e")
		stream.RequireCommand(3, "Ask")
		stream.Reply(3, scripted.Answer("third"), nil)
		second.requireAnswer("third")
		stream.Reply(2, scripted.Answer("second"), nil)
		first.requireAnswer("second")
		f.passivateCRDT("e", stream)
	})
}

// P-115, P-116: after a delete, the reply is delivered, the stream half-closed, and the
// entity gone for good, without another stream.
func TestCRDT_Deletes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("e", counted(1))
		other := f.askCRDT("e")
		stream.RequireCommand(2, "Ask")
		c := f.askCRDT("e")
		stream.RequireCommand(3, "Ask")
		stream.Reply(3, scripted.Answer("deleted"), scripted.Remove(local))
		c.requireAnswer("deleted")
		stream.RequireHalfClosed()
		f.askCRDT("e").requireStatus(codes.Unknown, "Entity deleted")
		stream.Reply(2, scripted.Answer("was under way"), counted(1))
		other.requireAnswer("was under way")
		stream.End(nil)
		f.askCRDT("e").requireStatus(codes.Unknown, "Entity deleted")
		w := f.watch("e")
		w.requireFailure("Entity deleted")
		f.requireFaults()
	})
}

// P-126, P-127, P-152, P-153, A-51: what the user function must not do ends the
// activation. Everybody gets the same answer, the reason is reported, and the next command
// finds the state of before.
func TestCRDT_Crashes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		then   func(*scripted.CRDTStream)
		reason string
	}{
		"P-127: a reply for an unknown command": {
			func(s *scripted.CRDTStream) { s.Reply(9, scripted.Answer("?"), nil) },
			"Received reply for entity id e for unknown command 9",
		},
		"P-126: a streamed reply where nothing is streamed": {
			func(s *scripted.CRDTStream) { s.Answer(&crdtpb.CrdtReply{CommandId: 3, Streamed: true}) },
			"Streamed reply to non streamed command 3",
		},
		"P-152: an increment that is too large": {
			func(s *scripted.CRDTStream) { s.Reply(3, nil, counted(1<<63)) },
			"Cannot decrement a GCounter, requested amount was -9223372036854775808",
		},
		"P-153: an empty delta": {
			func(s *scripted.CRDTStream) { s.Reply(3, nil, scripted.Change(&crdtpb.CrdtDelta{}, local)) },
			"Empty delta",
		},
		"P-153: a delta of another type": {
			func(s *scripted.CRDTStream) { s.Reply(3, nil, scripted.Change(orset(&crdtpb.ORSetDelta{}), local)) },
			"ORSetDelta is incompatible with CRDT GCounter",
		},
		"A-51: a failure of the stream": {
			func(s *scripted.CRDTStream) { s.Fail(&protocol.Failure{Description: "lost"}) },
			"the user function failed: lost",
		},
		"an empty message": {
			func(s *scripted.CRDTStream) { s.Send(&crdtpb.CrdtStreamOut{}) },
			"a message that is empty",
		},
		"the end of the stream": {
			func(s *scripted.CRDTStream) { s.End(nil) },
			"Unexpected entity termination due to stream closure",
		},
		"an error of the stream": {
			func(s *scripted.CRDTStream) { s.End(status.Error(codes.DataLoss, "broken")) },
			"Entity crashed",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				stream := f.openCRDT("e", counted(5))
				w := f.openWatch(stream, "e", 2)
				c := f.askCRDT("e")
				stream.RequireCommand(3, "Ask")
				tt.then(stream)
				c.requireStatus(codes.Unknown, "Entity terminating")
				w.requireFailure("Entity terminating")
				stream.Cancelled()
				require.Contains(t, f.Report(), tt.reason)
				f.requireFaults(tt.reason)

				c = f.askCRDT("e")
				stream = f.AcceptCRDT()
				require.True(t, proto.Equal(gcounter(5), stream.RequireInit("e")))
				stream.RequireCommand(1, "Ask")
				stream.Reply(1, scripted.Answer("back"), nil)
				c.requireAnswer("back")
				f.passivateCRDT("e", stream)
			})
		})
	}
}

// A-04, P-118: a failure of one command is for its client, with its text. The activation
// goes on.
func TestCRDT_FailuresOfCommands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("e", nil)
		w := f.openWatch(stream, "e", 2)
		c := f.askCRDT("e")
		stream.RequireCommand(3, "Ask")
		stream.Fail(&protocol.Failure{CommandId: 3, Description: "cannot do that", GrpcStatusCode: uint32(codes.Aborted)})
		c.requireStatus(codes.Aborted, "cannot do that")
		c = f.askCRDT("e")
		stream.RequireCommand(4, "Ask")
		stream.Answer(&crdtpb.CrdtReply{CommandId: 4, ClientAction: &protocol.ClientAction{
			Action: &protocol.ClientAction_Failure{Failure: &protocol.Failure{CommandId: 4, Description: "will not do that"}},
		}})
		c.requireStatus(codes.Unknown, "will not do that")
		stream.Fail(&protocol.Failure{CommandId: 2, Description: "cannot go on"})
		w.requireFailure("cannot go on")
		f.requireFaults("cannot do that", "cannot go on")
		f.passivateCRDT("e", stream)
	})
}

// A change that comes with a failure does not count, and the user function learns that.
func TestCRDT_IgnoresChangesOfFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("e", scripted.Change(orset(&crdtpb.ORSetDelta{Added: elements("a", "c")}), local))
		c := f.askCRDT("e")
		stream.RequireCommand(2, "Ask")
		stream.Answer(&crdtpb.CrdtReply{
			CommandId:   2,
			StateAction: scripted.Change(orset(&crdtpb.ORSetDelta{Added: elements("b")}), local),
			ClientAction: &protocol.ClientAction{
				Action: &protocol.ClientAction_Failure{Failure: &protocol.Failure{Description: "no"}},
			},
		})
		c.requireStatus(codes.Unknown, "no")
		stream.RequireDelta(orset(&crdtpb.ORSetDelta{Removed: elements("b")}))
		f.requireFaults("the reply is a failure, but has a state action")
		f.passivateCRDT("e", stream)
	})
}

// P-146: a value that loses is corrected.
func TestCRDT_CorrectsRegisters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("register", scripted.Change(register("first", crdtpb.CrdtClock_CUSTOM, 5), local))
		c := f.askCRDT("register")
		stream.RequireCommand(2, "Ask")
		stream.Reply(2, scripted.Answer("set"), scripted.Change(register("second", crdtpb.CrdtClock_CUSTOM, 4), local))
		c.requireAnswer("set")
		stream.RequireDelta(register("first", 0, 0))
		f.passivateCRDT("register", stream)
	})
}

// P-129: an entity leaves memory when it is idle, but not while a stream is open.
func TestCRDT_StaysWhileAStreamIsOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("watched", nil)
		w := f.openWatch(stream, "watched", 2)
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		stream.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 2, ClientAction: scripted.Replied(scripted.Answer("still here")), EndStream: true})
		w.requireNext("still here")
		w.requireEnd()
		begin := time.Now()
		stream.Close()
		require.Equal(t, 30*time.Second, time.Since(begin))
	})
}

// P-130: when the proxy stops, open streams end with OK. The user function learns that
// their clients have gone, and then half-closes.
func TestCRDT_ShutdownCompletesStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("e", nil)
		w := f.openWatch(stream, "e", 2)
		f.stop()
		w.requireEnd()
		stream.RequireCancelled("e", 2)
		stream.Confirm(&crdtpb.CrdtStreamCancelledResponse{CommandId: 2, StateAction: counted(1)})
		stream.Close()
		f.requireFaults()
	})
}

// A user function that does not end its stream is not waited for without end.
func TestCRDT_CancelsStreamsThatDoNotEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("e", nil)
		stream.RequireHalfClosed()
		time.Sleep(10 * time.Second) //nolint:forbidigo // virtual time
		c := f.askCRDT("e")          // waits for the next activation
		stream.Cancelled()
		f.requireFaults("did not end a half-closed stream within 1m0s")
		stream = f.AcceptCRDT()
		stream.RequireInit("e")
		stream.RequireCommand(1, "Ask")
		stream.Reply(1, scripted.Answer("next"), nil)
		c.requireAnswer("next")
		f.passivateCRDT("e", stream)
	})
}
