package action

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// echo repeats what it is sent.
type echo struct{ echopb.UnimplementedEchoServer }

func (echo) Unary(_ context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
	return &echopb.EchoReply{Text: in.GetText(), Count: 1}, nil
}

func (echo) Streamed(stream grpc.BidiStreamingServer[echopb.EchoRequest, echopb.EchoReply]) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the end of the requests
		}
		if err := stream.Send(&echopb.EchoReply{Text: in.GetText(), Count: 1}); err != nil {
			return err
		}
	}
}

func newServer(tb testing.TB) *server {
	tb.Helper()
	d := (&Action{Service: &echopb.Echo_ServiceDesc, Server: echo{}}).Declare()
	require.Empty(tb, d.Mistakes)
	return &server{
		env:      &component.Env{Logger: slog.New(slog.DiscardHandler), Commands: command.NewGauge()},
		services: component.Implementations[*service]([]*component.Declaration{d}),
	}
}

// echoCall is a call of Unary, and with another name the header of one of Streamed.
func echoCall(tb testing.TB, name string) []byte {
	tb.Helper()
	payload, err := anypb.New(&echopb.EchoRequest{Text: "a text of usual length"})
	require.NoError(tb, err)
	return encode(tb, &actionpb.ActionCommand{ServiceName: "cloudstatebench.Echo", Name: name, Payload: payload})
}

// unaryOnce carries out a call from its bytes on, and frees its response.
func unaryOnce(ctx context.Context, s *server, data []byte) error {
	out, err := handleUnary(s, ctx, func(in any) error {
		return in.(*received).UnmarshalWire(data) //nolint:errcheck // what handleUnary decodes into
	}, nil)
	if err != nil {
		return err
	}
	out.(*response).Free() //nolint:errcheck // what handleUnary returns
	return nil
}

// A call without a network.
func BenchmarkUnary(b *testing.B) {
	s, data, ctx := newServer(b), echoCall(b, "Unary"), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := unaryOnce(ctx, s, data); err != nil {
			b.Fatal(err)
		}
	}
}

// messages is a stream of the protocol that has as many requests as it is asked for.
type messages struct {
	grpc.ServerStream

	ctx  context.Context //nolint:containedctx // a stream has one
	data []byte
	left int
	sent int
}

func (m *messages) Context() context.Context { return m.ctx }

func (m *messages) RecvMsg(in any) error {
	if m.left == 0 {
		return io.EOF
	}
	m.left--
	return in.(*received).UnmarshalWire(m.data) //nolint:errcheck // what the stream receives into
}

func (m *messages) SendMsg(out any) error {
	m.sent += proto.Size(out.(*actionpb.ActionResponse)) //nolint:errcheck // what the stream sends
	return nil
}

// A request and its reply in a stream, without a network.
func BenchmarkStreamed(b *testing.B) {
	s := newServer(b)
	stream := &messages{ctx: b.Context(), data: echoCall(b, "Streamed"), left: b.N}
	b.ReportAllocs()
	if err := s.streamed(stream, true, true); err != nil {
		b.Fatal(err)
	}
}

// Not parallel: testing.AllocsPerRun counts the allocations of all goroutines.
//
// A call costs its contexts, and its request and reply with the strings in them: nothing
// for the messages of the protocol.
func TestUnary_AllocatesLittle(t *testing.T) { //nolint:paralleltest // see above
	s, data, ctx := newServer(t), echoCall(t, "Unary"), t.Context()
	allocs := testing.AllocsPerRun(200, func() {
		if err := unaryOnce(ctx, s, data); err != nil {
			t.Error(err)
		}
	})
	require.LessOrEqual(t, allocs, 12.0) // with the race detector; 9 without
}

// A message of a stream costs its request and its reply, and the text in them.
func TestStreamed_AllocatesLittle(t *testing.T) { //nolint:paralleltest // see above
	const requests = 1000
	s := newServer(t)
	data := echoCall(t, "Streamed")
	allocs := testing.AllocsPerRun(10, func() {
		if err := s.streamed(&messages{ctx: t.Context(), data: data, left: requests}, true, true); err != nil {
			t.Error(err)
		}
	})
	require.LessOrEqual(t, allocs/requests, 4.1)
}
