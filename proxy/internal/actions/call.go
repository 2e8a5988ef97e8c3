package actions

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
)

// call begins a call of the user function, of the kind of the method. The result
// returns one response after the other, and then io.EOF or a status. Both end with the
// context; cancel ends it with the status of a client that has failed.
func (a *Actions) call(ctx context.Context, command *routing.Command, cancel context.CancelCauseFunc) (func() (*actionpb.ActionResponse, error), error) {
	first := &actionpb.ActionCommand{ServiceName: command.Method.Service.Name, Name: command.Method.Name}
	in, out := command.Method.Descriptor.IsStreamingClient(), command.Method.Descriptor.IsStreamingServer()
	if !in || !command.Event { // see pump
		first.Metadata = command.Metadata
	}
	switch {
	case in && out:
		stream, err := a.userFunction.HandleStreamed(ctx)
		if err != nil {
			return nil, err
		}
		a.pump(first, command, stream, cancel)
		return stream.Recv, nil
	case in:
		stream, err := a.userFunction.HandleStreamedIn(ctx)
		if err != nil {
			return nil, err
		}
		a.pump(first, command, stream, cancel)
		return once(func() (*actionpb.ActionResponse, error) {
			response := new(actionpb.ActionResponse)
			return response, stream.RecvMsg(response) // unlike CloseAndRecv, while requests are sent
		}), nil
	case out:
		first.Payload = command.Payload
		stream, err := a.userFunction.HandleStreamedOut(ctx, first)
		if err != nil {
			return nil, err
		}
		return stream.Recv, nil
	default:
		first.Payload = command.Payload
		return once(func() (*actionpb.ActionResponse, error) { return a.userFunction.HandleUnary(ctx, first) }), nil
	}
}

// once returns a function that gets the only response of a call, and then io.EOF.
func once(get func() (*actionpb.ActionResponse, error)) func() (*actionpb.ActionResponse, error) {
	done := false
	return func() (*actionpb.ActionResponse, error) {
		if done {
			return nil, io.EOF
		}
		done = true
		return get()
	}
}

// A sink takes the messages of a call whose requests are streamed.
type sink interface {
	Send(*actionpb.ActionCommand) error
	grpc.ClientStream
}

// pump sends the header and then the requests, each as soon as the user function has
// room for it, in a goroutine that Close waits for. It ends with the last request, or
// with the call. The metadata of an event goes with the request (protocol section 9.3).
func (a *Actions) pump(header *actionpb.ActionCommand, command *routing.Command, to sink, cancel context.CancelCauseFunc) {
	next := command.Requests
	if next == nil {
		next = only(command.Payload)
	}
	var metadata *protocol.Metadata
	if command.Event {
		metadata = command.Metadata
	}
	a.pumps.Go(func() {
		if err := pass(header, next, metadata, to); err != nil && !errors.Is(err, io.EOF) {
			cancel(err)
		}
	})
}

// pass sends everything and half-closes the call. An error that is io.EOF means that the
// user function has ended it.
func pass(header *actionpb.ActionCommand, next func() (*anypb.Any, error), metadata *protocol.Metadata, to sink) error {
	if err := to.Send(header); err != nil {
		return err
	}
	for {
		payload, err := next()
		if errors.Is(err, io.EOF) {
			return to.CloseSend()
		}
		if err != nil {
			return err
		}
		if err := to.Send(&actionpb.ActionCommand{Payload: payload, Metadata: metadata}); err != nil {
			return err
		}
	}
}

// only returns a source of one request.
func only(payload *anypb.Any) func() (*anypb.Any, error) {
	taken := false
	return func() (*anypb.Any, error) {
		if taken {
			return nil, io.EOF
		}
		taken = true
		return payload, nil
	}
}
