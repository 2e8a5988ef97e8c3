package frontend

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// A Handler carries out a call. Its status becomes that of the call: OK for nil, and
// for other errors as in gRPC. The call ends when it returns, and may not be used any
// more; but a Recv that is under way then is cancelled, and not an error.
type Handler func(call Call) error

// A Call is a call of a published method. It is implemented here; a handler may send
// and receive at the same time, but neither of both concurrently.
type Call interface {
	// Context ends when the client gives up, its connection breaks, or the server stops
	// for good. It has the request's metadata, and functions such as grpc.SetHeader
	// take it.
	Context() context.Context
	// Method is what the client has called.
	Method() *spec.Method
	// Recv returns the next request, which belongs to the caller, or io.EOF after the
	// last. A method whose requests are not streamed has exactly one: the handler does
	// not see calls with fewer or more.
	Recv() ([]byte, error)
	// Send sends a reply, which must not be changed afterwards. Of the replies of a
	// method that does not stream them, only the first is sent (protocol section 8.2).
	Send(reply []byte) error
}

type call struct {
	method *spec.Method
	stream grpc.ServerStream

	in       frame // the request, if there is only one
	received bool  // whether in was taken
	sent     bool
}

func (c *call) Context() context.Context { return c.stream.Context() }

func (c *call) Method() *spec.Method { return c.method }

func (c *call) Recv() ([]byte, error) {
	if !c.method.Descriptor.IsStreamingClient() {
		if c.received {
			return nil, io.EOF
		}
		c.received = true
		return c.in.data, nil
	}
	if err := c.stream.RecvMsg(&c.in); err != nil {
		return nil, err
	}
	return c.in.data, nil
}

func (c *call) Send(reply []byte) error {
	if c.sent && !c.method.Descriptor.IsStreamingServer() {
		return nil
	}
	c.sent = true
	return c.stream.SendMsg(&frame{data: reply})
}

// begin reads the only request, and makes sure of that, as gRPC does for services with
// generated code.
func (c *call) begin() error {
	if c.method.Descriptor.IsStreamingClient() {
		return nil
	}
	switch err := c.stream.RecvMsg(&c.in); {
	case errors.Is(err, io.EOF):
		return status.Error(codes.Internal, "cardinality violation: received no request message from non-client-streaming RPC")
	case err != nil:
		return err
	}
	switch err := c.stream.RecvMsg(&frame{}); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return status.Error(codes.Internal, "cardinality violation: received multiple request messages for non-client-streaming RPC")
}

// end makes up for a reply that is missing, if it can.
func (c *call) end() error {
	switch {
	case c.sent || c.method.Descriptor.IsStreamingServer():
		return nil
	case c.method.OutputIsEmpty():
		return c.Send(nil)
	default:
		return status.Error(codes.Internal, "no reply")
	}
}
