package scripted

import (
	"context"
	"io"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// actionServer implements the protocol of actions.
type actionServer struct {
	actionpb.UnimplementedActionProtocolServer

	userFunction *UserFunction
}

// An ActionCall is one call of an action, as the user function sees it.
type ActionCall struct {
	*wire[actionpb.ActionCommand, actionpb.ActionResponse]

	// RPC is the method of the protocol that the proxy has called.
	RPC string
}

// Send sends a response, and returns an error when the call is over. Of a call with one
// response, this is it: the call ends.
func (c *ActionCall) Send(response *actionpb.ActionResponse) error {
	return c.send(response)
}

// HandleUnary lets a call wait for the test.
func (a actionServer) HandleUnary(ctx context.Context, command *actionpb.ActionCommand) (*actionpb.ActionResponse, error) {
	u := a.userFunction
	var response *actionpb.ActionResponse
	c := &ActionCall{RPC: "HandleUnary"}
	c.wire = newWire(u.t, plain{ctx}, only(command), func(r *actionpb.ActionResponse) error {
		response = r
		c.End(nil)
		return nil
	})
	if err := offer(u, u.calls, c, c.end); err != nil {
		return nil, err
	}
	return response, nil
}

// HandleStreamedIn lets a call wait for the test.
func (a actionServer) HandleStreamedIn(server grpc.ClientStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	u := a.userFunction
	c := &ActionCall{RPC: "HandleStreamedIn"}
	c.wire = newWire(u.t, server, server.Recv, func(r *actionpb.ActionResponse) error {
		err := server.SendAndClose(r)
		c.End(nil)
		return err
	})
	return offer(u, u.calls, c, c.end)
}

// HandleStreamedOut lets a call wait for the test.
func (a actionServer) HandleStreamedOut(command *actionpb.ActionCommand, server grpc.ServerStreamingServer[actionpb.ActionResponse]) error {
	u := a.userFunction
	c := &ActionCall{wire: newWire(u.t, server, only(command), server.Send), RPC: "HandleStreamedOut"}
	return offer(u, u.calls, c, c.end)
}

// HandleStreamed lets a call wait for the test.
func (a actionServer) HandleStreamed(server grpc.BidiStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	u := a.userFunction
	c := &ActionCall{wire: newWire(u.t, server, server.Recv, server.Send), RPC: "HandleStreamed"}
	return offer(u, u.calls, c, c.end)
}

// plain has the context of a call without streams.
type plain struct {
	ctx context.Context //nolint:containedctx // that is what it is for
}

func (p plain) Context() context.Context { return p.ctx }

// only returns a source of one message.
func only(command *actionpb.ActionCommand) func() (*actionpb.ActionCommand, error) {
	taken := false
	return func() (*actionpb.ActionCommand, error) {
		if taken {
			return nil, io.EOF
		}
		taken = true
		return command, nil
	}
}

// RequireHeader requires that the first message comes next, with the name of the method,
// and returns it.
func (c *ActionCall) RequireHeader(rpc, method string) *actionpb.ActionCommand {
	c.t.Helper()
	require.Equal(c.t, rpc, c.RPC)
	command := c.Receive()
	require.NotNil(c.t, command, "want a command")
	require.Equal(c.t, Action, command.GetServiceName())
	require.Equal(c.t, method, command.GetName())
	return command
}

// RequirePayload requires that a message with nothing but a payload comes next, and
// returns that.
func (c *ActionCall) RequirePayload() *anypb.Any {
	c.t.Helper()
	command := c.Receive()
	require.NotNil(c.t, command, "want a request")
	require.Empty(c.t, command.GetServiceName())
	require.Empty(c.t, command.GetName())
	require.Nil(c.t, command.GetMetadata())
	require.NotNil(c.t, command.GetPayload())
	return command.GetPayload()
}

// Respond sends a response that must arrive.
func (c *ActionCall) Respond(response *actionpb.ActionResponse) {
	c.t.Helper()
	require.NoError(c.t, c.Send(response))
}

// Reply sends a reply.
func (c *ActionCall) Reply(payload *anypb.Any, effects ...*protocol.SideEffect) {
	c.t.Helper()
	c.Respond(&actionpb.ActionResponse{
		Response:    &actionpb.ActionResponse_Reply{Reply: &protocol.Reply{Payload: payload}},
		SideEffects: effects,
	})
}

// Fail sends a failure.
func (c *ActionCall) Fail(failure *protocol.Failure, effects ...*protocol.SideEffect) {
	c.t.Helper()
	c.Respond(&actionpb.ActionResponse{
		Response:    &actionpb.ActionResponse_Failure{Failure: failure},
		SideEffects: effects,
	})
}

// Forward sends a forward.
func (c *ActionCall) Forward(service, command string, payload *anypb.Any) {
	c.t.Helper()
	c.Respond(&actionpb.ActionResponse{Response: &actionpb.ActionResponse_Forward{
		Forward: &protocol.Forward{ServiceName: service, CommandName: command, Payload: payload},
	}})
}

// Nothing sends an empty response, with side effects.
func (c *ActionCall) Nothing(effects ...*protocol.SideEffect) {
	c.t.Helper()
	c.Respond(&actionpb.ActionResponse{SideEffects: effects})
}
