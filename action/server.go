package action

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// server serves the protocol of actions.
type server struct {
	env      *component.Env
	services map[string]*service
}

// desc describes the protocol to gRPC. The handlers are our own, because the generated ones
// decode into messages of their own.
var desc = grpc.ServiceDesc{
	ServiceName: actionpb.ActionProtocol_ServiceDesc.ServiceName,
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "handleUnary", Handler: handleUnary}},
	Streams: []grpc.StreamDesc{
		{StreamName: "handleStreamedIn", Handler: handleStreamed(true, false), ClientStreams: true},
		{StreamName: "handleStreamedOut", Handler: handleStreamed(false, true), ServerStreams: true},
		{StreamName: "handleStreamed", Handler: handleStreamed(true, true), ClientStreams: true, ServerStreams: true},
	},
	Metadata: actionpb.ActionProtocol_ServiceDesc.Metadata,
}

// register implements component.Kind.
func register(registrar grpc.ServiceRegistrar, env *component.Env, declarations []*component.Declaration) {
	registrar.RegisterService(&desc, &server{env: env, services: component.Implementations[*service](declarations)})
}

// handleUnary is how gRPC calls handleUnary of the protocol.
func handleUnary(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // gRPC has this order
	s := srv.(*server) //nolint:errcheck // what was registered
	in := acquireReceived()
	defer in.free()
	if err := decode(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return s.unary(ctx, &in.message)
	}
	return interceptor(ctx, &in.message, &grpc.UnaryServerInfo{Server: srv, FullMethod: actionpb.ActionProtocol_HandleUnary_FullMethodName},
		func(ctx context.Context, _ any) (any, error) {
			out, err := s.unary(ctx, &in.message)
			if err != nil {
				return nil, err
			}
			return &out.message, nil // not to be used again, as the interceptor may keep it
		})
}

// handleStreamed returns how gRPC calls one of the streamed methods of the protocol.
func handleStreamed(in, out bool) func(srv any, stream grpc.ServerStream) error {
	return func(srv any, stream grpc.ServerStream) error {
		return srv.(*server).streamed(stream, in, out) //nolint:errcheck // what was registered
	}
}

var errStopping = status.Error(codes.Unavailable, "the service is stopping")

// unary handles a call with one request and one reply.
func (s *server) unary(ctx context.Context, in *actionpb.ActionCommand) (*response, error) {
	if !s.env.Commands.Begin() {
		return nil, errStopping
	}
	defer s.env.Commands.End()
	out := acquireResponse()
	svc := s.services[in.GetServiceName()]
	if svc == nil {
		out.setFailure(unknownService(in.GetServiceName()))
		return out, nil
	}
	method := svc.unary[in.GetName()]
	if method == nil {
		out.setFailure(svc.unknownCommand(in.GetName(), false, false))
		return out, nil
	}
	call := &unaryCall{server: s, service: svc, method: method, in: in}
	call.run(ctx, out)
	return out, nil
}

// unaryCall is one call of a unary method.
type unaryCall struct {
	server  *server
	service *service
	method  *command.Method
	in      *actionpb.ActionCommand
	header  command.Header
	ctx     command.Context
}

// run carries out the call and makes out its response. No panic leaves it, be it that of the
// handler, of its error or of its reply.
func (c *unaryCall) run(ctx context.Context, out *response) {
	defer func() { //nolint:contextcheck // its context is made from ctx
		if p := recover(); p != nil {
			out.setFailure(command.Failure(0, c.server.panicked(&c.ctx, p)))
		}
	}()
	c.header.Reset(c.method.FullName)
	c.server.env.InitContext(&c.ctx, c.header.NewContext(ctx), c.service.name, c.method.Name, c.in.GetMetadata())
	returned, err := c.call() //nolint:contextcheck // its context is made from ctx
	if effectErr := c.ctx.Effects.End(); err == nil {
		err = effectErr
	}
	if err == nil {
		err = c.answer(returned, out)
	}
	if err != nil {
		out.setFailure(command.Failure(0, err))
	}
	out.message.SideEffects = c.ctx.Effects.TakeSideEffects()
}

// call runs the handler. A panic does not leave it.
func (c *unaryCall) call() (returned any, err error) {
	ended := false
	defer func() {
		if !ended {
			err = c.server.panicked(&c.ctx, recover())
		}
	}()
	if err = c.method.CheckPayload(c.in.GetPayload()); err != nil {
		err = status.Error(codes.InvalidArgument, err.Error())
	} else {
		returned, err = c.method.Call(&c.ctx, c.service.server, c.decode, c.server.env.Unary)
	}
	ended = true
	return returned, err
}

func (c *unaryCall) decode(request any) error {
	if err := c.method.DecodePayload(c.in.GetPayload(), request); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

func (c *unaryCall) answer(returned any, out *response) error {
	forward, err := c.ctx.Effects.TakeForward(returned)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if forward != nil {
		out.setForward(forward)
		return nil
	}
	out.setMetadata(c.header.Metadata())
	return out.appendReply(c.method, returned)
}

// appendReply makes r a reply, or leaves it empty if there is none.
func (r *response) appendReply(method *command.Method, reply any) error {
	value, err := method.AppendReply(r.value, reply)
	if errors.Is(err, command.ErrNoReply) {
		return nil
	}
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	r.setReply(method.ReplyURL, value)
	return nil
}

// panicked logs a panic, once, and returns what the client gets to see. It must be called by
// the function that recovered. Nil means runtime.Goexit, after which the client gets nothing.
func (s *server) panicked(ctx *command.Context, recovered any) error {
	if recovered == nil {
		recovered = "the handler has ended its goroutine with runtime.Goexit, as t.FailNow does; use assert instead of require in it"
	}
	s.env.Logger.LogAttrs(ctx, slog.LevelError, "action failed",
		slog.String("service", ctx.Service), slog.String("command", ctx.Name),
		slog.String("error", fmt.Sprint(recovered)), slog.String("stack", string(debug.Stack())))
	return status.Error(codes.Unknown, "Unexpected action failure")
}

func unknownService(name string) *protocol.Failure {
	return &protocol.Failure{Description: "Unknown service: " + name}
}

// unknownCommand says that a service has no such method, or has it in another kind.
func (s *service) unknownCommand(name string, in, out bool) *protocol.Failure {
	description := fmt.Sprintf("Unknown command %s on service %s", name, s.name)
	_, unary := s.unary[name]
	if _, streamed := s.streams[name]; streamed || unary {
		description = fmt.Sprintf("Command %s on service %s was called with streamed requests %t and streamed replies %t, which it has not", name, s.name, in, out)
	}
	return &protocol.Failure{Description: description}
}

// streamed handles a call with a stream of requests, of replies, or of both.
func (s *server) streamed(stream grpc.ServerStream, in, out bool) error {
	if !s.env.Commands.Begin() {
		return errStopping
	}
	defer s.env.Commands.End()
	first := &received{} // not from the pool, as a handler may return while it receives
	switch err := stream.RecvMsg(first); {
	case errors.Is(err, io.EOF):
		return sendFailure(stream, &protocol.Failure{
			Description: "Cloudstate protocol failure: expected command message with service name and command name, but got empty stream",
		})
	case err != nil:
		return err
	}
	svc := s.services[first.message.GetServiceName()]
	if svc == nil {
		return sendFailure(stream, unknownService(first.message.GetServiceName()))
	}
	method := svc.streams[first.message.GetName()]
	if method == nil || method.Desc.ClientStreams != in || method.Desc.ServerStreams != out {
		return sendFailure(stream, svc.unknownCommand(first.message.GetName(), in, out))
	}
	return s.newStream(stream, svc, method, first).run()
}

// sendFailure answers a call that never got to a handler.
func sendFailure(stream grpc.ServerStream, failure *protocol.Failure) error {
	out := acquireResponse()
	defer out.Free()
	out.setFailure(failure)
	return stream.SendMsg(&out.message)
}
