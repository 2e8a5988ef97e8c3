package action_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

const echoService = "cloudstatebench.Echo"

// echo is a service whose handlers are functions of a test. Those that are nil are not
// called.
type echo struct {
	echopb.UnsafeEchoServer

	unary       func(context.Context, *echopb.EchoRequest) (*echopb.EchoReply, error)
	streamedIn  func(grpc.ClientStreamingServer[echopb.EchoRequest, echopb.EchoReply]) error
	streamedOut func(*echopb.EchoRequest, grpc.ServerStreamingServer[echopb.EchoReply]) error
	streamed    func(grpc.BidiStreamingServer[echopb.EchoRequest, echopb.EchoReply]) error
}

func (e *echo) Unary(ctx context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
	return e.unary(ctx, in)
}

func (e *echo) StreamedIn(stream grpc.ClientStreamingServer[echopb.EchoRequest, echopb.EchoReply]) error {
	return e.streamedIn(stream)
}

func (e *echo) StreamedOut(in *echopb.EchoRequest, stream grpc.ServerStreamingServer[echopb.EchoReply]) error {
	return e.streamedOut(in, stream)
}

func (e *echo) Streamed(stream grpc.BidiStreamingServer[echopb.EchoRequest, echopb.EchoReply]) error {
	return e.streamed(stream)
}

// logBuffer is a log that may be written while it is read.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// running is a service that is being served over memory, with a client of the protocol.
type running struct {
	actionpb.ActionProtocolClient

	log  *logBuffer
	stop func() error // ends the service
}

// serve serves an action, and other components with it, until the test ends.
func serve(t *testing.T, server any, change ...func(*cloudstate.Service)) *running {
	t.Helper()
	log := &logBuffer{}
	service := &cloudstate.Service{
		Components: []cloudstate.Component{&action.Action{Service: &echopb.Echo_ServiceDesc, Server: server}},
		Logger:     slog.New(slog.NewTextHandler(log, nil)),
	}
	for _, c := range change {
		c(service)
	}
	lis := bufconn.Listen(1 << 16)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- service.Serve(ctx, lis) }()
	conn, err := grpc.NewClient("passthrough:memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	stop := sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-served, conn.Close())
	})
	t.Cleanup(func() { require.NoError(t, stop()) })
	return &running{ActionProtocolClient: actionpb.NewActionProtocolClient(conn), log: log, stop: stop}
}

func pack(tb testing.TB, m proto.Message) *anypb.Any {
	tb.Helper()
	a, err := anypb.New(m)
	require.NoError(tb, err)
	return a
}

func request(text string) *echopb.EchoRequest { return &echopb.EchoRequest{Text: text} }

// call is the only message of a call whose requests are not streamed.
func call(tb testing.TB, method, text string) *actionpb.ActionCommand {
	tb.Helper()
	return &actionpb.ActionCommand{ServiceName: echoService, Name: method, Payload: pack(tb, request(text))}
}

// header is the first message of a call whose requests are streamed, and element each that
// follows.
func header(method string) *actionpb.ActionCommand {
	return &actionpb.ActionCommand{ServiceName: echoService, Name: method}
}

func element(tb testing.TB, text string) *actionpb.ActionCommand {
	tb.Helper()
	return &actionpb.ActionCommand{Payload: pack(tb, request(text))}
}

// bidi opens a bidirectional stream with these messages.
func (r *running) bidi(t *testing.T, messages ...*actionpb.ActionCommand) actionpb.ActionProtocol_HandleStreamedClient {
	t.Helper()
	stream, err := r.HandleStreamed(t.Context())
	require.NoError(t, err)
	for _, m := range messages {
		require.NoError(t, stream.Send(m))
	}
	return stream
}

// in makes a streamed-in call with these messages and returns its response.
func (r *running) in(t *testing.T, messages ...*actionpb.ActionCommand) *actionpb.ActionResponse {
	t.Helper()
	stream, err := r.HandleStreamedIn(t.Context())
	require.NoError(t, err)
	for _, m := range messages {
		require.NoError(t, stream.Send(m))
	}
	out, err := stream.CloseAndRecv()
	require.NoError(t, err)
	return out
}

// out makes a streamed-out call and returns all its responses.
func (r *running) out(t *testing.T, command *actionpb.ActionCommand) []*actionpb.ActionResponse {
	t.Helper()
	stream, err := r.HandleStreamedOut(t.Context(), command)
	require.NoError(t, err)
	return drain(t, stream)
}

// drain returns the responses until the stream ends, which it must do with OK.
func drain(t *testing.T, stream interface {
	Recv() (*actionpb.ActionResponse, error)
},
) []*actionpb.ActionResponse {
	t.Helper()
	var all []*actionpb.ActionResponse
	for {
		out, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, out)
	}
}

// unary makes a unary call.
func (r *running) unary(t *testing.T, command *actionpb.ActionCommand) *actionpb.ActionResponse {
	t.Helper()
	out, err := r.HandleUnary(t.Context(), command)
	require.NoError(t, err)
	return out
}

func replyOf(tb testing.TB, text string, count int64, effects ...*protocol.SideEffect) *actionpb.ActionResponse {
	tb.Helper()
	return &actionpb.ActionResponse{
		Response: &actionpb.ActionResponse_Reply{Reply: &protocol.Reply{
			Payload: pack(tb, &echopb.EchoReply{Text: text, Count: count}),
		}},
		SideEffects: effects,
	}
}

func failureOf(f *protocol.Failure, effects ...*protocol.SideEffect) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Failure{Failure: f}, SideEffects: effects}
}

func forwardOf(tb testing.TB, text string, effects ...*protocol.SideEffect) *actionpb.ActionResponse {
	tb.Helper()
	return &actionpb.ActionResponse{
		Response: &actionpb.ActionResponse_Forward{Forward: &protocol.Forward{
			ServiceName: echoService, CommandName: "Unary", Payload: pack(tb, request(text)),
		}},
		SideEffects: effects,
	}
}

// effectOf is a side effect on Unary.
func effectOf(tb testing.TB, text string) *protocol.SideEffect {
	tb.Helper()
	return &protocol.SideEffect{ServiceName: echoService, CommandName: "Unary", Payload: pack(tb, request(text))}
}

func requireEqual(tb testing.TB, want, got proto.Message) {
	tb.Helper()
	require.True(tb, proto.Equal(want, got), "want %v\ngot  %v", want, got)
}

func requireAll(tb testing.TB, want, got []*actionpb.ActionResponse) {
	tb.Helper()
	require.Len(tb, got, len(want))
	for i := range want {
		requireEqual(tb, want[i], got[i])
	}
}
