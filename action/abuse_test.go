package action_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// waiting is a service whose handlers wait for the end of their call, each in its way, and
// say what they saw.
func waiting(ended chan<- error) *echo {
	report := func(err error) error {
		ended <- err
		return err
	}
	return &echo{
		unary: func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
			<-ctx.Done()
			return nil, report(ctx.Err())
		},
		streamedIn: func(stream inStream) error {
			return report(each(stream.Recv, func(*echopb.EchoRequest) error { return nil }))
		},
		streamedOut: func(in *echopb.EchoRequest, stream outStream) error {
			for in.GetText() == "flood" {
				if err := stream.Send(&echopb.EchoReply{Text: string(make([]byte, 1<<10))}); err != nil {
					return report(err)
				}
			}
			<-stream.Context().Done()
			return report(stream.Context().Err())
		},
		streamed: func(stream bidiStream) error {
			err := each(stream.Recv, func(in *echopb.EchoRequest) error {
				if in.GetText() == "stop reading" {
					<-stream.Context().Done()
				}
				return stream.Send(&echopb.EchoReply{})
			})
			if err == nil { // the client has half-closed, and is still there
				<-stream.Context().Done()
				err = stream.Context().Err()
			}
			return report(err)
		},
	}
}

// P-101: a client that goes away ends the handler, in each phase of each kind of call, and
// nothing is left: a bubble fails if a goroutine is.
func TestAction_EndsWithItsClient(t *testing.T) {
	t.Parallel()
	type phase struct {
		begin func(t *testing.T, ctx context.Context, r *running)
		runs  bool // the handler was called
	}
	streamed := func(f func(*testing.T, actionpb.ActionProtocol_HandleStreamedClient)) func(*testing.T, context.Context, *running) {
		return func(t *testing.T, ctx context.Context, r *running) {
			t.Helper()
			stream, err := r.HandleStreamed(ctx)
			require.NoError(t, err)
			f(t, stream)
		}
	}
	out := func(text string) func(*testing.T, context.Context, *running) {
		return func(t *testing.T, ctx context.Context, r *running) {
			t.Helper()
			_, err := r.HandleStreamedOut(ctx, call(t, "StreamedOut", text))
			require.NoError(t, err)
		}
	}
	tests := map[string]phase{
		"unary": {func(t *testing.T, ctx context.Context, r *running) {
			t.Helper()
			command := call(t, "Unary", "x")
			go func() { _, _ = r.HandleUnary(ctx, command) }()
		}, true},
		"streamed in, before its end": {func(t *testing.T, ctx context.Context, r *running) {
			t.Helper()
			stream, err := r.HandleStreamedIn(ctx)
			require.NoError(t, err)
			require.NoError(t, stream.Send(header("StreamedIn")))
			require.NoError(t, stream.Send(element(t, "a")))
		}, true},
		"streamed out, while nothing is sent":  {out("wait"), true},
		"streamed out, which it does not read": {out("flood"), true},
		"streamed, before the header":          {streamed(func(*testing.T, actionpb.ActionProtocol_HandleStreamedClient) {}), false},
		"streamed, after the header": {streamed(func(t *testing.T, s actionpb.ActionProtocol_HandleStreamedClient) {
			t.Helper()
			require.NoError(t, s.Send(header("Streamed")))
		}), true},
		"streamed, amid its requests": {streamed(func(t *testing.T, s actionpb.ActionProtocol_HandleStreamedClient) {
			t.Helper()
			require.NoError(t, errors.Join(s.Send(header("Streamed")), s.Send(element(t, "a")), s.Send(element(t, "b"))))
		}), true},
		"streamed, to a handler that does not read": {streamed(func(t *testing.T, s actionpb.ActionProtocol_HandleStreamedClient) {
			t.Helper()
			require.NoError(t, errors.Join(s.Send(header("Streamed")), s.Send(element(t, "stop reading"))))
			large := element(t, string(make([]byte, 1<<10)))
			go func() {
				for s.Send(large) == nil { // until there is no room, and then until the end
				}
			}()
		}), true},
		"streamed, after its half-close": {streamed(func(t *testing.T, s actionpb.ActionProtocol_HandleStreamedClient) {
			t.Helper()
			require.NoError(t, errors.Join(s.Send(header("Streamed")), s.CloseSend()))
		}), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 1)
				r := serve(t, waiting(ended))
				ctx, cancel := context.WithCancel(t.Context())
				tt.begin(t, ctx, r)
				synctest.Wait()
				require.Empty(t, ended)
				cancel()
				synctest.Wait()
				if tt.runs {
					require.Len(t, ended, 1)
					err := <-ended
					require.True(t, errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled, "%v", err)
				}
				require.NotContains(t, r.log.String(), "level=ERROR")
			})
		})
	}
}

// A handler that returns while its client sends ends the call, whatever is on its way.
func TestAction_MayEndBeforeItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := serve(t, &echo{streamed: func(bidiStream) error { return nil }})
		stream := r.bidi(t, header("Streamed"))
		_, err := stream.Recv()
		require.ErrorIs(t, err, io.EOF)
		synctest.Wait()
		require.ErrorIs(t, stream.Send(element(t, "late")), io.EOF)
	})
}

// What a handler does with its stream after it has returned has an outcome, and does no harm.
func TestAction_RefusesWhatComesAfterItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kept := make(chan bidiStream, 1)
		received := make(chan error, 1)
		r := serve(t, &echo{streamed: func(stream bidiStream) error {
			kept <- stream
			go func() { // receives on, while the handler returns
				for {
					if _, err := stream.Recv(); err != nil {
						received <- err
						return
					}
				}
			}()
			return stream.Send(&echopb.EchoReply{Text: "bye"})
		}})
		stream := r.bidi(t, header("Streamed"), element(t, "a"))
		requireAll(t, []*actionpb.ActionResponse{replyOf(t, "bye", 0)}, drain(t, stream))
		require.Error(t, <-received)

		ended := <-kept
		late := &echopb.EchoReply{Text: "late"}
		require.Equal(t, codes.FailedPrecondition, status.Code(ended.Send(late)))
		require.ErrorContains(t, ended.Send(late), "/cloudstatebench.Echo/Streamed: sent after the handler has returned")
		require.Equal(t, codes.FailedPrecondition, status.Code(action.SendFailure(ended, errors.New("late"))))
		require.Error(t, second(forward(ended.Context(), "late")))
		require.ErrorContains(t, effect(ended.Context(), "late"), "the command has ended")
		_, err := ended.Recv()
		require.Error(t, err)
		require.ErrorIs(t, ended.Context().Err(), context.Canceled)
	})
}

// One goroutine may send while another receives, as with any stream of gRPC.
func TestAction_MaySendWhileItReceives(t *testing.T) {
	t.Parallel()
	const messages = 200
	r := serve(t, &echo{streamed: func(stream bidiStream) error {
		sent := make(chan error, 1)
		go func() {
			var err error
			for range messages {
				err = errors.Join(err, effect(stream.Context(), "e"), stream.Send(&echopb.EchoReply{Text: "s"}))
			}
			sent <- err
		}()
		err := each(stream.Recv, func(*echopb.EchoRequest) error { return nil })
		return errors.Join(err, <-sent)
	}})
	stream := r.bidi(t, header("Streamed"))
	sent := make(chan error, 1)
	one := element(t, "r")
	go func() {
		for range messages {
			if err := stream.Send(one); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	require.Len(t, drain(t, stream), messages)
	require.NoError(t, <-sent)
}

// A service that stops lets running calls finish, and refuses others.
func TestAction_StopsWithItsService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		r := serve(t, &echo{unary: func(_ context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
			<-proceed
			return &echopb.EchoReply{}, nil
		}}, func(s *cloudstate.Service) { s.GracePeriod = time.Minute })
		answered := make(chan error, 1)
		command := call(t, "Unary", "x")
		go func() {
			_, err := r.HandleUnary(t.Context(), command)
			answered <- err
		}()
		synctest.Wait()
		stopped := make(chan error, 1)
		go func() { stopped <- r.stop() }()
		synctest.Wait()
		_, err := r.HandleUnary(t.Context(), call(t, "Unary", "late"))
		require.Equal(t, codes.Unavailable, status.Code(err))
		close(proceed)
		require.NoError(t, <-answered)
		require.NoError(t, <-stopped)
	})
}
