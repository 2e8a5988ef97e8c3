package action_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

func TestDeclare_NeedsNoKeysAndAllowsStreams(t *testing.T) {
	t.Parallel()
	d := (&action.Action{Service: &echopb.Echo_ServiceDesc, Server: &echo{}}).Declare()
	require.Empty(t, d.Mistakes)
	require.Equal(t, "cloudstate.action.ActionProtocol", d.Kind.EntityType)
	require.False(t, d.Kind.Keyed)
}

func TestDeclare_ReportsEveryMistake(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		action *action.Action
		want   string
	}{
		"no service":           {&action.Action{Server: &echo{}}, "*action_test.echo: the field Service is nil; set it to the ServiceDesc"},
		"no server":            {&action.Action{Service: &echopb.Echo_ServiceDesc}, "cloudstatebench.Echo: the field Server is nil; set it to an implementation of the service"},
		"nothing":              {&action.Action{}, "cloudstate.action.ActionProtocol: the field Server is nil"},
		"another server":       {&action.Action{Service: &echopb.Echo_ServiceDesc, Server: shop{}}, "action_test.shop does not implement echopb.EchoServer: it lacks Streamed"},
		"a value, not pointer": {&action.Action{Service: &echopb.Echo_ServiceDesc, Server: echo{}}, "action_test.echo does not implement echopb.EchoServer: it lacks Streamed"},
		"not linked in":        {&action.Action{Service: &grpc.ServiceDesc{ServiceName: "nobody.Knows"}, Server: &echo{}}, "nobody.Knows: the service is not in the registry"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, errors.Join(tt.action.Declare().Mistakes...), tt.want)
		})
	}
}

// recorder records what interceptors see.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) add(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, what)
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.seen
	r.seen = nil
	return taken
}

// counted is a stream of which an interceptor counts the messages.
type counted struct {
	grpc.ServerStream

	seen *recorder
}

func (c counted) RecvMsg(m any) error {
	err := c.ServerStream.RecvMsg(m)
	if in, ok := m.(*echopb.EchoRequest); ok && err == nil {
		c.seen.add("recv " + in.GetText())
	}
	return err
}

func (c counted) SendMsg(m any) error {
	if out, ok := m.(*echopb.EchoReply); ok {
		c.seen.add("send " + out.GetText())
	}
	return c.ServerStream.SendMsg(m)
}

// Interceptors run around unary and streaming handlers, the first outermost, see the
// user's own service, and may end a call.
func TestAction_RunsInsideInterceptors(t *testing.T) {
	t.Parallel()
	var seen recorder
	unary := func(name string) grpc.UnaryServerInterceptor {
		return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			seen.add(name + " " + info.FullMethod)
			if in, ok := req.(*echopb.EchoRequest); ok && in.GetText() == name {
				return nil, status.Error(codes.PermissionDenied, name)
			}
			return handler(ctx, req)
		}
	}
	stream := func(name string, in, out bool) grpc.StreamServerInterceptor {
		return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			seen.add(name + " " + info.FullMethod)
			if info.IsClientStream != in || info.IsServerStream != out {
				return errors.New("another kind of stream")
			}
			err := handler(srv, counted{stream, &seen})
			seen.add(name + " ends")
			return err
		}
	}
	r := serve(t, &echo{
		unary: func(_ context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
			return &echopb.EchoReply{Text: in.GetText()}, nil
		},
		streamedIn: func(stream inStream) error {
			return errors.Join(each(stream.Recv, func(*echopb.EchoRequest) error { return nil }), stream.SendAndClose(&echopb.EchoReply{Text: "bye"}))
		},
	}, func(s *cloudstate.Service) {
		s.UnaryInterceptors = []grpc.UnaryServerInterceptor{unary("one"), unary("two")}
		s.StreamInterceptors = []grpc.StreamServerInterceptor{stream("one", true, false), stream("two", true, false)}
	})
	requireEqual(t, replyOf(t, "x", 0), r.unary(t, call(t, "Unary", "x")))
	require.Equal(t, []string{"one /cloudstatebench.Echo/Unary", "two /cloudstatebench.Echo/Unary"}, seen.take())
	requireEqual(t, failureOf(&protocol.Failure{Description: "two", GrpcStatusCode: uint32(codes.PermissionDenied)}), r.unary(t, call(t, "Unary", "two")))
	seen.take()

	requireEqual(t, replyOf(t, "bye", 0), r.in(t, header("StreamedIn"), element(t, "a")))
	require.Equal(t, []string{
		"one /cloudstatebench.Echo/StreamedIn", "two /cloudstatebench.Echo/StreamedIn",
		"recv a", "recv a", "send bye", "send bye", "two ends", "one ends",
	}, seen.take())
}

// Interceptors of the server see the protocol, and may end its calls.
func TestAction_RunsInsideInterceptorsOfTheServer(t *testing.T) {
	t.Parallel()
	var seen recorder
	r := serve(t, &echo{
		unary: func(context.Context, *echopb.EchoRequest) (*echopb.EchoReply, error) { return &echopb.EchoReply{}, nil },
	}, func(s *cloudstate.Service) {
		s.ServerOptions = []grpc.ServerOption{
			grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
				in, ok := req.(*actionpb.ActionCommand)
				if !ok {
					return handler(ctx, req)
				}
				seen.add(info.FullMethod + " " + in.GetName())
				if in.GetName() == "Nope" {
					return nil, status.Error(codes.Unauthenticated, "no")
				}
				return handler(ctx, req)
			}),
		}
	})
	requireEqual(t, replyOf(t, "", 0), r.unary(t, call(t, "Unary", "x")))
	require.Equal(t, []string{"/cloudstate.action.ActionProtocol/handleUnary Unary"}, seen.take())
	_, err := r.HandleUnary(t.Context(), header("Nope"))
	require.Equal(t, codes.Unauthenticated, status.Code(err))
}

// A message that is not one of the protocol ends its call with an error of gRPC.
func TestAction_RefusesBytesThatAreNoCommand(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{streamed: func(stream bidiStream) error { return second(stream.Recv()) }})
	_, err := r.HandleUnary(t.Context(), call(t, "Unary", "x"), grpc.ForceCodecV2(garbling{}))
	require.Equal(t, codes.Internal, status.Code(err))
	stream, err := r.HandleStreamed(t.Context(), grpc.ForceCodecV2(garbling{}))
	require.NoError(t, err)
	require.NoError(t, stream.Send(header("Streamed")))
	_, err = stream.Recv()
	require.Equal(t, codes.Internal, status.Code(err))
	require.NotErrorIs(t, err, io.EOF)
}
