package actions_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// P-090, P-091: every kind of method ends well, with each response in order.
func TestHandle_PassesOnResponses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		requests  int
		responses int
	}{
		"Ask":  {0, 1},
		"Out":  {0, 3},
		"In":   {3, 1},
		"Both": {3, 3},
	}
	for method, tt := range tests {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			f := start(t, echo{replies: 3})
			requests := make([]*anypb.Any, tt.requests)
			for i := range requests {
				requests[i] = scripted.Question("u1", "")
			}
			responses := 0
			require.NoError(t, f.Handle(t.Context(), f.command(method, requests...), func(response *routing.Response) error {
				responses++
				require.True(t, proto.Equal(scripted.Answer("ok"), response.Action.GetReply().GetPayload()))
				return nil
			}))
			require.Equal(t, tt.responses, responses)
			require.Empty(t, f.faults)
		})
	}
}

// An error of whoever gets the responses ends the call.
func TestHandle_ReturnsTheErrorOfRespond(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Ask", "Out", "In", "Both"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			f := start(t, echo{replies: 1_000_000})
			enough := errors.New("enough")
			require.ErrorIs(t, f.Handle(t.Context(), f.command(method), func(*routing.Response) error { return enough }), enough)
			require.Empty(t, f.faults)
		})
	}
}

// twice is a user function that answers a call twice, without having read anything.
type twice struct{ echo }

func (twice) HandleStreamedIn(stream grpc.ClientStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	return errors.Join(stream.SendMsg(echoed), stream.SendMsg(echoed))
}

// A user function that answers twice is at fault, and no answer is the right one.
func TestHandle_TwoResponsesWhereOneIsDue(t *testing.T) {
	t.Parallel()
	f := start(t, twice{})
	err := f.Handle(t.Context(), f.command("In"), func(*routing.Response) error {
		return errors.New("a response was passed on")
	})
	require.Equal(t, codes.Internal, status.Code(err))
	require.Len(t, f.faults, 1)
	require.Equal(t, scripted.Action, f.faults[0].Service)
	require.Equal(t, "In", f.faults[0].Command)
}

// silent is a user function that ends its calls without a response.
type silent struct{ echo }

func (silent) HandleStreamedIn(grpc.ClientStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	return nil
}

func TestHandle_NoResponseWhereOneIsDue(t *testing.T) {
	t.Parallel()
	f := start(t, silent{})
	err := f.Handle(t.Context(), f.command("In"), func(*routing.Response) error {
		return errors.New("a response was passed on")
	})
	require.Equal(t, codes.Internal, status.Code(err))
	require.Len(t, f.faults, 1)
}

// hung is a user function that does nothing until its call is cancelled.
type hung struct {
	actionpb.UnimplementedActionProtocolServer
}

func (hung) HandleUnary(ctx context.Context, _ *actionpb.ActionCommand) (*actionpb.ActionResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hung) HandleStreamed(stream grpc.BidiStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	<-stream.Context().Done()
	return stream.Context().Err()
}

// A call that has no client ends when everything does.
func TestHandle_DetachedCallsAreAborted(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Ask", "Both"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t, hung{})
				done := make(chan error, 1)
				go func() {
					done <- f.Handle(context.WithoutCancel(t.Context()), f.command(method), func(*routing.Response) error { return nil })
				}()
				synctest.Wait()
				require.Empty(t, done)
				f.abort()
				require.Equal(t, status.Error(codes.Unavailable, "the proxy is shutting down"), <-done)
				require.Empty(t, f.faults)
			})
		})
	}
}

// A client whose requests cannot be read any more ends the call, with its status.
func TestHandle_RequestsFail(t *testing.T) {
	t.Parallel()
	f := start(t, hung{})
	command := f.command("Both")
	gone := status.Error(codes.ResourceExhausted, "too large")
	command.Requests = func() (*anypb.Any, error) { return nil, gone }
	require.Equal(t, gone, f.Handle(t.Context(), command, func(*routing.Response) error { return nil }))
	require.Empty(t, f.faults)
}

// odd is a user function whose responses are of every form.
type odd struct {
	echo

	response *actionpb.ActionResponse
}

func (o odd) HandleUnary(context.Context, *actionpb.ActionCommand) (*actionpb.ActionResponse, error) {
	return o.response, nil
}

// P-092, as seen from the proxy.
func TestHandle_FormsOfResponses(t *testing.T) {
	t.Parallel()
	effects := []*protocol.SideEffect{{ServiceName: scripted.First, CommandName: "Tell"}}
	failure := &protocol.Failure{Description: "no"}
	tests := map[string]struct {
		response *actionpb.ActionResponse
		action   *protocol.ClientAction
	}{
		"a reply":   {&actionpb.ActionResponse{Response: echoed.GetResponse()}, scripted.Replied(scripted.Answer("ok"))},
		"a failure": {&actionpb.ActionResponse{Response: &actionpb.ActionResponse_Failure{Failure: failure}}, &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: failure}}},
		"a forward": {
			&actionpb.ActionResponse{Response: &actionpb.ActionResponse_Forward{Forward: &protocol.Forward{ServiceName: scripted.First, CommandName: "Ask"}}},
			scripted.Forwarded(scripted.First, "Ask", nil),
		},
		"nothing": {&actionpb.ActionResponse{}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.response.SideEffects = effects
			f := start(t, odd{response: tt.response})
			require.NoError(t, f.Handle(t.Context(), f.command("Ask"), func(response *routing.Response) error {
				require.True(t, proto.Equal(tt.action, response.Action), "got %v", response.Action)
				require.Len(t, response.SideEffects, 1)
				require.True(t, proto.Equal(effects[0], response.SideEffects[0]))
				return nil
			}))
		})
	}
}
