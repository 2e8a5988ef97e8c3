package command

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Outside returns a connection that refuses every call, for a context that does not come
// from a command.
func Outside(function string) grpc.ClientConnInterface {
	return recording{record: func(context.Context, string, any, any) error {
		return status.Errorf(codes.FailedPrecondition, "%s: the context does not come from a command; pass on the one that the handler got", function)
	}}
}

// ForwardConn returns the connection by which a generated client forwards the command.
func (c *Context) ForwardConn() grpc.ClientConnInterface {
	return recording{
		record: func(ctx context.Context, fullMethod string, request, reply any) error {
			return c.Effects.forwardTo(ctx, fullMethod, request, reply, c.checkForward)
		},
		effects: &c.Effects,
	}
}

// checkForward returns an error if the replies of a method cannot be those of this one.
func (c *Context) checkForward(to *Target) error {
	from := c.Effects.Targets["/"+c.Service+"/"+c.Name]
	switch {
	case from == nil:
		return nil
	case to.Output != from.Output:
		return fmt.Errorf("it replies with %s, but %s.%s with %s; forward to a method with the same type of replies, or use entity.Call", to.Output, c.Service, c.Name, from.Output)
	case to.ServerStreams && !from.ServerStreams:
		return fmt.Errorf("it streams its replies, but %s.%s has one", c.Service, c.Name)
	}
	return nil
}

// SideEffectConn returns the connection by which a generated client asks for side effects.
func (c *Context) SideEffectConn(synchronous bool) grpc.ClientConnInterface {
	return recording{
		record: func(ctx context.Context, fullMethod string, request, _ any) error {
			return c.Effects.SideEffect(ctx, fullMethod, request, synchronous)
		},
		effects: &c.Effects,
	}
}

// recording is a connection that records calls instead of carrying them out.
type recording struct {
	record func(ctx context.Context, fullMethod string, request, reply any) error
	// effects are those of the command; nil where every call is refused.
	effects *Effects
}

// Invoke records a unary call.
func (r recording) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	return r.record(ctx, method, args, reply)
}

// NewStream begins a call to a streaming method, which takes one request: that is recorded.
// Its answers go to whom the command is answered, so there are none to be received here.
func (r recording) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return &recordedStream{recording: r, ctx: ctx, method: method, replies: desc.ServerStreams}, nil
}

// recordedStream is the call of a streaming method that is recorded.
type recordedStream struct {
	recording

	ctx    context.Context //nolint:containedctx // a stream has one
	method string
	sent   bool
	// replies says that the method streams its replies. If not, the client expects one.
	replies bool
}

// Header returns none, as nothing is answered here.
func (s *recordedStream) Header() (metadata.MD, error) { return nil, nil } //nolint:nilnil // as gRPC has it

// Trailer returns none, as nothing is answered here.
func (s *recordedStream) Trailer() metadata.MD { return nil }

// CloseSend ends the requests, of which there has to be one.
func (s *recordedStream) CloseSend() error {
	if s.sent || s.effects == nil {
		return nil
	}
	return s.effects.fail("forward or side effect", s.method, errors.New("it was given no request; send one before the end"))
}

// Context returns the context of the call.
func (s *recordedStream) Context() context.Context { return s.ctx }

// SendMsg records the request. There can be only one, because that is what forwards and
// side effects carry.
func (s *recordedStream) SendMsg(request any) error {
	if s.sent {
		return status.Errorf(codes.FailedPrecondition, "%s: a forward or side effect carries one request; ask for another one", s.method)
	}
	s.sent = true
	return s.record(s.ctx, s.method, request, nil)
}

// RecvMsg leaves a single reply empty, and ends a stream of them.
func (s *recordedStream) RecvMsg(reply any) error {
	if s.replies {
		return io.EOF
	}
	if s.effects != nil {
		s.effects.setPlaceholder(reply)
	}
	return nil
}

// CallConn returns the connection by which a generated client calls other services through
// the proxy.
func (c *Context) CallConn() grpc.ClientConnInterface {
	if c.Proxy == nil {
		return recording{record: func(_ context.Context, method string, _, _ any) error {
			return status.Errorf(codes.FailedPrecondition, "entity.Call to %s: this service does not know its proxy; set Service.ProxyAddr, or embed it into the proxy", method)
		}}
	}
	return &calling{conn: c.Proxy, from: c}
}

// calling is a connection through the proxy. It refuses calls that would wait for
// themselves: an entity that calls itself handles no command until the call has returned.
type calling struct {
	conn grpc.ClientConnInterface
	from *Context
}

// Invoke calls a unary method.
func (c *calling) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if err := c.check(method, args); err != nil {
		return err
	}
	return c.conn.Invoke(ctx, method, args, reply, opts...)
}

// NewStream begins a call to a streaming method.
func (c *calling) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if !c.toItsService(method) {
		return c.conn.NewStream(ctx, desc, method, opts...)
	}
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.conn.NewStream(ctx, desc, method, opts...)
	if err != nil {
		cancel()
		return nil, err
	}
	return &callingStream{ClientStream: stream, conn: c, method: method, cancel: cancel}, nil
}

// toItsService reports whether a method is one of the entity's own service.
func (c *calling) toItsService(method string) bool {
	target := c.from.Effects.Targets[method]
	return target != nil && c.from.EntityID != "" && target.Service == c.from.Service
}

func (c *calling) check(method string, request any) error {
	if !c.toItsService(method) {
		return nil
	}
	message, ok := request.(proto.Message)
	if !ok || c.from.Effects.Targets[method].entityID(message) != c.from.EntityID {
		return nil
	}
	return status.Errorf(codes.FailedPrecondition,
		"entity.Call to %s: the entity %q would wait for itself; call its own method in Go, or use entity.SideEffect to have it done afterwards",
		method, c.from.EntityID)
}

// callingStream checks the requests of a streamed call.
type callingStream struct {
	grpc.ClientStream

	conn   *calling
	method string
	cancel context.CancelFunc
}

// SendMsg sends a request. One that is refused ends the stream, because generated code
// forgets it then.
func (s *callingStream) SendMsg(request any) error {
	if err := s.conn.check(s.method, request); err != nil {
		s.cancel()
		return err
	}
	return s.ClientStream.SendMsg(request)
}

// RecvMsg receives a reply.
func (s *callingStream) RecvMsg(reply any) error {
	err := s.ClientStream.RecvMsg(reply)
	if err != nil {
		s.cancel()
	}
	return err
}
