package frontend

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// A Handler carries out a call. Its status becomes that of the call: OK for nil, and
// for other errors as in gRPC. The call ends when it returns, and may not be used any
// more; but a Recv that is under way then is cancelled, and not an error.
type Handler func(call Call) error

// A Call is a call of a published method, whatever the client speaks. It is implemented
// here; a handler may send and receive at the same time, but neither of both
// concurrently.
type Call interface {
	// Context ends when the client gives up, its connection breaks, or the server stops
	// for good.
	Context() context.Context
	// Method is what the client has called.
	Method() *spec.Method
	// Metadata returns the headers of the request that are meant for a component
	// (protocol section 6.2), sorted by name, or nil if there are none.
	Metadata() *protocol.Metadata
	// Recv returns the next request, which belongs to the caller, or io.EOF after the
	// last. A method whose requests are not streamed has exactly one: the handler does
	// not see calls with fewer or more.
	Recv() ([]byte, error)
	// SetHeader makes the text entries of a reply's metadata headers of the response, as
	// far as they can be sent (protocol section 6.4). It is called before the first Send.
	SetHeader(from *protocol.Metadata) error
	// Send sends a reply, which must not be changed afterwards. Of the replies of a
	// method that does not stream them, only the first is sent (protocol section 8.2).
	Send(reply []byte) error
}

// A wire carries the messages of one call.
type wire interface {
	Context() context.Context
	Metadata() *protocol.Metadata
	SetHeader(from *protocol.Metadata) error
	// recv returns the next request, or io.EOF.
	recv() ([]byte, error)
	send(reply []byte) error
}

// A call makes sure that a method has as many requests and replies as it declares.
type call struct {
	wire

	method   *spec.Method
	request  []byte // if there is only one
	received bool   // whether request was taken
	sent     bool
}

func (c *call) Method() *spec.Method { return c.method }

func (c *call) Recv() ([]byte, error) {
	if c.method.Descriptor.IsStreamingClient() {
		return c.recv()
	}
	if c.received {
		return nil, io.EOF
	}
	c.received = true
	return c.request, nil
}

func (c *call) Send(reply []byte) error {
	if c.sent && !c.method.Descriptor.IsStreamingServer() {
		return nil
	}
	c.sent = true
	return c.send(reply)
}

// begin reads the only request, and makes sure of that, as gRPC does for services with
// generated code.
func (c *call) begin() error {
	if c.method.Descriptor.IsStreamingClient() {
		return nil
	}
	var err error
	switch c.request, err = c.recv(); {
	case errors.Is(err, io.EOF):
		return status.Error(codes.Internal, "cardinality violation: received no request message from non-client-streaming RPC")
	case err != nil:
		return err
	}
	switch _, err := c.recv(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return status.Error(codes.Internal, "cardinality violation: received multiple request messages for non-client-streaming RPC")
}

// errNoReply is the status of a call without the reply that its method declares.
var errNoReply = status.Error(codes.Internal, "no reply")

// end makes up for a reply that is missing, if it can.
func (c *call) end() error {
	switch {
	case c.sent || c.method.Descriptor.IsStreamingServer():
		return nil
	case c.method.OutputIsEmpty():
		return c.Send(nil)
	default:
		return errNoReply
	}
}
