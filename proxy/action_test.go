package proxy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// P-090.
func TestAction_Unary(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Ask")
		call := f.AcceptCall()
		command := call.RequireHeader("HandleUnary", "Ask")
		require.Equal(t, scripted.QuestionURL, command.GetPayload().GetTypeUrl())
		require.NotEmpty(t, command.GetPayload().GetValue())
		call.Reply(scripted.Answer("hello"))
		s.requireAnswer("hello")
		s.requireEnd()
		f.requireNoFaults()
	})
}

// P-090.
func TestAction_StreamedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Out")
		call := f.AcceptCall()
		require.NotNil(t, call.RequireHeader("HandleStreamedOut", "Out").GetPayload())
		for _, text := range []string{"1", "2", "3"} {
			call.Reply(scripted.Answer(text))
			s.requireAnswer(text) // each as soon as it is there
		}
		call.End(nil)
		s.requireEnd()
		f.requireNoFaults()
	})
}

// P-091.
func TestAction_StreamedIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "In")
		call := f.AcceptCall()
		require.Nil(t, call.RequireHeader("HandleStreamedIn", "In").GetPayload())
		for _, id := range []string{"a", "b", ""} {
			s.send(id)
			require.Equal(t, scripted.QuestionURL, call.RequirePayload().GetTypeUrl())
		}
		require.NoError(t, s.CloseSend())
		call.RequireHalfClosed()
		call.Reply(scripted.Answer("all"))
		s.requireAnswer("all")
		s.requireEnd()
		f.requireNoFaults()
	})
}

// P-091: a call without requests is half-closed at once.
func TestAction_StreamedInWithoutRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "In")
		require.NoError(t, s.CloseSend())
		call := f.accept("In")
		call.RequireHalfClosed()
		call.Reply(scripted.Answer("none"))
		s.requireAnswer("none")
	})
}

// P-091, P-095: requests and replies do not wait for each other.
func TestAction_StreamedBothWays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Both")
		call := f.accept("Both")
		call.Reply(scripted.Answer("welcome"))
		s.requireAnswer("welcome")
		for _, id := range []string{"a", "b"} {
			s.send(id)
			require.Equal(t, asString(t, id), call.RequirePayload().GetValue()) // P-165
			call.Reply(scripted.Answer(id))
			call.Reply(scripted.Answer(id + " again"))
			s.requireAnswer(id)
			s.requireAnswer(id + " again")
		}
		require.NoError(t, s.CloseSend())
		call.RequireHalfClosed()
		call.Reply(scripted.Answer("bye"))
		call.End(nil)
		s.requireAnswer("bye")
		s.requireEnd()
		f.requireNoFaults()
	})
}

// asString encodes a request as the client does.
func asString(t *testing.T, id string) []byte {
	t.Helper()
	data, err := proto.Marshal(wrapperspb.String(id))
	require.NoError(t, err)
	return data
}

// P-096: the client gets nothing for an empty response, but its side effects run.
func TestAction_EmptyResponses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Out")
		call := f.accept("Out")
		call.Nothing(effect(scripted.First, "Tell", "e1", true))
		f.told("e1")
		call.Reply(scripted.Answer("something"))
		s.requireAnswer("something")
		call.Nothing(effect(scripted.First, "Tell", "e2", false))
		f.told("e2")
		call.End(nil)
		s.requireEnd()

		s = f.begin(t.Context(), "Ask")
		f.accept("Ask").Nothing(effect(scripted.First, "Tell", "e3", true))
		f.told("e3")
		s.requireStatus(codes.Internal, "no reply")
	})
}

// P-097: a failure ends the client's call, also if it streams, and cancels that of the
// user function. Side effects that come with it run.
func TestAction_FailureEndsTheCall(t *testing.T) {
	t.Parallel()
	for method := range kinds {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				s := f.begin(t.Context(), method)
				call := f.accept(method)
				if kinds[method].out {
					call.Reply(scripted.Answer("good so far"))
					s.requireAnswer("good so far")
				}
				call.Fail(&protocol.Failure{Description: "no more", GrpcStatusCode: uint32(codes.ResourceExhausted)}, effect(scripted.First, "Tell", "e1", true))
				f.told("e1")
				s.requireStatus(codes.ResourceExhausted, "no more")
				call.Cancelled()
				f.requireNoFaults()
			})
		})
	}
}

func TestAction_FailureWithoutACode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Out")
		f.accept("Out").Fail(&protocol.Failure{Description: "no"})
		s.requireStatus(codes.Unknown, "no")
	})
}

// Protocol section 3.2: the status of the user function's call is that of the client's,
// whenever it comes.
func TestAction_StatusIsPropagated(t *testing.T) {
	t.Parallel()
	for method, kind := range kinds {
		for name, replies := range map[string]int{"before the first reply": 0, "after a reply": 1} {
			if replies > 0 && !kind.out {
				continue
			}
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := start(t).ready()
					s := f.begin(t.Context(), method)
					call := f.accept(method)
					for range replies {
						call.Reply(scripted.Answer("ok"))
						s.requireAnswer("ok")
					}
					call.End(status.Error(codes.DataLoss, "the disk is gone"))
					s.requireStatus(codes.DataLoss, "the disk is gone")
					faults := f.takeFaults()
					require.Len(t, faults, 1)
					require.Contains(t, faults[0], "scripted.Action: "+method+": the user function did not complete the call")
				})
			})
		}
	}
}

// P-100: headers become metadata, and the metadata of the first reply becomes headers.
func TestAction_Metadata(t *testing.T) {
	t.Parallel()
	for method := range kinds {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				s := f.begin(metadata.AppendToOutgoingContext(t.Context(), "Tenant", "acme", "tenant", "second", "trace-bin", "\x00\x01", "te", "trailers"), method)
				call := f.AcceptCall()
				command := call.RequireHeader(kinds[method].rpc, method)
				got := map[string][]string{}
				for _, entry := range command.GetMetadata().GetEntries() {
					got[entry.GetKey()] = append(got[entry.GetKey()], entry.GetStringValue())
				}
				delete(got, "user-agent")
				require.Equal(t, map[string][]string{"tenant": {"acme", "second"}, "trace-bin": {"AAE"}}, got)

				respond := func(text, etag string) {
					call.Respond(&actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{Reply: &protocol.Reply{
						Payload: scripted.Answer(text),
						Metadata: &protocol.Metadata{Entries: []*protocol.MetadataEntry{
							{Key: "ETag", Value: &protocol.MetadataEntry_StringValue{StringValue: etag}},
							{Key: "grpc-status", Value: &protocol.MetadataEntry_StringValue{StringValue: "7"}},
						}},
					}}})
				}
				respond("1", "v1")
				s.requireAnswer("1")
				header, err := s.Header()
				require.NoError(t, err)
				delete(header, "content-type")
				require.Equal(t, metadata.MD{"etag": {"v1"}}, header)
				if kinds[method].out {
					respond("2", "v2") // too late for headers
					s.requireAnswer("2")
					call.End(nil)
				}
				s.requireEnd()
				require.Empty(t, s.Trailer())
			})
		})
	}
}

// Protocol section 3.2: there is no relay timeout for actions.
func TestAction_MayTakeItsTime(t *testing.T) {
	t.Parallel()
	for method := range kinds {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				s := f.begin(t.Context(), method)
				call := f.accept(method)
				time.Sleep(24 * time.Hour) //nolint:forbidigo // virtual time
				call.Reply(scripted.Answer("at last"))
				s.requireAnswer("at last")
				if kinds[method].out {
					call.End(nil)
				}
				s.requireEnd()
			})
		})
	}
}

// The deadline of the client is that of the call.
func TestAction_Deadline(t *testing.T) {
	t.Parallel()
	for method := range kinds {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				s := f.begin(ctx, method)
				call := f.accept(method)
				deadline, limited := call.Context().Deadline()
				require.True(t, limited)
				require.WithinDuration(t, time.Now().Add(3*time.Second), deadline, time.Second)
				_, err := s.receive()
				require.Equal(t, codes.DeadlineExceeded, status.Code(err))
				call.Cancelled()
				synctest.Wait()
				f.requireNoFaults()
			})
		})
	}
}

// The user function may notice a deadline first, which is no fault of it; but it has no
// deadlines of its own.
func TestAction_UserFunctionNoticesTheDeadline(t *testing.T) {
	t.Parallel()
	for name, limited := range map[string]bool{"that there is": true, "that there is not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				ctx, cancel := contextWithCancel(t)
				if limited {
					ctx, cancel = context.WithTimeout(ctx, time.Hour)
				}
				defer cancel()
				s := f.begin(ctx, "Out")
				f.accept("Out").End(status.Error(codes.DeadlineExceeded, "too late"))
				s.requireStatus(codes.DeadlineExceeded, "too late")
				require.Equal(t, limited, len(f.takeFaults()) == 0)
			})
		})
	}
}

// P-165, and P-166 for each reply.
func TestAction_RepliesOfAWrongTypeAreDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Out")
		call := f.accept("Out")
		for range 2 {
			wrong := scripted.Answer("ok")
			wrong.TypeUrl = "type.googleapis.com/other.Type"
			call.Reply(wrong)
			s.requireAnswer("ok")
			require.Equal(t, "Warning: scripted.Action.Out: Expected reply type_url to be [type.googleapis.com/scripted.Answer] but was [type.googleapis.com/other.Type].", f.Report())
		}
		call.End(nil)
		s.requireEnd()
		require.Zero(t, f.Reports())
	})
}

// The user function is not there.
func TestAction_UserFunctionIsUnreachable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		s := f.begin(t.Context(), "Both")
		call := f.accept("Both")
		call.Reply(scripted.Answer("ok"))
		s.requireAnswer("ok")
		f.Crash()
		_, err := s.receive()
		require.Equal(t, codes.Unavailable, status.Code(err))
		for method := range kinds {
			_, err := f.begin(t.Context(), method).receive()
			require.Equal(t, codes.Unavailable, status.Code(err), method)
		}
		require.Len(t, f.takeFaults(), 1+len(kinds))
	})
}
