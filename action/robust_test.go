package action_test

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// brokenError is an error that panics when it is nil.
type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

// An error that is a nil pointer costs its call, and not the process.
func TestAction_SurvivesAnErrorThatPanics(t *testing.T) {
	t.Parallel()
	broken := func() error {
		var err *brokenError
		return err
	}
	r := serve(t, &echo{
		unary:       func(context.Context, *echopb.EchoRequest) (*echopb.EchoReply, error) { return nil, broken() },
		streamedIn:  func(grpc.ClientStreamingServer[echopb.EchoRequest, echopb.EchoReply]) error { return broken() },
		streamedOut: func(*echopb.EchoRequest, grpc.ServerStreamingServer[echopb.EchoReply]) error { return broken() },
	})
	out, err := r.HandleUnary(t.Context(), call(t, "Unary", "x"))
	require.NoError(t, err)
	require.Equal(t, "Unexpected action failure", out.GetFailure().GetDescription())

	in, err := r.HandleStreamedIn(t.Context())
	require.NoError(t, err)
	require.NoError(t, in.Send(header("StreamedIn")))
	out, err = in.CloseAndRecv()
	require.NoError(t, err)
	require.Equal(t, "Unexpected action failure", out.GetFailure().GetDescription())

	all := r.out(t, call(t, "StreamedOut", "x"))
	require.Len(t, all, 1)
	require.Equal(t, "Unexpected action failure", all[0].GetFailure().GetDescription())
	require.Equal(t, 3, strings.Count(r.log.String(), "level=ERROR"))
}

// A handler that ends its goroutine, as t.FailNow does, is noticed; one that streams tells its
// client.
func TestAction_NoticesGoexit(t *testing.T) {
	t.Parallel()
	exited := make(chan struct{})
	r := serve(t, &echo{
		unary: func(context.Context, *echopb.EchoRequest) (*echopb.EchoReply, error) {
			defer close(exited)
			runtime.Goexit()
			return nil, nil //nolint:nilnil // it is not reached
		},
		streamedOut: func(*echopb.EchoRequest, grpc.ServerStreamingServer[echopb.EchoReply]) error {
			runtime.Goexit()
			return nil
		},
	})
	stream, err := r.HandleStreamedOut(t.Context(), call(t, "StreamedOut", "x"))
	require.NoError(t, err)
	out, err := stream.Recv()
	require.NoError(t, err)
	require.Equal(t, "Unexpected action failure", out.GetFailure().GetDescription())
	require.Contains(t, r.log.String(), "runtime.Goexit")

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-exited
		cancel() // nothing else would end the call
	}()
	_, err = r.HandleUnary(ctx, call(t, "Unary", "x"))
	require.Equal(t, codes.Canceled, status.Code(err))
}

// As in gRPC, the return of a handler ends its call, although a goroutine of it still sends to
// a client that does not read.
func TestAction_EndsWithItsHandlerAlthoughItSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent error
		done := make(chan struct{})
		r := serve(t, &echo{streamed: func(stream grpc.BidiStreamingServer[echopb.EchoRequest, echopb.EchoReply]) error {
			go func() {
				defer close(done)
				for sent == nil {
					sent = stream.Send(&echopb.EchoReply{Text: strings.Repeat("x", 10_000)})
				}
			}()
			_, err := stream.Recv()
			return err
		}})
		stream, err := r.HandleStreamed(t.Context())
		require.NoError(t, err)
		require.NoError(t, stream.Send(header("Streamed")))
		synctest.Wait() // it has filled what the client does not read
		require.NoError(t, stream.Send(element(t, "x")))
		<-done
		require.Error(t, sent)
		for err == nil {
			_, err = stream.Recv()
		}
		require.Equal(t, codes.Aborted, status.Code(err))
		require.NotErrorIs(t, err, io.EOF)
	})
}

// Protocol section 6.2: binary headers come as text in base64, and are binary to the handler.
func TestAction_GetsBinaryHeadersAsGRPCHasThem(t *testing.T) {
	t.Parallel()
	var got metadata.MD
	r := serve(t, &echo{unary: func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
		got, _ = metadata.FromIncomingContext(ctx)
		return &echopb.EchoReply{}, nil
	}})
	text := func(key, value string) *protocol.MetadataEntry {
		return &protocol.MetadataEntry{Key: key, Value: &protocol.MetadataEntry_StringValue{StringValue: value}}
	}
	c := call(t, "Unary", "x")
	c.Metadata = &protocol.Metadata{Entries: []*protocol.MetadataEntry{
		text("a-bin", "AAH/"), text("b-bin", "AA=="), text("c-bin", "AA"), text("d-bin", "not base64!"), text("e", "AAH/"),
	}}
	_, err := r.HandleUnary(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, metadata.Pairs("a-bin", "\x00\x01\xff", "b-bin", "\x00", "c-bin", "\x00", "d-bin", "not base64!", "e", "AAH/"), got)
}

// A response does not keep what the one before it had: they share memory.
func TestAction_ForgetsTheEffectsOfOtherCalls(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{unary: func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
		return &echopb.EchoReply{}, effect(ctx, "x")
	}})
	for range 20 {
		out, err := r.HandleUnary(t.Context(), call(t, "Unary", "x"))
		require.NoError(t, err)
		require.Len(t, out.GetSideEffects(), 1)
		out, err = r.HandleUnary(t.Context(), call(t, "Nope", "x"))
		require.NoError(t, err)
		require.Empty(t, out.GetSideEffects())
	}
}
