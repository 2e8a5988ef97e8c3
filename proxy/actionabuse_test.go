package proxy_test

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// P-101: a client may go away in each phase of each kind of call. The call of the user
// function is cancelled, nobody is to blame, and nothing goes on.
func TestAction_ClientLeaves(t *testing.T) {
	t.Parallel()
	phases := map[string]struct {
		applies func(in, out bool) bool
		until   func(*fixture, *streamed, *scripted.ActionCall)
	}{
		"when the call has begun": {
			func(bool, bool) bool { return true },
			func(*fixture, *streamed, *scripted.ActionCall) {},
		},
		"after a request": {
			func(in, _ bool) bool { return in },
			func(_ *fixture, s *streamed, call *scripted.ActionCall) { s.send("a"); call.RequirePayload() },
		},
		"while a request waits": {
			func(in, _ bool) bool { return in },
			func(_ *fixture, s *streamed, _ *scripted.ActionCall) { s.send("a"); s.send("b"); synctest.Wait() },
		},
		"after the last request": {
			func(in, _ bool) bool { return in },
			func(f *fixture, s *streamed, call *scripted.ActionCall) {
				require.NoError(f.t, s.CloseSend())
				call.RequireHalfClosed()
			},
		},
		"after a reply": {
			func(_, out bool) bool { return out },
			func(_ *fixture, s *streamed, call *scripted.ActionCall) {
				call.Reply(scripted.Answer("1"))
				s.requireAnswer("1")
			},
		},
		"while a reply waits": {
			func(_, out bool) bool { return out },
			func(_ *fixture, _ *streamed, call *scripted.ActionCall) {
				call.Reply(scripted.Answer(strings.Repeat("x", 100_000)))
				synctest.Wait()
			},
		},
		"during a side effect": {
			func(_, out bool) bool { return out },
			func(f *fixture, _ *streamed, call *scripted.ActionCall) {
				call.Nothing(effect(scripted.Action, "Tell", "e1", true))
				target := f.accept("Tell")
				f.t.Cleanup(func() { target.Reply(scripted.Nothing()) }) // it goes on
			},
		},
		"during a forward": {
			func(_, out bool) bool { return out },
			func(f *fixture, _ *streamed, call *scripted.ActionCall) {
				call.Forward(scripted.Action, "Out", scripted.Question("u1", ""))
				f.accept("Out")
			},
		},
	}
	for method, kind := range kinds {
		for phase, tt := range phases {
			if !tt.applies(kind.in, kind.out) {
				continue
			}
			t.Run(method+" "+phase, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := start(t).ready()
					ctx, leave := contextWithCancel(t)
					s := f.begin(ctx, method)
					call := f.accept(method)
					tt.until(f, s, call)
					leave()
					if phase != "while a reply waits" {
						_, err := s.receive()
						require.Equal(t, codes.Canceled, status.Code(err))
					}
					if phase != "during a side effect" { // that has to be over first
						call.Cancelled()
					}
					synctest.Wait()
					f.requireNoFaults()
				})
			})
		}
	}
}

// A client that breaks its connection is one that has left.
func TestAction_ClientBreaksItsConnection(t *testing.T) {
	t.Parallel()
	for method := range kinds {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				f.begin(t.Context(), method)
				call := f.accept(method)
				require.NoError(t, f.client.Close())
				call.Cancelled()
				synctest.Wait()
				f.requireNoFaults()
				f.reconnect()
			})
		})
	}
}

// Protocol section 3.2: when the user function ends its call early, the client's ends as
// well, whatever it still wants to send.
func TestAction_UserFunctionEndsEarly(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"In", "Both"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				s := f.begin(t.Context(), method)
				call := f.accept(method)
				s.send("a")
				call.RequirePayload()
				call.Reply(scripted.Answer("enough"))
				if method == "Both" {
					call.End(nil)
				}
				s.requireAnswer("enough")
				s.requireEnd()
				synctest.Wait()
				require.ErrorIs(t, s.SendMsg(wrapperspb.String("b")), io.EOF)
				f.requireNoFaults()
			})
		})
	}
}

// What a user function sends after the end goes nowhere.
func TestAction_UserFunctionSendsAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		ctx, leave := contextWithCancel(t)
		s := f.begin(ctx, "Both")
		call := f.accept("Both")
		leave()
		call.Cancelled()
		require.Error(t, call.Send(&actionpb.ActionResponse{}))
		_, err := s.receive()
		require.Equal(t, codes.Canceled, status.Code(err))
		f.requireNoFaults()
	})
}

// A user function that never reads makes the client wait, and the proxy keeps only so
// much; the call can still be given up.
func TestAction_UserFunctionNeverReads(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"In", "Both"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				ctx, leave := contextWithCancel(t)
				s := f.begin(ctx, method)
				f.accept(method)
				const size = 10_000
				var sent atomic.Int64
				done := make(chan error, 1)
				go func() {
					request := wrapperspb.String(strings.Repeat("x", size))
					for {
						if err := s.SendMsg(request); err != nil {
							done <- err
							return
						}
						sent.Add(size)
					}
				}()
				synctest.Wait()
				require.Empty(t, done)
				require.Less(t, sent.Load(), int64(1<<20))
				leave()
				require.Error(t, <-done)
				f.requireNoFaults()
			})
		})
	}
}

// A client that is slow to read makes the user function wait, and gets everything.
func TestAction_SlowClient(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Out", "Both"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				s := f.begin(t.Context(), method)
				call := f.accept(method)
				const size, replies = 10_000, 1000
				var sent atomic.Int64
				done := make(chan error, 1)
				go func() {
					for range replies {
						if err := call.Send(&actionpb.ActionResponse{Response: replyOf(strings.Repeat("x", size))}); err != nil {
							done <- err
							return
						}
						sent.Add(size)
					}
					done <- nil
					call.End(nil)
				}()
				synctest.Wait()
				require.Empty(t, done)
				require.Less(t, sent.Load(), int64(1<<20))
				for range replies {
					text, err := s.receive()
					require.NoError(t, err)
					require.Len(t, text, size)
				}
				require.NoError(t, <-done)
				s.requireEnd()
			})
		})
	}
}

func replyOf(text string) *actionpb.ActionResponse_Reply {
	return &actionpb.ActionResponse_Reply{Reply: &protocol.Reply{Payload: scripted.Answer(text)}}
}

// A request that is too large ends the call with the status that says so.
func TestAction_RequestIsTooLarge(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"In", "Both"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t, func(f *fixture) { f.proxy.MaxMessageSize = 1000 }).ready()
				s := f.begin(t.Context(), method)
				call := f.accept(method)
				s.send("small")
				call.RequirePayload()
				s.send(strings.Repeat("x", 1001))
				_, err := s.receive()
				require.Equal(t, codes.ResourceExhausted, status.Code(err))
				call.Cancelled()
				f.requireNoFaults()
			})
		})
	}
}

// Calls that never end are aborted after the grace period, with or without a client.
func TestAction_NeverEnds(t *testing.T) {
	t.Parallel()
	for method := range kinds {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				s := f.begin(t.Context(), "Ask")
				f.accept("Ask").Reply(scripted.Answer("ok"), effect(scripted.Action, method, "e1", false))
				s.requireAnswer("ok")
				detached := f.accept(method)
				s = f.begin(t.Context(), method)
				call := f.accept(method)
				stopped := time.Now()
				f.stop()
				_, err := s.receive()
				require.Equal(t, codes.Unavailable, status.Code(err))
				call.Cancelled()
				detached.Cancelled()
				require.NoError(t, <-f.done)
				require.Equal(t, 10*time.Second, time.Since(stopped))
				faults := f.takeFaults()
				require.Len(t, faults, 1)
				require.Contains(t, faults[0], "the proxy is shutting down")
			})
		})
	}
}

// Protocol section 3.6: streams may finish while the proxy stops.
func TestAction_FinishesWhileTheProxyStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Both")
		call := f.accept("Both")
		f.stop()
		synctest.Wait()
		s.send("last words")
		call.RequirePayload()
		require.NoError(t, s.CloseSend())
		call.RequireHalfClosed()
		call.Reply(scripted.Answer("bye"))
		call.End(nil)
		s.requireAnswer("bye")
		s.requireEnd()
		require.NoError(t, <-f.done)
	})
}
