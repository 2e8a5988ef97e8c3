package proxy_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// P-119: a stream may begin with an empty reply; it has what the user function sends, until
// that ends it.
func TestCRDT_Streams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		w := f.watch("e")
		stream := f.AcceptCRDT()
		stream.RequireInit("e")
		require.True(t, stream.RequireCommand(1, "Watch").GetStreamed()) // P-021
		stream.Answer(&crdtpb.CrdtReply{CommandId: 1, Streamed: true})
		for _, text := range []string{"one", "two"} {
			stream.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 1, ClientAction: scripted.Replied(scripted.Answer(text))})
			w.requireNext(text)
		}
		stream.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 1, EndStream: true})
		w.requireEnd()
		f.passivateCRDT("e", stream)
	})
}

// a reply that is not streamed ends the stream, whatever else it has.
func TestCRDT_EndsStreamsThatAreNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		w := f.watch("e")
		stream := f.AcceptCRDT()
		stream.RequireInit("e")
		stream.RequireCommand(1, "Watch")
		stream.Reply(1, scripted.Answer("that is all"), nil)
		w.requireNext("that is all")
		w.requireEnd()
		f.passivateCRDT("e", stream)
	})
}

// P-123, P-124: the user function learns that a client has left; while it has not
// answered, it gets no delta.
func TestCRDT_CancelsStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("e", nil)
		w := f.openWatch(stream, "e", 2)
		w.leave()
		stream.RequireCancelled("e", 2)
		stream.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 2, ClientAction: scripted.Replied(scripted.Answer("too late"))})
		stream.Confirm(&crdtpb.CrdtStreamCancelledResponse{CommandId: 2, StateAction: counted(1)})
		f.passivateCRDT("e", stream)
		c := f.askCRDT("e")
		stream = f.AcceptCRDT()
		require.True(t, proto.Equal(gcounter(1), stream.RequireInit("e")))
		stream.RequireCommand(1, "Ask")
		stream.Reply(1, scripted.Answer("kept"), nil)
		c.requireAnswer("kept")
		f.passivateCRDT("e", stream)
		f.requireFaults()
	})
}

// when a client leaves before the reply, the cancellation comes once, and after
// the reply.
func TestCRDT_CancelsStreamsAfterTheReply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("e", nil)
		w := f.watch("e")
		stream.RequireCommand(2, "Watch")
		w.leave()
		synctest.Wait()
		stream.Answer(&crdtpb.CrdtReply{CommandId: 2, Streamed: true})
		stream.RequireCancelled("e", 2)
		stream.Confirm(&crdtpb.CrdtStreamCancelledResponse{CommandId: 2})
		f.passivateCRDT("e", stream)
	})
}

// nothing is cancelled that did not become a stream, or has ended.
func TestCRDT_DoesNotCancelWhatHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("e", nil)
		w := f.watch("e")
		stream.RequireCommand(2, "Watch")
		w.leave()
		synctest.Wait()
		stream.Reply(2, scripted.Answer("nobody reads this"), nil)
		w = f.openWatch(stream, "e", 3)
		stream.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 3, EndStream: true})
		w.requireEnd()
		w.leave()
		synctest.Wait()
		f.passivateCRDT("e", stream)
	})
}

// P-127: messages for streams that there are not do no harm, but are reported.
func TestCRDT_ReportsMessagesOfUnknownStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.openCRDT("e", nil)
		stream.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 7})
		require.Equal(t, "Received streamed message for unknown command id: 7", f.Report())
		stream.Confirm(&crdtpb.CrdtStreamCancelledResponse{CommandId: 8})
		require.Equal(t, "Received stream cancelled response for unknown command id: 8", f.Report())
		f.requireFaults("unknown command id: 7", "unknown command id: 8")
		f.passivateCRDT("e", stream)
	})
}

// A-05, P-132: side effects of streamed messages, and of the answer to a cancellation, are
// carried out.
func TestCRDT_SideEffectsOfStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		effect := func(text string) []*protocol.SideEffect {
			return []*protocol.SideEffect{{ServiceName: scripted.Value, CommandName: "Ask", Payload: scripted.Question(text, ""), Synchronous: true}}
		}
		expect := func(id string) {
			value := f.AcceptValue()
			value.RequireInit(id)
			value.Reply(value.RequireCommand(1, "Ask"), nil, nil)
			value.Close()
		}
		stream := f.openCRDT("e", nil)
		w := f.openWatch(stream, "e", 2)
		stream.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 2, SideEffects: effect("one")})
		expect("one")
		w.leave()
		stream.RequireCancelled("e", 2)
		stream.Confirm(&crdtpb.CrdtStreamCancelledResponse{CommandId: 2, SideEffects: effect("two")})
		expect("two")
		stream.Close()
	})
}

// Section 7.5: a forward to a streamed command, and from one, is routed by its target.
func TestCRDT_Forwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		w := f.watch("from")
		from := f.AcceptCRDT()
		from.RequireInit("from")
		from.RequireCommand(1, "Watch")
		from.Answer(&crdtpb.CrdtReply{CommandId: 1, ClientAction: scripted.Forwarded(scripted.CRDT, "Watch", scripted.Question("to", ""))})
		to := f.AcceptCRDT()
		to.RequireInit("to")
		to.RequireCommand(1, "Watch")
		to.Answer(&crdtpb.CrdtReply{CommandId: 1, Streamed: true, ClientAction: scripted.Replied(scripted.Answer("forwarded"))})
		w.requireNext("forwarded")
		to.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 1, ClientAction: scripted.Forwarded(scripted.Value, "Ask", scripted.Question("v", ""))})
		value := f.AcceptValue()
		value.RequireInit("v")
		value.Reply(value.RequireCommand(1, "Ask"), scripted.Answer("by another"), nil)
		w.requireNext("by another")
		w.leave()
		to.RequireCancelled("to", 1)
		to.Confirm(&crdtpb.CrdtStreamCancelledResponse{CommandId: 1})
		value.Close()
		f.passivateCRDT("from", from)
		f.passivateCRDT("to", to)
	})
}

// A client that does not read its stream fast enough loses it, and nobody else does. The user
// function learns that the client has gone.
func TestCRDT_EndsStreamsThatAreNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) { f.proxy.StreamBuffer = 1 << 20 }).ready()
		stream := f.openCRDT("e", nil)
		slow, other := f.openWatch(stream, "e", 2), f.openWatch(stream, "e", 3)
		large := strings.Repeat("x", 100<<10)
		for range 20 {
			for id := range int64(2) {
				stream.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 2 + id, ClientAction: scripted.Replied(scripted.Answer(large))})
			}
			other.requireNext(large)
		}
		stream.RequireCancelled("e", 2)
		stream.Confirm(&crdtpb.CrdtStreamCancelledResponse{CommandId: 2})
		stream.Stream(&crdtpb.CrdtStreamedMessage{CommandId: 3, ClientAction: scripted.Replied(scripted.Answer("still here")), EndStream: true})
		other.requireNext("still here")
		other.requireEnd()
		received := 0
		var err error
		for answer := (&wrapperspb.StringValue{}); err == nil; received++ {
			err = slow.stream.RecvMsg(answer)
		}
		require.Equal(t, codes.ResourceExhausted, status.Code(err))
		require.ErrorContains(t, err, "read too slowly: more than 1048576 bytes wait in the proxy")
		require.Less(t, received, 20)
		f.passivateCRDT("e", stream)
		f.requireFaults()
	})
}
