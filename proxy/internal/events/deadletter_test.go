package events_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/events"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// startWith starts consumers that abort when life ends.
func startWith(life context.Context, f *fixture) *events.Consumers {
	consumers := events.New(life, f.config)
	consumers.Start()
	return consumers
}

// failing is a kind whose components always fail.
type failing struct{}

func (failing) Handle(_ context.Context, _ *routing.Command, respond func(*routing.Response) error) error {
	return respond(&routing.Response{Action: &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: &protocol.Failure{Description: "no"}}}})
}

// failingRouter returns a router whose actions always fail, and a method of one.
func failingRouter(t *testing.T) (*routing.Router, *spec.Method) {
	t.Helper()
	discovered, err := spec.New(scripted.Spec(t), spec.Options{})
	require.NoError(t, err)
	router := routing.New(discovered, routing.NewReporter(slog.New(slog.DiscardHandler), func(routing.Fault) {}, nil))
	router.Register(spec.Action, failing{})
	return router, discovered.Service(scripted.Action).Method("Ask")
}

func (f *fixture) letters() []events.DeadLetter {
	f.t.Helper()
	letters, err := events.DeadLetters(f.t.Context(), f.stored, 0, 100)
	require.NoError(f.t, err)
	return letters
}

// After so many attempts an event is a dead letter, with all that is known of it, and the
// next event has its turn.
func TestDeadLetters_ComeAfterTheLastAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.config.MaxAttempts = 3
		f.onDelivery(func(d delivery) error {
			if d.event == "b" {
				return errors.New("b is broken")
			}
			return nil
		})
		f.emit("e1", "a", "b", "c")
		f.start()
		time.Sleep(3600 * time.Millisecond) //nolint:forbidigo // virtual time
		require.Empty(t, f.letters())
		time.Sleep(7200 * time.Millisecond) //nolint:forbidigo // virtual time
		synctest.Wait()
		got := f.requireDelivered("Ask a", "Ask b", "Ask b", "Ask b", "Ask c")
		letters := f.letters()
		require.Len(t, letters, 1)
		require.Equal(t, f.began.Add(got[3].at), letters[0].Time)
		letters[0].Time, letters[0].DeadLetter.Event = time.Time{}, nil
		require.Equal(t, events.DeadLetter{
			DeadLetter: store.DeadLetter{ID: 1, Consumer: logConsumer, Attempts: 3, Reason: "b is broken"},
			Event: eventing.Event{
				ID: "2", Source: scripted.PersistenceID(scripted.First), SpecVersion: "1.0", Type: scripted.QuestionURL,
				DataContentType: "application/vnd.cloudstate.protobuf.any", Subject: "e1", Data: []byte("b"),
			},
		}, letters[0])
		faults := f.takeFaults()
		require.Len(t, faults, 3)
		require.Contains(t, faults[2], "has failed, the last one; it is now dead letter 1, which can be delivered again: b is broken")
		f.requirePosition(store.Position{Offset: 3})
	})
}

// Attempts count across restarts.
func TestDeadLetters_CountAttemptsBeforeARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, map[string]*annotations.Eventing{"Ask": scripted.FromTopic("t", "")})
		f.config.MaxAttempts = 2
		f.onDelivery(func(delivery) error { return errTransport })
		f.publish("a")
		_, stop := f.start()
		synctest.Wait()
		stop()
		f.start()
		synctest.Wait()
		f.requireDelivered("Ask a", "Ask a")
		require.Len(t, f.letters(), 1)
	})
}

func TestDeadLetters_AreNotLostIfTheyCannotBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.config.MaxAttempts = 1
		f.onDelivery(func(d delivery) error {
			if d.event == "a" {
				return errTransport
			}
			return nil
		})
		f.failing("AddDeadLetter")
		f.emit("e1", "a", "b")
		f.start()
		synctest.Wait()
		f.requireDelivered("Ask a")
		require.Contains(t, f.takeFaults()[0], "could not be kept as a dead letter: the disk is full; it has failed because of: "+errTransport.Error())
		f.failing()
		time.Sleep(4 * time.Second) //nolint:forbidigo // virtual time
		f.requireDelivered("Ask a", "Ask b")
		require.Len(t, f.letters(), 1)
	})
}

func TestRedeliver_RemovesWhatIsHandled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.config.MaxAttempts = 1
		f.onDelivery(func(delivery) error { return errTransport })
		f.emit("e1", "a", "b")
		consumers, stop := f.start()
		synctest.Wait()
		f.requireDelivered("Ask a", "Ask b")

		require.EqualError(t, consumers.Redeliver(t.Context(), 2), "dead letter 2 was not handled: "+errTransport.Error())
		require.Len(t, f.letters(), 2)
		f.onDelivery(nil)
		require.NoError(t, consumers.Redeliver(t.Context(), 2))
		got := f.requireDelivered("Ask b", "Ask b")
		require.Equal(t, "2", got[1].metadata.GetEntries()[0].GetStringValue(), "it is the same event")
		require.Len(t, f.letters(), 1)
		require.EqualError(t, consumers.Redeliver(t.Context(), 2), "there is no dead letter 2")
		require.EqualError(t, consumers.Redeliver(t.Context(), 0), "there is no dead letter 0")

		f.failing("RemoveDeadLetter")
		require.EqualError(t, consumers.Redeliver(t.Context(), 1), "dead letter 1 was handled, but could not be removed: the disk is full")
		f.failing()
		stop()
		require.NoError(t, consumers.Redeliver(t.Context(), 1), "also when consumers have stopped")
	})
}

func TestRedeliver_NeedsTheConsumer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fromLog())
	encoded, err := eventing.Event{ID: "1"}.MarshalBinary()
	require.NoError(t, err)
	id, err := f.stored.AddDeadLetter(t.Context(), store.DeadLetter{Consumer: store.Consumer{Kind: store.TopicSource, Source: "t", Service: "former.Service"}, Event: encoded})
	require.NoError(t, err)
	consumers, _ := f.start()
	require.EqualError(t, consumers.Redeliver(t.Context(), id), `dead letter 1 is for the consumer former.Service of topic "t" in group "", which the user function does not have any more; add it, or publish the event to a topic that is consumed`)
}

// Whoever delivers a dead letter again does not keep it going beyond the end of the proxy, and
// no longer than a consumer would.
func TestRedeliver_EndsWithLifeAndInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.config.MaxAttempts = 1
		f.onDelivery(func(delivery) error { return errTransport })
		f.emit("e1", "a")
		life, abort := context.WithCancel(t.Context())
		defer abort()
		consumers := startWith(life, f)
		synctest.Wait()
		consumers.Stop()
		consumers.Wait()
		f.onDelivery(func(d delivery) error {
			<-d.ctx.Done()
			return d.ctx.Err()
		})
		require.ErrorContains(t, consumers.Redeliver(t.Context(), 1), "has not handled it within 1m0s: context deadline exceeded")

		redelivered := make(chan error, 1)
		go func() { redelivered <- consumers.Redeliver(t.Context(), 1) }()
		synctest.Wait()
		abort()
		synctest.Wait()
		select {
		case err := <-redelivered:
			require.EqualError(t, err, "dead letter 1 was not handled: context canceled")
		default:
			require.Fail(t, "it goes on")
		}
		require.Len(t, f.letters(), 1)
	})
}

func TestDeadLetters_NameWhatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, fromLog())
	id, err := f.stored.AddDeadLetter(t.Context(), store.DeadLetter{Consumer: logConsumer, Event: []byte{0xff}})
	require.NoError(t, err)
	_, err = events.DeadLetters(t.Context(), f.stored, 0, 100)
	require.ErrorContains(t, err, "read dead letter 1: ")
	require.ErrorContains(t, err, "; discard it, or read those after it")
	letters, err := events.DeadLetters(t.Context(), f.stored, id, 100)
	require.NoError(t, err)
	require.Empty(t, letters)
}
