package proxy_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// P-098: what a streamed element is forwarded to replies on the same stream, in order,
// whatever its kind.
func TestRoute_ForwardsOfAStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Both")
		call := f.accept("Both")
		call.Forward(scripted.First, "Ask", scripted.Question("u1", "es"))
		call.Reply(scripted.Answer("after es"))
		target := f.Accept()
		target.RequireInit("u1")
		target.Reply(target.RequireCommand(1, "Ask"), scripted.Answer("es"))
		s.requireAnswer("es")
		s.requireAnswer("after es")

		call.Forward(scripted.Value, "Ask", scripted.Question("u1", "value"))
		value := f.AcceptValue()
		value.RequireInit("u1")
		value.Reply(value.RequireCommand(1, "Ask"), scripted.Answer("value"), nil)
		s.requireAnswer("value")

		call.Forward(scripted.Action, "Out", scripted.Question("u1", "action"))
		call.Reply(scripted.Answer("after action"))
		action := f.accept("Out")
		action.Reply(scripted.Answer("1"))
		s.requireAnswer("1")
		action.Reply(scripted.Answer("2"))
		s.requireAnswer("2")
		action.End(nil)
		s.requireAnswer("after action")
		call.End(nil)
		s.requireEnd()
		f.requireNoFaults()
	})
}

// Protocol section 7.5: what is called is decided by the target's method, and a method
// that streams requests gets one.
func TestRoute_ToMethodsThatStreamIn(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"In", "Both"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				s := f.begin(t.Context(), "Ask")
				f.accept("Ask").Forward(scripted.Action, method, scripted.Question("u1", "forwarded"))
				target := f.accept(method)
				require.True(t, proto.Equal(scripted.Question("u1", "forwarded"), target.RequirePayload()))
				target.RequireHalfClosed()
				target.Reply(scripted.Answer("ok"))
				if method == "Both" {
					target.Reply(scripted.Answer("too much")) // for a unary call
					target.End(nil)
				}
				s.requireAnswer("ok")
				s.requireEnd()
			})
		})
	}
}

// metadata of forwards and side effects arrives once. That of the request does
// not, and that of the target's reply is not for the client.
func TestRoute_Metadata(t *testing.T) {
	t.Parallel()
	given := &protocol.Metadata{Entries: []*protocol.MetadataEntry{{Key: "k", Value: &protocol.MetadataEntry_StringValue{StringValue: "v"}}}}
	for method := range kinds {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				s := f.begin(metadata.AppendToOutgoingContext(t.Context(), "tenant", "acme"), "Out")
				with := effect(scripted.Action, method, "u1", true)
				with.Metadata = given
				call := f.accept("Out")
				call.Respond(&actionpb.ActionResponse{
					Response: &actionpb.ActionResponse_Forward{Forward: &protocol.Forward{
						ServiceName: scripted.Action, CommandName: method, Payload: scripted.Question("u1", ""), Metadata: given,
					}},
					SideEffects: []*protocol.SideEffect{with},
				})
				for range 2 {
					target := f.AcceptCall()
					header := target.RequireHeader(kinds[method].rpc, method)
					require.True(t, proto.Equal(given, header.GetMetadata()), "got %v", header)
					if kinds[method].in {
						target.RequirePayload()
					}
					target.Respond(&actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{
						Reply: &protocol.Reply{Payload: scripted.Answer("ok"), Metadata: given},
					}})
					if kinds[method].out {
						target.End(nil)
					}
				}
				s.requireAnswer("ok")
				header, err := s.Header()
				require.NoError(t, err)
				require.NotContains(t, header, "k")
				call.End(nil)
				s.requireEnd()
			})
		})
	}
}

// P-171, P-172: effects of each element, in order; a synchronous one is over when its
// whole stream is, and its failures are ignored.
func TestRoute_EffectsOnStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Out")
		call := f.accept("Out")
		call.Reply(scripted.Answer("first"), effect(scripted.Action, "Out", "e1", true), effect(scripted.Value, "Tell", "e2", true))
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			s.requireAnswer("first")
		}()
		target := f.accept("Out")
		target.Reply(scripted.Answer("for nobody"))
		target.Fail(&protocol.Failure{Description: "ignored"})
		target.Reply(scripted.Answer("for nobody"))
		synctest.Wait()
		select {
		case <-answered:
			require.Fail(t, "the reply was delivered before its synchronous effect was over")
		default:
		}
		target.End(nil)
		value := f.AcceptValue()
		value.RequireInit("e2")
		value.Reply(value.RequireCommand(1, "Tell"), scripted.Nothing(), nil)
		<-answered

		call.Reply(scripted.Answer("second"), effect(scripted.Action, "Out", "e3", false))
		s.requireAnswer("second") // does not wait
		call.End(nil)
		s.requireEnd()
		target = f.accept("Out")
		target.End(nil)
		f.requireNoFaults()
	})
}

// P-098, P-170: entities forward to actions, and their clients get what those stream.
func TestRoute_EntitiesForwardToActions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		c := f.ask("u1")
		stream := f.Accept()
		stream.RequireInit("u1")
		stream.Answer(&eventsourcedpb.EventSourcedReply{
			CommandId:    stream.RequireCommand(1, "Ask").GetId(),
			ClientAction: scripted.Forwarded(scripted.Value, "Ask", scripted.Question("v1", "")),
		})
		value := f.AcceptValue()
		value.RequireInit("v1")
		value.Answer(&valueentitypb.ValueEntityReply{
			CommandId:    value.RequireCommand(1, "Ask").GetId(),
			ClientAction: scripted.Forwarded(scripted.Action, "Out", scripted.Question("a1", "")),
		})
		action := f.accept("Out")
		action.Reply(scripted.Answer("from the action"))
		action.End(nil)
		c.requireAnswer("from the action")
		f.requireNoFaults()
	})
}

// P-101: a forward to an action is the client's, and ends with it; an entity's command
// goes on, as do side effects.
func TestRoute_ClientLeavesDuringAForward(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		left bool // before the entity answers
	}{
		"after the entity has answered":  {false},
		"before the entity has answered": {true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				ctx, leave := contextWithCancel(t)
				c := f.askWith(ctx, "u1")
				stream := f.Accept()
				stream.RequireInit("u1")
				command := stream.RequireCommand(1, "Ask")
				if tt.left {
					leave()
					<-c.done
					synctest.Wait()
				}
				stream.Answer(&eventsourcedpb.EventSourcedReply{
					CommandId:    command.GetId(),
					ClientAction: scripted.Forwarded(scripted.Action, "Out", scripted.Question("a1", "")),
					SideEffects:  []*protocol.SideEffect{effect(scripted.Action, "Tell", "e1", true)},
				})
				f.accept("Tell").Reply(scripted.Nothing())
				if !tt.left {
					action := f.accept("Out")
					leave()
					<-c.done
					action.Cancelled()
				}
				synctest.Wait()
				f.requireNoFaults()
				next := f.ask("u1")
				stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("still there"))
				next.requireAnswer("still there")
			})
		})
	}
}

// P-173, and protocol section 3.2: an element that cannot be forwarded ends the call.
func TestRoute_UnroutableElement(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ service, command, text string }{
		"to an unknown service": {"nowhere.Service", "Ask", "Service [nowhere.Service] unknown"},
		"to an unknown command": {scripted.Value, "Shout", "Service [scripted.Value] does not have a command named: [Shout]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				s := f.begin(t.Context(), "Out")
				call := f.accept("Out")
				call.Reply(scripted.Answer("ok"), effect(tt.service, tt.command, "e1", true))
				s.requireAnswer("ok")
				require.Equal(t, tt.text+"\n  side-effect of scripted.Action.Out", f.Report())
				call.Forward(tt.service, tt.command, scripted.Question("u1", ""))
				s.requireStatus(codes.Unimplemented, tt.text)
				require.Equal(t, tt.text+"\n  forwarded from scripted.Action.Out", f.Report())
				call.Cancelled()
			})
		})
	}
}

// Protocol section 4.5: a payload of a wrong type is passed on as it is, but whoever has
// forwarded it is told.
func TestRoute_PayloadOfAWrongType(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		wrong := scripted.Question("u1", "wrong")
		wrong.TypeUrl = "type.googleapis.com/other.Type"
		s := f.begin(t.Context(), "Ask")
		f.accept("Ask").Forward(scripted.Action, "Tell", wrong)
		target := f.AcceptCall()
		require.True(t, proto.Equal(wrong, target.RequireHeader("HandleUnary", "Tell").GetPayload()))
		target.Reply(scripted.Answer("ok"))
		s.requireAnswer("ok")
		require.Equal(t, "Warning: scripted.Action.Tell: Expected payload type_url to be [type.googleapis.com/scripted.Question] but was [type.googleapis.com/other.Type].\n  forwarded from scripted.Action.Ask", f.Report())
	})
}

// A method that takes anything is sent nothing wrong.
func TestRoute_PayloadOfAnyType(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Ask")
		f.accept("Ask").Forward(scripted.Action, "Take", scripted.Event("whatever"))
		f.accept("Take").Reply(scripted.Answer("ok"))
		s.requireAnswer("ok")
		f.requireNoFaults()
	})
}

// A command that was forwarded to an entity happens, even if its client leaves while it
// waits for its turn.
func TestRoute_ClientLeavesDuringAForwardToAnEntity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		busy := f.askOf(t.Context(), scripted.Value, "v1")
		value := f.AcceptValue()
		value.RequireInit("v1")
		command := value.RequireCommand(1, "Ask")
		ctx, leave := contextWithCancel(t)
		c := f.askWith(ctx, "u1")
		stream := f.Accept()
		stream.RequireInit("u1")
		stream.Answer(&eventsourcedpb.EventSourcedReply{
			CommandId:    stream.RequireCommand(1, "Ask").GetId(),
			ClientAction: scripted.Forwarded(scripted.Value, "Tell", scripted.Question("v1", "forwarded")),
		})
		synctest.Wait()
		leave()
		<-c.done
		synctest.Wait()
		value.Reply(command, scripted.Answer("ok"), nil)
		busy.requireAnswer("ok")
		value.Reply(value.RequireCommand(2, "Tell"), scripted.Nothing(), nil)
	})
}

// Protocol section 7.2: a loop ends after 64 hops, through all kinds.
func TestRoute_LoopEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Out")
		for range 65 {
			f.accept("Out").Forward(scripted.Action, "Out", scripted.Question("u1", ""))
		}
		s.requireStatus(codes.Internal, "more than 64 forwards and side effects follow from one call, the last to scripted.Action.Out: is there a loop?")
		require.Equal(t, 65, strings.Count(f.Report(), "forwarded from scripted.Action.Out"))
	})
}
