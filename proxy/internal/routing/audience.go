package routing

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// An audience gets the outcome of a command.
type audience interface {
	reply(*protocol.Reply) error
	failure(*protocol.Failure) error
}

// nobody wants to know: side effects have no audience.
type nobody struct{}

func (nobody) reply(*protocol.Reply) error     { return nil }
func (nobody) failure(*protocol.Failure) error { return nil }

// forwarded passes an outcome on to the client of the command that was forwarded.
// Metadata is only for direct replies (protocol section 6.4).
type forwarded struct{ audience }

func (f forwarded) reply(reply *protocol.Reply) error {
	return f.audience.reply(&protocol.Reply{Payload: reply.GetPayload()})
}

// A client is the audience of a call.
type client struct {
	router *Router
	method *spec.Method
	send   func(*protocol.Reply) error
}

// reply sends a reply, whatever its type; but a wrong type is reported.
func (c *client) reply(reply *protocol.Reply) error {
	payload := reply.GetPayload()
	if payload == nil {
		return nil
	}
	if payload.GetTypeUrl() != c.method.OutputURL {
		service, command := c.method.Service.Name, c.method.Name
		message := fmt.Sprintf("Warning: %s.%s: Expected reply type_url to be [%s] but was [%s].", service, command, c.method.OutputURL, payload.GetTypeUrl())
		c.router.reporter.Tell(context.Background(), Fault{Service: service, Command: command, Err: complaint(message)})
	}
	return c.send(reply)
}

// failure turns a failure into the status that the client gets.
func (c *client) failure(failure *protocol.Failure) error {
	code := codes.Code(failure.GetGrpcStatusCode())
	if code == codes.OK || code > codes.Unauthenticated {
		code = codes.Unknown
	}
	return &FailureError{status: status.New(code, failure.GetDescription())}
}

// A FailureError is a failure that a component has answered with, as a gRPC status.
type FailureError struct {
	status *status.Status
}

// Error returns the text of the status.
func (e *FailureError) Error() string { return e.status.Err().Error() }

// GRPCStatus returns the status, for the client.
func (e *FailureError) GRPCStatus() *status.Status { return e.status }
