package scripted

import (
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// crdtServer implements the protocol of CRDT entities.
type crdtServer struct {
	crdtpb.UnimplementedCrdtServer

	userFunction *UserFunction
}

// Handle lets a stream wait for the test.
func (c crdtServer) Handle(server crdtpb.Crdt_HandleServer) error {
	s := &CRDTStream{wire: newWire(c.userFunction.t, server, server.Recv, server.Send)}
	return offer(c.userFunction, c.userFunction.crdts, s, s.end)
}

// AcceptCRDT waits for the next stream that the proxy opens for a CRDT entity.
func (u *UserFunction) AcceptCRDT() *CRDTStream {
	return <-u.crdts
}

// A CRDTStream is one activation of one CRDT entity, as the user function sees it.
type CRDTStream struct {
	*wire[crdtpb.CrdtStreamIn, crdtpb.CrdtStreamOut]
}

// RequireInit requires that init comes next, and returns the delta in it.
func (s *CRDTStream) RequireInit(id string) *crdtpb.CrdtDelta {
	s.t.Helper()
	init := s.Receive().GetInit()
	require.NotNil(s.t, init, "want an init message")
	require.Equal(s.t, id, init.GetEntityId())
	require.Equal(s.t, CRDT, init.GetServiceName())
	return init.GetDelta()
}

// RequireCommand requires that a command with this id comes next, and returns it.
func (s *CRDTStream) RequireCommand(id int64, name string) *protocol.Command {
	s.t.Helper()
	return requireCommand(s.t, s.Receive(), id, name)
}

// RequireDelta requires that a delta comes next.
func (s *CRDTStream) RequireDelta(want *crdtpb.CrdtDelta) {
	s.t.Helper()
	message := s.Receive()
	require.True(s.t, proto.Equal(want, message.GetDelta()), "want delta %v, got %v", want, message)
}

// RequireCancelled requires that the cancellation of a stream comes next.
func (s *CRDTStream) RequireCancelled(entityID string, id int64) {
	s.t.Helper()
	message := s.Receive()
	require.NotNil(s.t, message.GetStreamCancelled(), "want stream cancelled, got %v", message)
	require.Equal(s.t, id, message.GetStreamCancelled().GetId())
	require.Equal(s.t, entityID, message.GetStreamCancelled().GetEntityId())
}

// RequireDelete requires that a delete comes next.
func (s *CRDTStream) RequireDelete() {
	s.t.Helper()
	message := s.Receive()
	require.NotNil(s.t, message.GetDelete(), "want delete, got %v", message)
}

// Reply answers a command with a payload and what becomes of the CRDT, nil for nothing.
func (s *CRDTStream) Reply(id int64, payload *anypb.Any, action *crdtpb.CrdtStateAction) {
	s.t.Helper()
	s.Answer(&crdtpb.CrdtReply{CommandId: id, ClientAction: Replied(payload), StateAction: action})
}

// Answer sends a reply as it is.
func (s *CRDTStream) Answer(reply *crdtpb.CrdtReply) {
	s.t.Helper()
	s.Send(&crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Reply{Reply: reply}})
}

// Stream sends a message of an open stream.
func (s *CRDTStream) Stream(message *crdtpb.CrdtStreamedMessage) {
	s.t.Helper()
	s.Send(&crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamedMessage{StreamedMessage: message}})
}

// Confirm answers the cancellation of a stream.
func (s *CRDTStream) Confirm(response *crdtpb.CrdtStreamCancelledResponse) {
	s.t.Helper()
	s.Send(&crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: response}})
}

// Fail sends a failure.
func (s *CRDTStream) Fail(failure *protocol.Failure) {
	s.t.Helper()
	s.Send(&crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Failure{Failure: failure}})
}

// Change returns the state action that changes a CRDT.
func Change(delta *crdtpb.CrdtDelta, consistency crdtpb.CrdtWriteConsistency) *crdtpb.CrdtStateAction {
	return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Update{Update: delta}, WriteConsistency: consistency}
}

// Remove returns the state action that deletes a CRDT.
func Remove(consistency crdtpb.CrdtWriteConsistency) *crdtpb.CrdtStateAction {
	return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Delete{Delete: &crdtpb.CrdtDelete{}}, WriteConsistency: consistency}
}
