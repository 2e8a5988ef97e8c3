// Package relay takes commands to entities, and brings back what they answer. It is what
// all kinds of entities have in common towards clients, whatever happens in between: which
// entity a command is for, how long its client waits, and what becomes of it when the client
// leaves (protocol section 3.6).
package relay

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// An Entity is what a command is for.
type Entity struct {
	Service *spec.Service
	ID      string
}

// PassivationTimeout returns when the entity leaves memory if it is idle: what its service
// says, or the default.
func (e Entity) PassivationTimeout(byDefault time.Duration) time.Duration {
	if e.Service.PassivationTimeout > 0 {
		return e.Service.PassivationTimeout
	}
	return byDefault
}

// Fault describes a fault of the entity, at a command, or without one if call is nil.
func (e Entity) Fault(call *Call, err error) routing.Fault {
	fault := routing.Fault{Service: e.Service.Name, EntityID: e.ID, Err: err}
	if call != nil {
		fault.Command = call.Command.Method.Name
	}
	return fault
}

// A Host runs an entity, or has the commands for it.
type Host interface {
	// Left tells that the caller of a call has left before its end. It does not block.
	Left(call *Call)
}

// A Relay takes the commands of one kind of entities to their hosts. All fields are
// required but for Buffer, and must not change.
type Relay struct {
	// Timeout limits how long a client waits for the first answer.
	Timeout time.Duration
	// Buffer limits how many bytes of responses wait for a client that reads them slowly, behind
	// one that may be larger. It is of no concern to commands with one response.
	Buffer int
	// Complete is called with the response to a command whose client has left. It does not
	// block.
	Complete func(context.Context, *routing.Command, *routing.Response)
	// Submit hands a call to the host of its entity, without waiting; it returns nil if no
	// more are taken.
	Submit func(call *Call) Host
}

// Start begins a command, and returns what waits for its end, as [routing.Starter] has it:
// the command has its place when Start returns.
//
// What waits passes on the responses. It returns when the call has ended; when there is no
// answer within the timeout, or when the context ends, the caller leaves, and what the
// command leads to goes to Complete. The context of a command that follows from another does
// not end it, unless it has a stream of responses: what it follows from has happened, so it
// has to happen as well.
func (r *Relay) Start(ctx context.Context, command *routing.Command) func(respond func(*routing.Response) error) error {
	id, err := command.Method.EntityKey(command.Payload.GetValue())
	switch {
	case err != nil:
		return refused(status.Error(codes.InvalidArgument, err.Error()))
	case id == "":
		return refused(status.Error(codes.InvalidArgument, "entity key must not be empty"))
	}
	call := newCall(Entity{Service: command.Method.Service, ID: id}, command, r.Buffer, func(response *routing.Response) { r.Complete(ctx, command, response) })
	host := r.Submit(call)
	if host == nil {
		call.complete(true)
		return refused(Stopping())
	}
	return func(respond func(*routing.Response) error) error { return r.wait(ctx, call, host, respond) }
}

func refused(err error) func(func(*routing.Response) error) error {
	return func(func(*routing.Response) error) error { return err }
}

// wait passes responses on until the call has ended, or its caller has left.
func (r *Relay) wait(ctx context.Context, call *Call, host Host, respond func(*routing.Response) error) error {
	defer call.complete(true) // if it has not been completed in another way
	if call.Command.Follows() && !call.Streamed() {
		ctx = context.WithoutCancel(ctx)
	}
	timeout := time.NewTimer(r.Timeout)
	defer timeout.Stop()
	for {
		response, ended, err := call.take()
		if response != nil {
			timeout.Stop()
			if refused := respond(response); refused != nil {
				if call.leave() {
					host.Left(call)
				}
				return refused
			}
		}
		switch {
		case ended:
			return err
		case response != nil:
			continue
		}
		select {
		case <-call.ready:
			continue
		case <-ctx.Done():
			err = status.FromContextError(ctx.Err()).Err()
		case <-timeout.C:
			err = status.Errorf(codes.DeadlineExceeded, "%s %q did not answer %s within %v", call.To.Service.Name, call.To.ID, call.Command.Method.Name, r.Timeout)
		}
		if call.leave() {
			host.Left(call)
			return err
		}
	}
}

// Stopping is the answer to a command that comes too late.
func Stopping() error {
	return status.Error(codes.Unavailable, "the proxy is shutting down")
}
