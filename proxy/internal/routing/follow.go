package routing

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// A cause is why a command is carried out that no client has sent.
type cause struct {
	how     string // "forwarded from" or "side-effect of"
	command *Command
	hops    int
}

// forward carries out another command, whose outcome is that of this one.
func (r *Router) forward(ctx context.Context, from *Command, forward *protocol.Forward, to audience) error {
	next, problem := r.follow(from, "forwarded from", forward.GetServiceName(), forward.GetCommandName())
	if problem != nil {
		r.tell(ctx, from, problem)
		return status.Error(problem.code, problem.text)
	}
	next.Metadata = forward.GetMetadata()
	next.Payload = r.payload(ctx, next, forward.GetPayload())
	return r.dispatch(ctx, next, forwarded{to})
}

// sideEffect carries out a side effect, and waits for it if it is synchronous. It
// never fails the command that has it (protocol section 11, A-32).
func (r *Router) sideEffect(ctx context.Context, from *Command, effect *protocol.SideEffect) {
	next, problem := r.follow(from, "side-effect of", effect.GetServiceName(), effect.GetCommandName())
	if problem != nil {
		r.tell(ctx, from, problem)
		return
	}
	ctx = context.WithoutCancel(ctx)
	next.Metadata = effect.GetMetadata()
	next.Payload = r.payload(ctx, next, effect.GetPayload())
	handle := r.start(ctx, next, nobody{}) // here, so that effects keep their order
	run := func() {
		if err := handle(); err != nil {
			r.reporter.Report(ctx, Fault{Service: next.Method.Service.Name, Command: next.Method.Name, Err: fmt.Errorf("side effect of %s was not carried out: %w", name(from.Method), err)})
		}
	}
	if effect.GetSynchronous() {
		run()
		return
	}
	r.tasks.start(run)
}

// A problem is why a forward or a side effect has no target.
type problem struct {
	code codes.Code
	text string // for the client
	with string // the chain back to the original call, for the developer
}

// follow returns the command that follows from another one, still without payload.
func (r *Router) follow(from *Command, how, service, command string) (*Command, *problem) {
	because := &cause{how: how, command: from, hops: 1}
	if from.cause != nil {
		because.hops = from.cause.hops + 1
	}
	refuse := func(code codes.Code, text string) (*Command, *problem) {
		return nil, &problem{code: code, text: text, with: text + because.trace()}
	}
	target := r.spec.Service(service)
	if target == nil {
		return refuse(codes.Unimplemented, fmt.Sprintf("Service [%s] unknown", service))
	}
	method := target.Method(command)
	if method == nil {
		return refuse(codes.Unimplemented, fmt.Sprintf("Service [%s] does not have a command named: [%s]", service, command))
	}
	if because.hops > MaxHops {
		return refuse(codes.Internal, fmt.Sprintf("more than %d forwards and side effects follow from one call, the last to %s: is there a loop?", MaxHops, name(method)))
	}
	return &Command{Method: method, cause: because}, nil
}

// trace lists what led to a command, a line each, from the last to the first.
func (c *cause) trace() string {
	var trace strings.Builder
	for ; c != nil; c = c.command.cause {
		trace.WriteString("\n  " + c.how + " " + name(c.command.Method))
	}
	return trace.String()
}

// tell reports a problem with a forward or a side effect of a command.
func (r *Router) tell(ctx context.Context, from *Command, problem *problem) {
	r.reporter.Tell(ctx, Fault{Service: from.Method.Service.Name, Command: from.Method.Name, Err: complaint(problem.with)})
}

// payload returns what a command carries; a message without fields has no bytes, so
// an absent payload is one. A wrong type is passed on, but reported (protocol section
// 4.5).
func (r *Router) payload(ctx context.Context, to *Command, given *anypb.Any) *anypb.Any {
	want := to.Method.InputURL
	if given == nil {
		return &anypb.Any{TypeUrl: want}
	}
	if given.GetTypeUrl() != want && want != anyURL {
		text := fmt.Sprintf("Warning: %s: Expected payload type_url to be [%s] but was [%s].", name(to.Method), want, given.GetTypeUrl())
		r.tell(ctx, to.cause.command, &problem{with: text + to.cause.trace()})
	}
	return given
}

// anyURL is the type of requests that may be of any type.
const anyURL = protocol.TypeURLPrefix + "google.protobuf.Any"

// name returns the full name of a method.
func name(method *spec.Method) string {
	return method.Service.Name + "." + method.Name
}
