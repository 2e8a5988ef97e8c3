// Package routing carries out commands: it finds the component that handles one,
// and does what the component's response asks for, side effects and forwards
// included (protocol section 7).
//
// Every kind of entity, and actions, are implementations of [Kind], registered at a
// [Router] under their entity type. A kind knows nothing of the others, nor of
// clients: it produces responses, and the router does the rest.
package routing

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// MaxHops is how many forwards and side effects may follow from one another until
// they are taken for a loop (protocol section 7.2).
const MaxHops = 64

// A Command is a call of a method, on its way to a component.
type Command struct {
	// Method is what is called.
	Method *spec.Method
	// Payload is the request, also of a method that streams them in, unless Requests is
	// set.
	Payload *anypb.Any
	// Requests returns the requests that a client streams in, one after the other, and
	// then io.EOF. A call of it that is under way when the command has been handled
	// returns soon. Nil if there is but the one in Payload.
	Requests func() (*anypb.Any, error)
	// Metadata came with the call. Nil for none. Whether it is passed on is up to the
	// kind.
	Metadata *protocol.Metadata
	// Event says that the command is an event of a log or a topic, and that the metadata
	// belongs to the payload.
	Event bool

	cause *cause
}

// Follows says whether the command follows from another one, as a forward or a side
// effect, and does not come from a client.
func (c *Command) Follows() bool { return c.cause != nil }

// A Response is what a component answers after its state is safe.
type Response struct {
	// Action is for the client. It may be nil or empty: then the client gets nothing.
	Action *protocol.ClientAction
	// SideEffects come before the action.
	SideEffects []*protocol.SideEffect
}

// A Kind carries out the commands of one kind of component.
type Kind interface {
	// Handle carries out a command and passes each response to respond, in order. It
	// returns the error of respond, or its own when the component could not answer: a
	// gRPC status that the client gets.
	//
	// The context of a command that a client has sent, or that was forwarded, ends when
	// the client leaves; that of a side effect never does.
	Handle(ctx context.Context, command *Command, respond func(*Response) error) error
}

// A Starter is a Kind that carries out commands for one entity in the order in which they
// were started.
type Starter interface {
	// Start begins a command, without waiting, and returns what Kind.Handle does after
	// that. It must be called.
	Start(ctx context.Context, command *Command) (handle func(respond func(*Response) error) error)
}

// A Router carries out commands. It is used concurrently once its kinds are
// registered.
type Router struct {
	spec     *spec.Spec
	reporter *Reporter
	kinds    map[string]Kind
	publish  Publish // nil if no method has a topic
	tasks    tasks
}

// New returns a router for the services of a user function.
func New(services *spec.Spec, reporter *Reporter) *Router {
	return &Router{spec: services, reporter: reporter, kinds: map[string]Kind{}}
}

// Register lets a kind handle the services of an entity type.
func (r *Router) Register(entityType string, kind Kind) {
	r.kinds[entityType] = kind
}

// Call carries out a command for a client, passes the replies to send, and returns
// a gRPC status. There may be no reply at all, which is for the front end to deal with
// (protocol section 8.2). It may return while the command goes on, for the context's or the
// component's reasons; send is not called after that.
func (r *Router) Call(ctx context.Context, command *Command, send func(*protocol.Reply) error) error {
	err := r.Deliver(ctx, command, send)
	if err != nil {
		r.reportUnpublished(ctx, err)
	}
	return err
}

// Deliver is Call for whoever reports the error, if it is not a client. A *[FailureError] is
// what the component has answered.
func (r *Router) Deliver(ctx context.Context, command *Command, send func(*protocol.Reply) error) error {
	return r.tasks.do(func() error {
		return r.dispatch(ctx, command, &client{router: r, method: command.Method, send: send})
	})
}

// Complete does what a response asks for when the client does not wait for it any
// more: side effects, and the forward, unless that is to an action whose client has gone
// with the context. It does not block.
func (r *Router) Complete(ctx context.Context, command *Command, response *Response) {
	r.tasks.start(func() {
		err := r.respond(ctx, command, response, r.audience(ctx, command, nobody{}))
		if err == nil || r.reportUnpublished(ctx, err) {
			return
		}
		if ctx.Err() == nil || status.Code(err) != status.FromContextError(ctx.Err()).Code() {
			r.reporter.Report(ctx, Fault{Service: command.Method.Service.Name, Command: command.Method.Name, Err: fmt.Errorf("forward of a command that its client had given up: %w", err)})
		}
	})
}

// Wait waits until every call and everything that was started for it has ended.
func (r *Router) Wait(ctx context.Context) error {
	return r.tasks.wait(ctx)
}

// dispatch lets the kind of a command handle it.
func (r *Router) dispatch(ctx context.Context, command *Command, to audience) error {
	return r.start(ctx, command, to)()
}

// start begins a command, and returns what carries it out.
func (r *Router) start(ctx context.Context, command *Command, to audience) func() error {
	service := command.Method.Service
	kind := r.kinds[service.EntityType]
	if kind == nil {
		return func() error {
			return status.Errorf(codes.Unimplemented, "%s has the entity type %s, which this proxy does not serve", service.Name, service.EntityType)
		}
	}
	to = r.audience(ctx, command, to)
	respond := func(response *Response) error { return r.respond(ctx, command, response, to) }
	if starter, ok := kind.(Starter); ok {
		handle := starter.Start(ctx, command)
		return func() error { return handle(respond) }
	}
	return func() error { return kind.Handle(ctx, command, respond) }
}

// respond does what a response asks for. The command has happened, so that its client
// can leave without stopping the side effects.
func (r *Router) respond(ctx context.Context, command *Command, response *Response, to audience) error {
	for _, effect := range response.SideEffects {
		r.sideEffect(ctx, command, effect)
	}
	switch action := response.Action.GetAction().(type) {
	case *protocol.ClientAction_Reply:
		return to.reply(action.Reply)
	case *protocol.ClientAction_Failure:
		return to.failure(action.Failure)
	case *protocol.ClientAction_Forward:
		return r.forward(ctx, command, action.Forward, to)
	default:
		return nil
	}
}
