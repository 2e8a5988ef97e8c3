package proxy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/events"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// withBroker gives a proxy a broker that a test controls, and returns it with its store.
func withBroker(broker *flakyBroker, stored *memory.Store) func(*fixture) {
	broker.Broker = events.NewBroker(stored, stored)
	return func(f *fixture) {
		f.proxy.Journal = stored
		f.proxy.Eventing.Broker = broker
	}
}

// published returns what is in a topic.
func published(t *testing.T, in store.Topics, topic string) []eventing.Event {
	t.Helper()
	messages, err := in.ReadTopic(t.Context(), topic, 0, 100)
	require.NoError(t, err)
	all := make([]eventing.Event, len(messages))
	for i, m := range messages {
		require.NoError(t, all[i].UnmarshalBinary(m.Data))
	}
	return all
}

// requirePublished requires that a topic has exactly these answers of the action, and
// returns them.
func requirePublished(t *testing.T, in store.Topics, topic string, answers ...string) []eventing.Event {
	t.Helper()
	all := published(t, in, topic)
	require.Len(t, all, len(answers))
	for i, text := range answers {
		require.Equal(t, scripted.Answer(text).GetValue(), all[i].Data)
	}
	return all
}

// P-207: the reply to an ordinary call is published as an event before the client gets it.
func TestPublishing_ComesBeforeTheReply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, stored := &flakyBroker{blocked: make(chan struct{})}, memory.New()
		f := start(t, annotate(scripted.Action, "Ask", scripted.ToTopic(nil, "t")), withBroker(broker, stored)).ready()
		c := f.askOf(t.Context(), scripted.Action, "u1")
		f.accept("Ask").Reply(scripted.Answer("hello"))
		synctest.Wait()
		select {
		case <-c.done:
			t.Fatal("the client has a reply that is not published")
		default:
		}
		now := time.Now()
		close(broker.blocked)
		c.requireAnswer("hello")

		all := requirePublished(t, stored, "t", "hello")
		require.Len(t, all[0].ID, 36)
		require.True(t, now.Equal(all[0].Time))
		require.Equal(t, eventing.Event{
			ID: all[0].ID, Source: scripted.Action, SpecVersion: "1.0", Type: "scripted.Answer", DataContentType: "application/protobuf",
			Time: all[0].Time, Data: scripted.Answer("hello").GetValue(),
		}, all[0])
		f.requireNoFaults()
	})
}

// Protocol section 9.4: the metadata of the reply sets attributes of the event.
func TestPublishing_TakesAttributesFromTheMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		f := start(t, annotate(scripted.Action, "Ask", scripted.ToTopic(nil, "t")), func(f *fixture) { f.proxy.Journal = stored }).ready()
		c := f.askOf(t.Context(), scripted.Action, "u1")
		f.accept("Ask").Respond(&actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{Reply: &protocol.Reply{
			Payload: scripted.Answer("hello"), Metadata: metadataOf("ce-subject", "u1", "ce-type", "greeted"),
		}}})
		c.requireAnswer("hello")
		all := requirePublished(t, stored, "t", "hello")
		require.Equal(t, "u1", all[0].Subject)
		require.Equal(t, "greeted", all[0].Type)
	})
}

// What cannot be published is withheld, and the client learns that the command has happened
// all the same.
func TestPublishing_FailsTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, stored := &flakyBroker{}, memory.New()
		broker.broken.Store(true)
		f := start(t, annotate(scripted.First, "Ask", scripted.ToTopic(nil, "t")), withBroker(broker, stored)).ready()
		c := f.ask("e1")
		stream := f.Accept()
		stream.RequireInit("e1")
		stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("hello"), scripted.Event("happened"))
		const text = `scripted.First.Ask: the reply was not published to topic "t", and is therefore withheld; what the command has done remains: the broker is away`
		c.requireStatus(codes.Unavailable, text)
		f.requireFaults(text)
		logged, err := stored.ReadEvents(t.Context(), scripted.PersistenceID(scripted.First), 0, 10)
		require.NoError(t, err)
		require.Len(t, logged, 1)

		broker.broken.Store(false)
		c = f.ask("e1")
		stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("again"))
		c.requireAnswer("again")
		requirePublished(t, stored, "t", "again")
		f.passivate(stream)
	})
}

func TestPublishing_FailsTheCallIfTheBrokerHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := &flakyBroker{blocked: make(chan struct{})}
		f := start(t, annotate(scripted.Action, "Ask", scripted.ToTopic(nil, "t")), withBroker(broker, memory.New()), func(f *fixture) {
			f.proxy.RelayTimeout = 5 * time.Second
		}).ready()
		c := f.askOf(t.Context(), scripted.Action, "u1")
		f.accept("Ask").Reply(scripted.Answer("hello"))
		<-c.done
		require.Equal(t, codes.Unavailable, status.Code(c.err))
		require.ErrorContains(t, c.err, "context deadline exceeded")
		f.requireFaults("not published")
	})
}

// Replies are published whoever has called the method: a stream of a client, a forward, a
// side effect, or an event.
func TestPublishing_DoesNotDependOnTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		f := start(t,
			annotate(scripted.Action, "Out", scripted.ToTopic(nil, "stream")),
			annotate(scripted.Action, "Ask", scripted.ToTopic(nil, "forwards")),
			annotate(scripted.Value, "Ask", scripted.ToTopic(nil, "values")),
			annotate(scripted.Action, "Take", scripted.ToTopic(scripted.FromTopic("values", ""), "events")),
			func(f *fixture) { f.proxy.Journal = stored },
		).ready()
		s := f.begin(t.Context(), "Out")
		out := f.accept("Out")
		out.Reply(scripted.Answer("1"))
		out.Reply(scripted.Answer("2"), effect(scripted.Action, "Ask", "e", true)) // an action that forwards
		ask := f.accept("Ask")
		ask.Forward(scripted.Value, "Ask", scripted.Question("v", ""))
		value := f.AcceptValue()
		value.RequireInit("v")
		value.Reply(value.RequireCommand(1, "Ask"), scripted.Answer("value"), nil)
		s.requireAnswer("1")
		s.requireAnswer("2")
		out.End(nil)
		s.requireEnd()

		take := f.accept("Take")
		take.Reply(scripted.Answer("taken"))
		synctest.Wait()
		requirePublished(t, stored, "stream", "1", "2")
		requirePublished(t, stored, "forwards", "value")
		requirePublished(t, stored, "values", "value")
		requirePublished(t, stored, "events", "taken")
		f.requireNoFaults()
	})
}

// A command that happens although its client has left has its reply published.
func TestPublishing_GoesOnWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		f := start(t, annotate(scripted.First, "Ask", scripted.ToTopic(nil, "t")), func(f *fixture) { f.proxy.Journal = stored }).ready()
		ctx, leave := context.WithCancel(t.Context())
		c := f.askWith(ctx, "e1")
		stream := f.Accept()
		stream.RequireInit("e1")
		command := stream.RequireCommand(1, "Ask")
		leave()
		<-c.done
		synctest.Wait()
		stream.Reply(command, scripted.Answer("late"))
		synctest.Wait()
		requirePublished(t, stored, "t", "late")
		f.passivate(stream)
		f.requireNoFaults()
	})
}

// A reply that comes too late, and cannot be published, is reported as what it is.
func TestPublishing_ReportsWhatFailsAfterTheClientHasLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := &flakyBroker{}
		broker.broken.Store(true)
		f := start(t, annotate(scripted.First, "Ask", scripted.ToTopic(nil, "t")), withBroker(broker, memory.New())).ready()
		ctx, leave := context.WithCancel(t.Context())
		c := f.askWith(ctx, "e1")
		stream := f.Accept()
		stream.RequireInit("e1")
		command := stream.RequireCommand(1, "Ask")
		leave()
		<-c.done
		synctest.Wait()
		stream.Reply(command, scripted.Answer("late"))
		synctest.Wait()
		require.Len(t, f.faults, 1)
		require.Equal(t, `scripted.First: Ask: scripted.First.Ask: the reply was not published to topic "t", and is therefore withheld; what the command has done remains: the broker is away`, f.faults[0].String())
		f.requireFaults("not published")
		f.passivate(stream)
	})
}

// Failures, and calls without a reply, publish nothing.
func TestPublishing_NeedsAReply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		f := start(t, annotate(scripted.Action, "Ask", scripted.ToTopic(nil, "t")), func(f *fixture) { f.proxy.Journal = stored }).ready()
		c := f.askOf(t.Context(), scripted.Action, "u1")
		f.accept("Ask").Fail(&protocol.Failure{Description: "no"})
		c.requireStatus(codes.Unknown, "no")
		c = f.askOf(t.Context(), scripted.Action, "u1")
		f.accept("Ask").Nothing()
		c.requireStatus(codes.Internal, "no reply")
		require.Empty(t, published(t, stored, "t"))
	})
}

// A method that gets an event, and whose reply cannot be published, gets it again.
func TestPublishing_FailsTheEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker, stored := &flakyBroker{}, memory.New()
		f := start(t, annotate(scripted.Action, "Ask", scripted.ToTopic(scripted.FromTopic("in", ""), "out")), withBroker(broker, stored)).ready()
		f.publish("in", "1")
		call := f.AcceptCall()
		broker.broken.Store(true)
		require.Equal(t, "1", id(call.RequireHeader("HandleUnary", "Ask")))
		call.Reply(scripted.Answer("a"))
		synctest.Wait()
		f.requireFaults("the broker is away")
		broker.broken.Store(false)
		again := f.AcceptCall()
		require.Equal(t, "1", id(again.RequireHeader("HandleUnary", "Ask")))
		again.Reply(scripted.Answer("b"))
		synctest.Wait()
		requirePublished(t, stored, "out", "b")
		f.requireNoFaults()
	})
}
