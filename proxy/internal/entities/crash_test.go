package entities_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// P-056, P-057, P-058, P-059: what the clients see, and that the next command starts
// over.
func TestEntity_Crashes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		misbehave func(*scripted.Stream)
		text      string
		fault     string
	}{
		"on a stream-level failure": {
			func(s *scripted.Stream) { s.GiveUp(2, "out of memory") },
			"Unexpected entity failure", "out of memory",
		},
		"on a stream-level failure without command": {
			func(s *scripted.Stream) { s.GiveUp(0, "Protocol error: whatever") },
			"Unexpected entity failure", "Protocol error: whatever",
		},
		"when the stream breaks": {
			func(s *scripted.Stream) { s.End(status.Error(codes.Aborted, "no more")) },
			"Unexpected entity termination", "no more",
		},
		"when the stream ends": {
			func(s *scripted.Stream) { s.End(nil) },
			"Unexpected entity termination", "the user function ended the stream",
		},
		"on a reply to another command": {
			func(s *scripted.Stream) { s.Answer(reply(&protocol.Command{Id: 1})); s.Close() },
			"Unexpected entity reply", "replied to command 1, but command 2 was outstanding",
		},
		"on an empty message": {
			func(s *scripted.Stream) { s.Send(&eventsourcedpb.EventSourcedStreamOut{}); s.Close() },
			"Unexpected entity message", "neither a reply nor a failure",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t)
				stream := f.open("u1")
				current := f.ask("u1", "current")
				stream.RequireCommand(2, "Ask")
				queued := []*call{f.ask("u1", "queued"), f.ask("u1", "queued")}
				synctest.Wait()
				tt.misbehave(stream)
				current.requireError(codes.Unknown, tt.text)
				for _, c := range queued {
					c.requireError(codes.Unknown, "Entity terminated")
				}
				fault := f.requireFault(tt.fault)
				require.Equal(t, scripted.First, fault.Service)
				require.Equal(t, "u1", fault.EntityID)
				require.Equal(t, "Ask", fault.Command)
				f.open("u1")
			})
		})
	}
}

// Whatever an idle entity says is unsolicited.
func TestEntity_CrashesWhileItIsIdle(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		misbehave func(*scripted.Stream)
		fault     string
	}{
		"on a reply":   {func(s *scripted.Stream) { s.Answer(reply(&protocol.Command{Id: 1})); s.Close() }, "Unexpected entity reply"},
		"on a failure": {func(s *scripted.Stream) { s.GiveUp(0, "tired") }, "Unexpected entity failure"},
		"on an error":  {func(s *scripted.Stream) { s.End(status.Error(codes.DataLoss, "the disk is gone")) }, "Unexpected entity termination"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t)
				tt.misbehave(f.open("u1"))
				synctest.Wait()
				require.Empty(t, f.requireFault(tt.fault).Command)
				f.open("u1")
			})
		})
	}
}

// A user function that stops ends its streams. An idle entity loses nothing by that.
func TestEntity_LeavesMemoryWhenTheUserFunctionStops(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]error{"in order": nil, "abruptly": status.Error(codes.Unavailable, "transport is closing")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t)
				f.open("u1").End(end)
				synctest.Wait()
				f.open("u1")
			})
		})
	}
}

// A user function that refuses the journal fails the command that woke the entity up.
func TestEntity_CrashesWhileItIsReplayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		f.put(scripted.Event("from the future"))
		current := f.ask("u1", "hello")
		stream := f.Accept()
		queued := f.ask("u1", "hello")
		synctest.Wait()
		stream.RequireInit("u1")
		stream.RequireEvent(1)
		stream.GiveUp(0, "No event handler found")
		current.requireError(codes.Unknown, "Unexpected entity failure")
		queued.requireError(codes.Unknown, "Entity terminated")
		f.requireFault("No event handler found")
	})
}

// A long journal cannot be sent to a user function that gives up: the sender notices.
func TestEntity_CrashesInTheMiddleOfAReplay(t *testing.T) {
	t.Parallel()
	f := start(t)
	for range 20 {
		f.put(scripted.Event(string(make([]byte, 100_000))))
	}
	current := f.ask("u1", "hello")
	stream := f.Accept()
	stream.RequireInit("u1")
	stream.RequireEvent(1)
	stream.GiveUp(0, "No event handler found")
	current.requireError(codes.Unknown, "Unexpected entity failure")
	f.requireFault("No event handler found")
}

// Nothing was sent, so every client may try again.
func TestEntity_UserFunctionIsUnreachable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn, err := grpc.NewClient("passthrough:///nowhere",
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
				time.Sleep(time.Second) //nolint:forbidigo // virtual time
				return nil, net.ErrClosed
			}))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, conn.Close()) })
		f := startOn(t, scripted.New(t), conn)
		calls := []*call{f.ask("u1", "hello"), f.ask("u1", "hello")}
		for _, c := range calls {
			c.requireError(codes.Unavailable, "Unexpected entity termination")
		}
		f.requireFault("open a stream to the user function")
		f.ask("u1", "hello").requireError(codes.Unavailable, "Unexpected entity termination")
		f.requireFault("open a stream to the user function")
	})
}

// P-055: a failure is the business of client and entity, which lives on.
func TestEntity_FailureGoesToTheClient(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		code uint32
		want codes.Code
	}{
		"without code":             {0, codes.Unknown},
		"with a code":              {uint32(codes.InvalidArgument), codes.InvalidArgument},
		"with the last code":       {uint32(codes.Unauthenticated), codes.Unauthenticated},
		"with one that is no code": {17, codes.Unknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			stream := f.open("u1")
			c := f.ask("u1", "fail")
			stream.Fail(stream.RequireCommand(2, "Ask"), &protocol.Failure{Description: "not that, please\n", GrpcStatusCode: tt.code})
			c.requireError(tt.want, "not that, please\n")
			c = f.ask("u1", "go on")
			stream.Reply(stream.RequireCommand(3, "Ask"), scripted.Answer("yes"))
			c.requireAnswer("yes")
		})
	}
}

// P-050, P-051: after a restart only what is stored is replayed, and the commands
// that waited do not notice.
func TestEntity_Restarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		f.put(scripted.Event("stored"))
		c := f.ask("u1", "fail after emit")
		stream := f.Accept()
		stream.RequireInit("u1")
		stream.RequireEvent(1)
		command := stream.RequireCommand(1, "Ask")
		queued := make([]*call, 2)
		for i := range queued {
			queued[i] = f.ask("u1", string(rune('a'+i)))
			synctest.Wait() // so that the order is known
		}
		stream.Fail(command, &protocol.Failure{Description: "no", Restart: true})
		c.requireError(codes.Unknown, "no")
		stream.Close()

		stream = f.Accept()
		stream.RequireInit("u1")
		require.True(t, proto.Equal(scripted.Event("stored"), stream.RequireEvent(1)))
		for i, c := range queued {
			command := stream.RequireCommand(int64(i+1), "Ask")
			require.True(t, proto.Equal(scripted.Question("u1", string(rune('a'+i))), command.GetPayload()))
			stream.Reply(command, scripted.Answer("ok"))
			c.requireAnswer("ok")
		}
	})
}

// P-050: the new stream is there even if nothing waits for it.
func TestEntity_RestartsWithoutACommand(t *testing.T) {
	t.Parallel()
	f := start(t)
	stream := f.open("u1")
	c := f.ask("u1", "fail")
	stream.Fail(stream.RequireCommand(2, "Ask"), &protocol.Failure{Description: "no", Restart: true})
	c.requireError(codes.Unknown, "no")
	stream.Close()
	f.Accept().RequireInit("u1")
}

// a failure changes nothing, whatever comes with it.
func TestEntity_FailureStoresNothing(t *testing.T) {
	t.Parallel()
	f := start(t)
	stream := f.open("u1")
	c := f.ask("u1", "fail")
	answer := reply(stream.RequireCommand(2, "Ask"), scripted.Event("a"))
	answer.Snapshot = scripted.Event("state")
	answer.ClientAction = &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: &protocol.Failure{Description: "no"}}}
	stream.Answer(answer)
	c.requireError(codes.Unknown, "no")
	f.requireFault("the reply is a failure, but has events or a snapshot")
	f.requireJournal("u1", nil)
}
