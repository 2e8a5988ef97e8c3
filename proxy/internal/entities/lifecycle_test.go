package entities_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/entities"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// P-040, P-020, P-021.
func TestEntity_NewOneGetsInitAndThenCommands(t *testing.T) {
	t.Parallel()
	f := start(t)
	first := f.ask("u1", "one")
	stream := f.Accept()
	init := stream.RequireInit("u1")
	require.Equal(t, scripted.First, init.GetServiceName())
	require.Nil(t, init.GetSnapshot())
	command := stream.RequireCommand(1, "Ask")
	require.True(t, proto.Equal(&protocol.Command{
		EntityId: "u1", Id: 1, Name: "Ask", Payload: scripted.Question("u1", "one"),
	}, command), "got %v", command)
	stream.Reply(command, scripted.Answer("1"))
	first.requireAnswer("1")

	second := f.ask("u1", "two")
	stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("2"))
	second.requireAnswer("2")
}

// P-041, P-024: events come back as they were emitted, and ids start again.
func TestEntity_ReplaysItsJournal(t *testing.T) {
	t.Parallel()
	f := start(t)
	c := f.ask("u1", "emit")
	stream := f.Accept()
	stream.RequireInit("u1")
	stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("ok"), scripted.Event("a"), scripted.Event("b"))
	c.requireAnswer("ok")
	f.passivate("u1", stream)

	c = f.ask("u1", "again")
	stream = f.Accept()
	require.Nil(t, stream.RequireInit("u1").GetSnapshot())
	require.True(t, proto.Equal(scripted.Event("a"), stream.RequireEvent(1)))
	require.True(t, proto.Equal(scripted.Event("b"), stream.RequireEvent(2)))
	stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("ok"))
	c.requireAnswer("ok")
}

// P-042: a snapshot comes with init, and only the events after it follow.
func TestEntity_ReplaysFromItsSnapshot(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.put(scripted.Event("1"))
	c := f.ask("u1", "emit")
	stream := f.Accept()
	stream.RequireInit("u1")
	stream.RequireEvent(1)
	command := stream.RequireCommand(1, "Ask")
	reply := reply(command, scripted.Event("2"), scripted.Event("3"))
	reply.Snapshot = scripted.Event("state after 3")
	stream.Answer(reply)
	c.requireAnswer("ok")
	f.requireJournal("u1", scripted.Event("state after 3"))
	c = f.ask("u1", "emit")
	stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("ok"), scripted.Event("4"))
	c.requireAnswer("ok")
	f.passivate("u1", stream)

	c = f.ask("u1", "again")
	stream = f.Accept()
	snapshot := stream.RequireInit("u1").GetSnapshot()
	require.Equal(t, int64(3), snapshot.GetSnapshotSequence())
	require.True(t, proto.Equal(scripted.Event("state after 3"), snapshot.GetSnapshot()))
	require.True(t, proto.Equal(scripted.Event("4"), stream.RequireEvent(4)))
	stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("ok"))
	c.requireAnswer("ok")
}

// reply returns the reply "ok" to a command, with events.
func reply(command *protocol.Command, events ...*anypb.Any) *eventsourcedpb.EventSourcedReply {
	return &eventsourcedpb.EventSourcedReply{
		CommandId:    command.GetId(),
		ClientAction: scripted.Replied(scripted.Answer("ok")),
		Events:       events,
	}
}

// P-034: the next command is sent when the previous one is answered, in order.
func TestEntity_CommandsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		stream := f.open("u1")
		calls := make([]*call, 5)
		for i := range calls {
			calls[i] = f.ask("u1", "question "+string(rune('a'+i)))
			synctest.Wait() // so that the order is known
		}
		for i, c := range calls {
			command := stream.RequireCommand(int64(i+2), "Ask")
			require.True(t, proto.Equal(scripted.Question("u1", "question "+string(rune('a'+i))), command.GetPayload()))
			synctest.Wait()
			select {
			case <-c.done:
				require.Fail(t, "a command was answered before the user function did")
			default:
			}
			stream.Reply(command, scripted.Answer("ok"))
			c.requireAnswer("ok")
		}
	})
}

// P-035.
func TestEntity_OthersGoOnWhileOneIsBusy(t *testing.T) {
	t.Parallel()
	f := start(t)
	blocked := f.ask("u1", "slow")
	slow := f.Accept()
	slow.RequireInit("u1")
	command := slow.RequireCommand(1, "Ask")
	f.open("u2")
	slow.Reply(command, scripted.Answer("late"))
	blocked.requireAnswer("late")
}

// P-023: passivation happens after the timeout, counted from the last reply.
func TestEntity_IsPassivatedWhenItIsIdle(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		service time.Duration // what the service asks for
		want    time.Duration
	}{
		"by default after the time of the proxy":   {0, 30 * time.Second},
		"after the time that the service asks for": {100 * time.Millisecond, 100 * time.Millisecond},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t)
				f.spec.Service(scripted.First).PassivationTimeout = tt.service
				stream := f.open("u1")
				time.Sleep(tt.want - time.Millisecond) //nolint:forbidigo // virtual time
				c := f.ask("u1", "still there?")
				stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("yes"))
				c.requireAnswer("yes")
				replied := time.Now()
				stream.Close()
				require.Equal(t, tt.want, time.Since(replied))
				synctest.Wait()
				f.open("u1") // P-024
			})
		})
	}
}

// A new activation waits for the end of the old one, and loses no command.
func TestEntity_CommandsDuringPassivationWaitForTheNextActivation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		old := f.open("u1")
		old.RequireHalfClosed()
		c := f.ask("u1", "too late")
		time.Sleep(30 * time.Second) //nolint:forbidigo // virtual time
		old.End(nil)
		stream := f.Accept()
		stream.RequireInit("u1")
		stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("not at all"))
		c.requireAnswer("not at all")
	})
}

// Passivation on request comes after the commands that wait, and before later ones.
func TestEntity_PassivationDrainsTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		stream := f.open("u1")
		current := f.ask("u1", "current")
		command := stream.RequireCommand(2, "Ask")
		queued := f.ask("u1", "queued")
		synctest.Wait()
		passivated := make(chan error, 1)
		go func() { passivated <- f.entities.Passivate(t.Context(), f.spec.Service(scripted.First), "u1") }()
		synctest.Wait()
		after := f.ask("u1", "after")
		synctest.Wait()

		stream.Reply(command, scripted.Answer("current"))
		current.requireAnswer("current")
		stream.Reply(stream.RequireCommand(3, "Ask"), scripted.Answer("queued"))
		queued.requireAnswer("queued")
		stream.RequireHalfClosed()
		require.Empty(t, passivated)
		stream.End(nil)
		require.NoError(t, <-passivated)

		stream = f.Accept()
		stream.RequireInit("u1")
		stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("after"))
		after.requireAnswer("after")
	})
}

func TestEntity_PassivationOfAnInactiveEntityDoesNothing(t *testing.T) {
	t.Parallel()
	f := start(t)
	require.NoError(t, f.entities.Passivate(t.Context(), f.spec.Service(scripted.First), "nobody"))
}

func TestEntity_PassivationGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	f := start(t)
	c := f.ask("u1", "hang")
	stream := f.Accept()
	stream.RequireInit("u1")
	command := stream.RequireCommand(1, "Ask")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := f.entities.Passivate(ctx, f.spec.Service(scripted.First), "u1")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, `"u1"`)
	stream.Reply(command, scripted.Answer("ok"))
	c.requireAnswer("ok")
}

// A user function that does not end a stream cannot lock an entity for ever.
func TestEntity_StreamThatDoesNotEndIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		stream := f.open("u1")
		stream.RequireHalfClosed()
		closed := time.Now()
		stream.Cancelled()
		require.Equal(t, time.Minute, time.Since(closed))
		synctest.Wait()
		f.requireFault("did not end a half-closed stream within 1m0s")
		f.open("u1")
	})
}

func TestEntity_FaultsWhileTheStreamEndsAreReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		stream := f.open("u1")
		stream.RequireHalfClosed()
		stream.Answer(reply(&protocol.Command{Id: 2}))
		stream.End(nil)
		synctest.Wait()
		f.requireFault("sent a message after the stream was half-closed")

		stream = f.open("u1")
		stream.RequireHalfClosed()
		stream.End(context.DeadlineExceeded)
		synctest.Wait()
		f.requireFault("ended a half-closed stream with an error")
	})
}

// Closing lets everything finish that has begun, and refuses the rest.
func TestEntities_CloseDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		idle := f.open("idle")
		stream := f.open("busy")
		current := f.ask("busy", "current")
		command := stream.RequireCommand(2, "Ask")
		queued := f.ask("busy", "queued")
		synctest.Wait()
		closed := make(chan struct{})
		go func() { defer close(closed); f.entities.Close() }()
		idle.Close()
		synctest.Wait()
		f.ask("busy", "late").requireError(codes.Unavailable, "the proxy is shutting down")
		f.ask("new", "late").requireError(codes.Unavailable, "the proxy is shutting down")
		stream.Reply(command, scripted.Answer("current"))
		current.requireAnswer("current")
		stream.Reply(stream.RequireCommand(3, "Ask"), scripted.Answer("queued"))
		queued.requireAnswer("queued")
		stream.Close()
		<-closed
	})
}

// When there is no time left, every command is answered.
func TestEntities_AbortAnswersEverybody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		current := f.ask("u1", "current")
		stream := f.Accept()
		stream.RequireInit("u1")
		stream.RequireCommand(1, "Ask")
		queued := f.ask("u1", "queued")
		synctest.Wait()
		f.abort()
		current.requireError(codes.Unavailable, "the proxy is shutting down")
		queued.requireError(codes.Unavailable, "the proxy is shutting down")
		stream.Cancelled()
	})
}

// metadata is passed on only where that is switched on.
func TestEntity_GetsMetadataIfThatIsSwitchedOn(t *testing.T) {
	t.Parallel()
	metadata := &protocol.Metadata{Entries: []*protocol.MetadataEntry{
		{Key: "tenant", Value: &protocol.MetadataEntry_StringValue{StringValue: "acme"}},
	}}
	tests := map[string]struct {
		on   bool
		want *protocol.Metadata
	}{
		"off": {false, nil},
		"on":  {true, metadata},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, func(c *entities.Config) { c.Metadata = tt.on })
			done := make(chan error, 1)
			go func() {
				done <- f.router.Call(t.Context(), &routing.Command{
					Method:   f.spec.Service(scripted.First).Method("Ask"),
					Payload:  scripted.Question("u1", "hello"),
					Metadata: metadata,
				}, func(*protocol.Reply) error { return nil })
			}()
			stream := f.Accept()
			stream.RequireInit("u1")
			command := stream.RequireCommand(1, "Ask")
			require.True(t, proto.Equal(tt.want, command.GetMetadata()), "got %v", command)
			stream.Reply(command, scripted.Answer("ok"))
			require.NoError(t, <-done)
		})
	}
}

// P-041 and A-12: backpressure instead of a limit.
func TestEntity_LongJournalIsReplayedToASlowUserFunction(t *testing.T) {
	t.Parallel()
	f := start(t)
	const events, batch = 100_000, 1000
	for n := 0; n < events; n += batch {
		f.put(slices.Repeat([]*anypb.Any{scripted.Event(strings.Repeat("x", 20))}, batch)...)
	}
	c := f.ask("u1", "hello")
	stream := f.Accept()
	stream.RequireInit("u1")
	for n := range events {
		stream.RequireEvent(int64(n + 1))
	}
	stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("at last"))
	c.requireAnswer("at last")
}
