package action

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// A serverStream is the stream that a handler of a streaming method gets, on top of a
// stream of the protocol. As with any stream of gRPC, one goroutine may send while another
// one receives.
type serverStream struct {
	protocol grpc.ServerStream
	server   *server
	service  *service
	method   *command.StreamMethod
	ctx      *command.Context
	header   command.Header

	// Used by the goroutine that receives.
	in      *received
	pending bool // in has a request that was not received yet

	closed atomic.Bool // the handler has returned

	mu       sync.Mutex
	headers  bool      // the first reply has been sent, and the metadata with it
	response *response // of a handler with one reply: what it has sent; nil if nothing
	replied  any       // likewise, as the handler has sent it
}

// newStream returns the stream for a call, of which the first message was received.
func (s *server) newStream(stream grpc.ServerStream, svc *service, method *command.StreamMethod, first *received) *serverStream {
	ss := &serverStream{protocol: stream, server: s, service: svc, method: method, in: first}
	ss.header.Reset(method.FullName)
	ss.ctx = s.env.NewContext(ss.header.NewContext(stream.Context()), svc.name, method.Name, first.message.GetMetadata())
	ss.pending = first.message.GetPayload() != nil || !method.Desc.ClientStreams
	if method.Desc.ServerStreams {
		ss.ctx.Effects.OnForward = ss.forward
		ss.ctx.SendFailure = ss.fail
	}
	return ss
}

// run runs the handler, and sends what is left to be sent. No panic leaves it, be it that of
// the handler or of its error.
func (s *serverStream) run() error {
	failure := s.call()
	s.closed.Store(true)
	if !s.mu.TryLock() {
		// A goroutine of the handler is still sending, to a client that does not read. As in
		// gRPC, the end of the call makes it fail.
		return status.Errorf(codes.Aborted, "%s: the handler has returned while it was sending: %s", s.method.FullName, failure.GetDescription())
	}
	defer s.mu.Unlock()
	out := s.response
	if out == nil {
		out = acquireResponse()
	}
	defer out.Free()
	if failure == nil && !s.method.Desc.ServerStreams {
		if err := s.answer(out); err != nil {
			failure = command.Failure(0, err)
		}
	}
	if failure != nil {
		out.setFailure(failure)
	}
	out.message.SideEffects = s.ctx.Effects.TakeSideEffects()
	if s.method.Desc.ServerStreams && failure == nil && len(out.message.GetSideEffects()) == 0 {
		return nil
	}
	return s.protocol.SendMsg(&out.message)
}

// answer completes the response of a handler with one reply: it may be a forward.
func (s *serverStream) answer(out *response) error {
	forward, err := s.ctx.Effects.TakeForward(s.replied)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if forward != nil {
		out.setForward(forward)
	}
	return nil
}

// call runs the handler, and returns what is to be told to the client.
func (s *serverStream) call() (failure *protocol.Failure) {
	ended := false
	defer func() {
		if ended {
			return
		}
		p := recover()
		failure = command.Failure(0, s.server.panicked(s.ctx, p))
		if p == nil { // the goroutine ends now, and does not return to run
			_ = s.fail(failure)
		}
	}()
	err := s.handle()
	if effectErr := s.ctx.Effects.End(); err == nil {
		err = effectErr
	}
	if err != nil {
		failure = command.Failure(0, err)
	}
	ended = true
	return failure
}

// handle runs the handler inside of the interceptor.
func (s *serverStream) handle() error {
	interceptor := s.server.env.Stream
	if interceptor == nil {
		return s.method.Desc.Handler(s.service.server, s)
	}
	return interceptor(s.service.server, s, &grpc.StreamServerInfo{
		FullMethod:     s.method.FullName,
		IsClientStream: s.method.Desc.ClientStreams,
		IsServerStream: s.method.Desc.ServerStreams,
	}, s.method.Desc.Handler)
}

// Context returns the context of the call.
func (s *serverStream) Context() context.Context { return s.ctx }

// SetHeader adds to the metadata of the first reply. It fails after that.
func (s *serverStream) SetHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.headers {
		return status.Errorf(codes.FailedPrecondition, "%s: the header was sent with the first reply", s.method.FullName)
	}
	return s.header.SetHeader(md)
}

// SendHeader is SetHeader: the metadata travels with the first reply.
func (s *serverStream) SendHeader(md metadata.MD) error { return s.SetHeader(md) }

// SetTrailer does nothing, because the protocol has no place for trailers.
func (s *serverStream) SetTrailer(metadata.MD) {}

// RecvMsg receives the next request. It returns io.EOF after the last one.
func (s *serverStream) RecvMsg(request any) error {
	if !s.pending {
		if !s.method.Desc.ClientStreams {
			return io.EOF
		}
		if err := s.protocol.RecvMsg(s.in); err != nil {
			return err
		}
		s.ctx.SetMetadata(s.in.message.GetMetadata())
	}
	s.pending = false
	payload := s.in.message.GetPayload()
	err := s.method.CheckPayload(payload)
	if err == nil {
		err = s.method.DecodePayload(payload, request)
	}
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

// SendMsg sends a reply with the side effects that were asked for since the last one. A nil
// reply sends the side effects alone.
func (s *serverStream) SendMsg(reply any) error {
	return s.send(func(out *response) error {
		if err := out.appendReply(s.method.Method, reply); err != nil {
			return err
		}
		if out.isReply() && !s.headers {
			out.setMetadata(s.header.Metadata())
			s.headers = true
		}
		s.replied = reply
		return nil
	})
}

// forward sends a forward as the next element.
func (s *serverStream) forward(forward *protocol.Forward) error {
	return s.send(func(out *response) error {
		out.setForward(forward)
		return nil
	})
}

// fail sends a failure as the next element.
func (s *serverStream) fail(failure *protocol.Failure) error {
	return s.send(func(out *response) error {
		out.setFailure(failure)
		return nil
	})
}

// send sends a response that set fills in. The one of a handler with one reply is kept until
// the handler returns, because its side effects go with it.
func (s *serverStream) send(set func(*response) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed.Load():
		return status.Errorf(codes.FailedPrecondition, "%s: sent after the handler has returned", s.method.FullName)
	case s.response != nil:
		return status.Errorf(codes.Internal, "%s: the handler has replied twice; the method has one reply", s.method.FullName)
	}
	out := acquireResponse()
	if err := set(out); err != nil {
		out.Free()
		return err
	}
	if !s.method.Desc.ServerStreams {
		s.response = out
		return nil
	}
	defer out.Free()
	out.message.SideEffects = s.ctx.Effects.TakeSideEffects()
	return s.protocol.SendMsg(&out.message)
}

// SendFailure sends a failure as the next element of a handler that streams its replies,
// with the side effects that were asked for since the last element. The client's stream
// ends with it, but that of the protocol does not, so the handler may go on.
//
// The error becomes a failure as if the handler had returned it. SendFailure returns an
// error if the stream is broken, or does not stream replies of an action.
func SendFailure(stream grpc.ServerStream, err error) error {
	c := command.FromContext(stream.Context())
	if c == nil || c.SendFailure == nil {
		return status.Error(codes.FailedPrecondition, "action.SendFailure: the stream is not one of an action that streams its replies; return the error instead")
	}
	if err == nil {
		return errors.New("action.SendFailure: the error is nil, so there is no failure to send")
	}
	return c.SendFailure(command.Failure(0, err))
}
