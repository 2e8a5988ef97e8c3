package relay

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A Call is a call that the proxy has made. One goroutine may receive while another one
// sends.
type Call struct {
	// Method is the method of the protocol.
	Method protoreflect.MethodDescriptor

	path    string
	server  *Server
	stream  grpc.ServerStream
	in, out protoreflect.MessageType
	unread  proto.Message
}

// Context ends when the proxy cancels the call, and when the handler has returned.
func (c *Call) Context() context.Context { return c.stream.Context() }

// Peek waits for the next message, which Receive will return, or for the end of them, which
// is io.EOF.
func (c *Call) Peek() (proto.Message, error) {
	if c.unread == nil {
		message, err := c.Receive()
		if err != nil {
			return nil, err
		}
		c.unread = message
	}
	return c.unread, nil
}

// Receive waits for the next message of the proxy, or for the end of them, which is io.EOF.
func (c *Call) Receive() (proto.Message, error) {
	if message := c.unread; message != nil {
		c.unread = nil
		return message, nil
	}
	message := newMessage(c.in)
	if err := c.stream.RecvMsg(message); err != nil {
		return nil, err
	}
	return message, nil
}

// Send sends a message to the proxy.
func (c *Call) Send(message proto.Message) error { return c.stream.SendMsg(message) }

// A Filter decides what becomes of a message in one direction. It passes on any number of
// messages, of which nil is their end. It is called with one message after the other, and at
// last with nil; an error breaks the call.
type Filter func(message proto.Message, pass func(proto.Message) error) error

// Pass passes everything on.
func Pass(message proto.Message, pass func(proto.Message) error) error { return pass(message) }

// Listen reads what the proxy sends, in a goroutine that ends with the call, and passes it
// to a function; the end of the messages is nil. It stops after an error of the function, and
// then calls failed. A call that is cancelled has no end.
func (c *Call) Listen(to func(proto.Message) error, failed func(error)) {
	c.server.readers.Go(func() {
		for {
			message, err := c.Receive()
			if errors.Is(err, io.EOF) {
				message, err = nil, nil
			}
			if err != nil {
				return
			}
			if err := to(message); err != nil {
				failed(err)
				return
			}
			if message == nil {
				return
			}
		}
	})
}

// Relay makes the same call to a user function, and passes on what both sides send. It
// returns how the user function has ended the call, or why it was broken, which it also is
// when the context ends.
func (c *Call) Relay(ctx context.Context, userFunction grpc.ClientConnInterface, in, out Filter) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	upstream, err := userFunction.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, c.path)
	if err != nil {
		return because(ctx, err)
	}
	ask := func(message proto.Message) error {
		if message == nil {
			return upstream.CloseSend()
		}
		return ended(upstream.SendMsg(message))
	}
	c.Listen(func(message proto.Message) error { return in(message, ask) }, cancel)
	for {
		message := newMessage(c.out)
		err := upstream.RecvMsg(message)
		switch {
		case errors.Is(err, io.EOF):
			return out(nil, c.answer)
		case err != nil:
			return because(ctx, err)
		}
		if err := out(message, c.answer); err != nil {
			return err
		}
	}
}

// because returns why the context has ended, if that is why something failed.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// answer sends a message to the proxy. The end of them is up to the handler.
func (c *Call) answer(message proto.Message) error {
	if message == nil {
		return nil
	}
	return c.Send(message)
}

// ended leaves it to the receiver to find out why a stream has ended.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
