// Package actions carries out the calls of actions: components without state, whose
// methods may stream in both directions (protocol section 3.2).
//
// Each call of a client, forward or side effect is one call of the user function. There
// are no queues in between: whoever is slow to read slows down whoever sends.
package actions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// A Config is what actions need. All fields are required.
type Config struct {
	// UserFunction has the actions.
	UserFunction grpc.ClientConnInterface
	// Report is called with everything that goes wrong.
	Report func(context.Context, routing.Fault)
}

// Actions carries out the calls of all actions of a user function. It is a
// [routing.Kind] and may be used concurrently.
type Actions struct {
	userFunction actionpb.ActionProtocolClient
	report       func(context.Context, routing.Fault)
	// atEnd lets a call be cancelled at the end of everything, until the result is
	// called.
	atEnd func(cancel func()) (stop func() bool)
	pumps sync.WaitGroup // what passes requests on
}

var _ routing.Kind = (*Actions)(nil)

// New returns the actions of a user function. When the context ends, calls that have no
// client end with UNAVAILABLE; those that have one end with it. Close must be called in
// any case.
func New(ctx context.Context, config Config) *Actions {
	return &Actions{
		userFunction: actionpb.NewActionProtocolClient(config.UserFunction),
		report:       config.Report,
		atEnd:        func(cancel func()) func() bool { return context.AfterFunc(ctx, cancel) },
	}
}

// Close waits until nothing of any call goes on. There must be no calls any more, and
// their clients must have ended.
func (a *Actions) Close() {
	a.pumps.Wait()
}

// Handle implements [routing.Kind]. It returns when the user function has ended its
// call, when respond returns an error, or when the context ends; the call has ended then
// in any case.
func (a *Actions) Handle(ctx context.Context, command *routing.Command, respond func(*routing.Response) error) error {
	meter := command.Method.Service.Meter
	if meter == nil {
		return a.handle(ctx, command, respond)
	}
	start, failed := meter.Start(), false
	meter.Count(observe.CommandReceived)
	err := a.handle(ctx, command, func(response *routing.Response) error {
		failed = failed || response.Action.GetFailure() != nil
		return respond(response)
	})
	if failed || err != nil {
		meter.Count(observe.CommandFailed)
	}
	meter.Time(observe.CommandCompleted, start)
	return err
}

// handle is Handle without the meter.
func (a *Actions) handle(ctx context.Context, command *routing.Command, respond func(*routing.Response) error) error {
	detached := ctx.Done() == nil
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if detached {
		defer a.atEnd(func() { cancel(status.Error(codes.Unavailable, "the proxy is shutting down")) })()
	}
	next, err := a.call(ctx, command, cancel)
	for err == nil {
		var response *actionpb.ActionResponse
		if response, err = next(); err == nil {
			if err := respond(routed(response)); err != nil {
				return err
			}
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return a.failed(ctx, command, err)
}

// failed returns the status of a call that has not ended well. If that is the fault of
// the user function, it is reported.
func (a *Actions) failed(ctx context.Context, command *routing.Command, err error) error {
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
			return cause // a status
		}
		return status.FromContextError(ctx.Err()).Err()
	}
	_, limited := ctx.Deadline()
	if !limited || status.Code(err) != codes.DeadlineExceeded { // it may notice first
		a.report(ctx, routing.Fault{
			Service: command.Method.Service.Name,
			Command: command.Method.Name,
			Err:     fmt.Errorf("the user function did not complete the call, want a failure as response: %w", err),
		})
	}
	return err
}

// routed returns a response of an action in the form that is the same for all kinds.
func routed(response *actionpb.ActionResponse) *routing.Response {
	routed := &routing.Response{SideEffects: response.GetSideEffects()}
	switch action := response.GetResponse().(type) {
	case *actionpb.ActionResponse_Reply:
		routed.Action = &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: action.Reply}}
	case *actionpb.ActionResponse_Forward:
		routed.Action = &protocol.ClientAction{Action: &protocol.ClientAction_Forward{Forward: action.Forward}}
	case *actionpb.ActionResponse_Failure:
		routed.Action = &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: action.Failure}}
	default: // nothing for the client
	}
	return routed
}
