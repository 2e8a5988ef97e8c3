package routing

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// A Publish publishes a reply to the topic of a method.
type Publish func(ctx context.Context, method *spec.Method, reply *protocol.Reply) error

// PublishWith says how to publish the replies of methods that have a topic. Whoever calls
// such a method, be it a client, an event, a forward or a side effect, its replies are
// published before they are passed on.
func (r *Router) PublishWith(publish Publish) {
	r.publish = publish
}

// audience returns who gets the outcome of a command that is for somebody.
func (r *Router) audience(ctx context.Context, command *Command, to audience) audience {
	if command.Method.Topic == "" {
		return to
	}
	return publishing{audience: to, publish: func(reply *protocol.Reply) error {
		if err := r.publish(ctx, command.Method, reply); err != nil {
			return &unpublishedError{method: command.Method, err: err}
		}
		return nil
	}}
}

// publishing publishes replies before it passes them on.
type publishing struct {
	audience

	publish func(*protocol.Reply) error
}

func (p publishing) reply(reply *protocol.Reply) error {
	if reply.GetPayload() != nil {
		if err := p.publish(reply); err != nil {
			return err
		}
	}
	return p.audience.reply(reply)
}

// An unpublishedError says that a reply could not be published.
type unpublishedError struct {
	method *spec.Method
	err    error
}

func (e *unpublishedError) Error() string {
	return fmt.Sprintf("%s: the reply was not published to topic %q, and is therefore withheld; what the command has done remains: %v", name(e.method), e.method.Topic, e.err)
}

func (e *unpublishedError) Unwrap() error { return e.err }

// GRPCStatus returns what a client gets.
func (e *unpublishedError) GRPCStatus() *status.Status {
	return status.New(codes.Unavailable, e.Error())
}

// reportUnpublished reports a reply that could not be published, as the client that gets to
// know it can do nothing about it. It returns whether the error is that.
func (r *Router) reportUnpublished(ctx context.Context, err error) bool {
	unpublished, ok := errors.AsType[*unpublishedError](err)
	if ok {
		r.reporter.Report(ctx, Fault{Service: unpublished.method.Service.Name, Command: unpublished.method.Name, Err: unpublished})
	}
	return ok
}
