package conformance

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A clientCall is a unary call that the suite has made as a client of the proxy.
type clientCall struct {
	t     *trial
	rig   *rig
	path  string
	done  chan struct{} // closed when the call has ended
	reply proto.Message
	err   error
}

// unaryCall is what gRPC has to know of a call without streams.
var unaryCall = grpc.StreamDesc{}

// call begins a unary call, whose reply is of the same type as the given message.
func (r *rig) call(t *trial, service, method string, request, reply proto.Message, opts ...grpc.CallOption) *clientCall {
	return r.callWith(t.Context(), t, service, method, request, reply, opts...)
}

func (r *rig) callWith(ctx context.Context, t *trial, service, method string, request, reply proto.Message, opts ...grpc.CallOption) *clientCall {
	c := &clientCall{t: t, rig: r, path: "/" + service + "/" + method, done: make(chan struct{}), reply: reply.ProtoReflect().New().Interface()}
	// The request is on its way before anything that the check does next.
	stream, err := r.proxy.Conn.NewStream(ctx, &unaryCall, c.path, opts...)
	if err == nil {
		err = stream.SendMsg(request)
	}
	if err != nil && !errors.Is(err, io.EOF) { // which leaves it to the receiver to know why
		c.err = err
		close(c.done)
		return c
	}
	go func() { // ends with the trial, at the latest
		defer close(c.done)
		c.err = stream.RecvMsg(c.reply)
	}()
	t.Cleanup(func() { <-c.done })
	return c
}

// wait waits for the end of the call.
func (c *clientCall) wait() {
	ctx, cancel := c.rig.limit(c.t.Context())
	defer cancel()
	select {
	case <-c.done:
	case <-ctx.Done():
		c.t.Fatalf("the call of %s has not ended: %v", c.path, context.Cause(ctx))
	}
}

// requireReply requires that the call ends with this reply.
func (c *clientCall) requireReply(want proto.Message) {
	c.wait()
	if c.err != nil {
		c.t.Fatalf("the call of %s has failed: %v; want the reply %v", c.path, c.err, want)
	}
	requireEqual(c.t, want, c.reply, "the reply of %s", c.path)
}

// requireStatus requires that the call ends with a status.
func (c *clientCall) requireStatus(code codes.Code, text string) {
	c.wait()
	requireStatus(c.t, c.err, code, text, "the call of %s", c.path)
}

// requireFailure requires that the call ends with what is a failure for clients.
func (c *clientCall) requireFailure(text string) { c.requireStatus(codes.Unknown, text) }

// requirePending requires that the call has not ended. It may be about to.
func (c *clientCall) requirePending() {
	select {
	case <-c.done:
		c.t.Fatalf("the call of %s has ended too early, with %v, %v", c.path, c.reply, c.err)
	default:
	}
}

func requireStatus(t *trial, err error, code codes.Code, text, what string, args ...any) {
	got := status.Convert(err)
	if err == nil || got.Code() != code || got.Message() != text {
		t.Fatalf(what+": got %v, want the status %v with the text %q", append(args, err, code, text)...)
	}
}

// A clientStream is a streamed call that the suite has made as a client of the proxy.
type clientStream struct {
	grpc.ClientStream

	t     *trial
	rig   *rig
	path  string
	reply proto.Message
	leave context.CancelFunc
}

// stream begins a streamed call, whose replies are of the same type as the given message.
func (r *rig) stream(t *trial, service, method string, desc grpc.StreamDesc, reply proto.Message, opts ...grpc.CallOption) *clientStream {
	return r.streamWith(t.Context(), t, service, method, desc, reply, opts...)
}

func (r *rig) streamWith(ctx context.Context, t *trial, service, method string, desc grpc.StreamDesc, reply proto.Message, opts ...grpc.CallOption) *clientStream {
	ctx, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	path := "/" + service + "/" + method
	s, err := r.proxy.Conn.NewStream(ctx, &desc, path, opts...)
	if err != nil {
		t.Fatalf("begin a call of %s: %v", path, err)
	}
	return &clientStream{ClientStream: s, t: t, rig: r, path: path, reply: reply, leave: cancel}
}

// watch begins a call with one request and streamed replies.
func (r *rig) watch(t *trial, service, method string, request, reply proto.Message) *clientStream {
	s := r.stream(t, service, method, grpc.StreamDesc{ServerStreams: true}, reply)
	s.send(request)
	s.closeSend()
	return s
}

func (s *clientStream) send(request proto.Message) {
	if err := s.SendMsg(request); err != nil {
		s.t.Fatalf("send a request of %s: %v", s.path, err)
	}
}

func (s *clientStream) closeSend() {
	if err := s.CloseSend(); err != nil {
		s.t.Fatalf("end the requests of %s: %v", s.path, err)
	}
}

// receive waits for the next reply, or the end.
func (s *clientStream) receive() (proto.Message, error) {
	ctx, cancel := s.rig.limit(s.t.Context())
	defer cancel()
	type received struct {
		reply proto.Message
		err   error
	}
	got := make(chan received, 1)
	go func() { // ends with the trial, at the latest
		reply := s.reply.ProtoReflect().New().Interface()
		err := s.RecvMsg(reply)
		got <- received{reply, err}
	}()
	select {
	case r := <-got:
		return r.reply, r.err
	case <-ctx.Done():
		s.t.Fatalf("no reply of %s has come: %v", s.path, context.Cause(ctx))
		return nil, ctx.Err()
	}
}

// requireReply requires that these replies come next.
func (s *clientStream) requireReply(replies ...proto.Message) {
	for _, want := range replies {
		got, err := s.receive()
		if err != nil {
			s.t.Fatalf("the call of %s has ended: %v; want the reply %v", s.path, err, want)
		}
		requireEqual(s.t, want, got, "the next reply of %s", s.path)
	}
}

// requireEnd requires that the call ends well, without a further reply.
func (s *clientStream) requireEnd() {
	if got, err := s.receive(); !errors.Is(err, io.EOF) {
		s.t.Fatalf("%s: got %v, %v; want the end of the replies", s.path, got, err)
	}
}

// requireFailure requires that the call ends with what is a failure for clients.
func (s *clientStream) requireFailure(text string) {
	got, err := s.receive()
	if err == nil {
		s.t.Fatalf("%s: got the reply %v, want a failure with the text %q", s.path, got, text)
	}
	requireStatus(s.t, err, codes.Unknown, text, "the call of %s", s.path)
}
