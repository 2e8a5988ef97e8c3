package scripted

import (
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// valueServer implements the protocol of value entities.
type valueServer struct {
	valueentitypb.UnimplementedValueEntityServer

	userFunction *UserFunction
}

// Handle lets a stream wait for the test.
func (v valueServer) Handle(server valueentitypb.ValueEntity_HandleServer) error {
	s := &ValueStream{wire: newWire(v.userFunction.t, server, server.Recv, server.Send)}
	return offer(v.userFunction, v.userFunction.values, s, s.end)
}

// A ValueStream is one activation of one value entity, as the user function sees it.
type ValueStream struct {
	*wire[valueentitypb.ValueEntityStreamIn, valueentitypb.ValueEntityStreamOut]
}

// RequireInit requires that init comes next, and returns the state in it.
func (s *ValueStream) RequireInit(id string) *valueentitypb.ValueEntityInitState {
	s.t.Helper()
	init := s.Receive().GetInit()
	require.NotNil(s.t, init, "want an init message")
	require.Equal(s.t, id, init.GetEntityId())
	require.Equal(s.t, Value, init.GetServiceName())
	require.NotNil(s.t, init.GetState())
	return init.GetState()
}

// RequireCommand requires that a command with this id comes next, and returns it.
func (s *ValueStream) RequireCommand(id int64, name string) *protocol.Command {
	s.t.Helper()
	return requireCommand(s.t, s.Receive(), id, name)
}

// Reply answers a command with a payload and what becomes of the state, nil for nothing.
func (s *ValueStream) Reply(command *protocol.Command, payload *anypb.Any, action *valueentitypb.ValueEntityAction) {
	s.t.Helper()
	s.Answer(&valueentitypb.ValueEntityReply{CommandId: command.GetId(), ClientAction: Replied(payload), StateAction: action})
}

// Answer sends a reply as it is.
func (s *ValueStream) Answer(reply *valueentitypb.ValueEntityReply) {
	s.t.Helper()
	s.Send(&valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Reply{Reply: reply}})
}

// GiveUp sends a stream-level failure and ends the stream.
func (s *ValueStream) GiveUp(commandID int64, description string) {
	s.t.Helper()
	s.Send(&valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Failure{
		Failure: &protocol.Failure{CommandId: commandID, Description: description},
	}})
	s.End(nil)
}

// Update returns the state action that stores a value.
func Update(value *anypb.Any) *valueentitypb.ValueEntityAction {
	return &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Update{
		Update: &valueentitypb.ValueEntityUpdate{Value: value},
	}}
}

// Delete returns the state action that deletes the value.
func Delete() *valueentitypb.ValueEntityAction {
	return &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Delete{Delete: &valueentitypb.ValueEntityDelete{}}}
}
