package scripted

import (
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// A Stream is one activation of one event sourced entity, as the user function sees it.
type Stream struct {
	*wire[eventsourcedpb.EventSourcedStreamIn, eventsourcedpb.EventSourcedStreamOut]
}

// RequireInit requires that init comes next, and returns it.
func (s *Stream) RequireInit(id string) *eventsourcedpb.EventSourcedInit {
	s.t.Helper()
	init := s.Receive().GetInit()
	require.NotNil(s.t, init, "want an init message")
	require.Equal(s.t, id, init.GetEntityId())
	return init
}

// RequireEvent requires that an event with this number comes next, and returns its
// payload.
func (s *Stream) RequireEvent(seq int64) *anypb.Any {
	s.t.Helper()
	event := s.Receive().GetEvent()
	require.NotNil(s.t, event, "want event %d", seq)
	require.Equal(s.t, seq, event.GetSequence())
	return event.GetPayload()
}

// RequireCommand requires that a command with this id comes next, and returns it.
func (s *Stream) RequireCommand(id int64, name string) *protocol.Command {
	s.t.Helper()
	return requireCommand(s.t, s.Receive(), id, name)
}

// Reply answers a command with a payload and events.
func (s *Stream) Reply(command *protocol.Command, payload *anypb.Any, events ...*anypb.Any) {
	s.t.Helper()
	s.Answer(&eventsourcedpb.EventSourcedReply{CommandId: command.GetId(), ClientAction: Replied(payload), Events: events})
}

// Fail answers a command with a failure.
func (s *Stream) Fail(command *protocol.Command, failure *protocol.Failure) {
	s.t.Helper()
	failure.CommandId = command.GetId()
	s.Answer(&eventsourcedpb.EventSourcedReply{
		CommandId:    command.GetId(),
		ClientAction: &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: failure}},
	})
}

// Answer sends a reply as it is.
func (s *Stream) Answer(reply *eventsourcedpb.EventSourcedReply) {
	s.t.Helper()
	s.Send(&eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Reply{Reply: reply}})
}

// GiveUp sends a stream-level failure and ends the stream.
func (s *Stream) GiveUp(commandID int64, description string) {
	s.t.Helper()
	s.Send(&eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Failure{
		Failure: &protocol.Failure{CommandId: commandID, Description: description},
	}})
	s.End(nil)
}
