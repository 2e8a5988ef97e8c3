package events_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// fromLog is a consumer of the first service.
func fromLog() map[string]*annotations.Eventing {
	return map[string]*annotations.Eventing{"Ask": scripted.FromLog(scripted.First, "")}
}

var errTransport = status.Error(codes.Unavailable, "the connection broke")

// logConsumer is the consumer of fromLog.
var logConsumer = store.Consumer{
	Kind: store.EventLogSource, Source: scripted.PersistenceID(scripted.First), Service: scripted.Action, Group: scripted.Action,
}

// requirePauses requires that deliveries follow after these pauses, and up to a fifth of each.
func (f *fixture) requirePauses(got []delivery, want ...time.Duration) {
	f.t.Helper()
	for i, pause := range want {
		require.GreaterOrEqual(f.t, got[i+1].at-got[i].at, pause)
		require.LessOrEqual(f.t, got[i+1].at-got[i].at, pause*6/5)
	}
}

func (f *fixture) requirePosition(want store.Position) {
	f.t.Helper()
	got, err := f.stored.LoadPosition(f.t.Context(), logConsumer)
	require.NoError(f.t, err)
	require.Equal(f.t, want, got)
}

func TestConsumers_GetWhatThereIsAndWhatFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.emit("e1", "a", "b")
		f.emit("e2", "c")
		f.start()
		synctest.Wait()
		f.requireDelivered("Ask a", "Ask b", "Ask c")
		f.emit("e1", "d")
		synctest.Wait()
		f.requireDelivered("Ask d")
		f.requireNoFaults()
	})
}

// P-204: both groups get every event; methods of one group share them by type.
func TestConsumers_EachGroupGetsAllEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, map[string]*annotations.Eventing{
			"Ask":  scripted.FromTopic("t", ""),
			"Take": scripted.FromTopic("t", ""),
			"Tell": scripted.FromTopic("t", "another"),
			"Out":  scripted.FromLog(scripted.First, "another"),
		})
		f.publish("a")
		require.NoError(t, f.config.Broker.Publish(t.Context(), "t", eventing.Event{ID: "b", Source: "test", SpecVersion: "1.0", DataContentType: "application/json"}))
		f.publish("c")
		f.start()
		synctest.Wait()
		byMethod := map[string][]string{}
		for _, d := range f.take() {
			byMethod[d.method] = append(byMethod[d.method], d.event)
		}
		require.Equal(t, map[string][]string{"Ask": {"a", "c"}, "Take": {""}, "Tell": {"a"}}, byMethod)
		require.Contains(t, f.takeFaults()[0], "scripted.Action.: attempt 1 to handle event \"b\" from \"test\" of type \"\" of scripted.Action of topic \"t\" in group \"another\" has failed, the next follows in 3")
	})
}

// P-205: after a transport error the event is delivered again, after the backoff, and no
// other one before it.
func TestConsumers_DeliverAgainInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		fails := 3
		f.onDelivery(func(d delivery) error {
			if d.event == "b" && fails > 0 {
				fails--
				return errTransport
			}
			return nil
		})
		f.emit("e1", "a", "b", "c")
		f.start()
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		f.emit("e2", "d")
		time.Sleep(time.Minute) //nolint:forbidigo // virtual time
		got := f.requireDelivered("Ask a", "Ask b", "Ask b", "Ask b", "Ask b", "Ask c", "Ask d")
		f.requirePauses(got[1:], 3*time.Second, 6*time.Second, 12*time.Second)
		faults := f.takeFaults()
		require.Len(t, faults, 3)
		require.Contains(t, faults[2], `scripted.Action.Ask: attempt 3 to handle event "2" from "scripted.First journal" of type "type.googleapis.com/scripted.Question" of scripted.Action of event_log "scripted.First journal" has failed, the next follows in 1`)
		require.Contains(t, faults[2], "the connection broke")
	})
}

func TestConsumers_PauseLongerAndLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.onDelivery(func(delivery) error { return errTransport })
		f.emit("e1", "a")
		_, stop := f.start()
		time.Sleep(5 * time.Minute) //nolint:forbidigo // virtual time
		stop()
		got := f.take()
		f.requirePauses(got, 3*time.Second, 6*time.Second, 12*time.Second, 24*time.Second, 30*time.Second, 30*time.Second)
		f.requirePosition(store.Position{Attempts: len(got)})
	})
}

// a failure is retried, unless it is to be accepted as in the reference proxy, which is
// not possible if there must be a reply to publish.
func TestConsumers_FailuresAreRetriedUnlessAccepted(t *testing.T) {
	t.Parallel()
	failure := failureError(t)
	for name, tt := range map[string]struct {
		accept bool
		out    string
		err    error
		want   int // deliveries within 10 s
	}{
		"a failure":                                {false, "", failure, 2},
		"a failure that is accepted":               {true, "", failure, 1},
		"a failure that leaves nothing to publish": {true, "out", failure, 2},
		"an error":                                 {true, "", errTransport, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				annotation := scripted.FromLog(scripted.First, "")
				if tt.out != "" {
					annotation = scripted.ToTopic(annotation, tt.out)
				}
				f := newFixture(t, map[string]*annotations.Eventing{"Ask": annotation})
				f.config.AcceptFailures = tt.accept
				f.onDelivery(func(delivery) error { return tt.err })
				f.emit("e1", "a")
				f.start()
				time.Sleep(8 * time.Second) //nolint:forbidigo // virtual time
				require.Len(t, f.take(), tt.want)
			})
		})
	}
}

// failureError returns what a router returns for a failure of a component.
func failureError(t *testing.T) error {
	t.Helper()
	router, method := failingRouter(t)
	err := router.Deliver(t.Context(), &routing.Command{Method: method, Payload: scripted.Question("e1", "")}, func(*protocol.Reply) error { return nil })
	var failure *routing.FailureError
	require.ErrorAs(t, err, &failure)
	return err
}

// Section 9.2: a method that publishes must reply, but a stream of replies may be empty.
func TestConsumers_MustReplyIfThatIsPublished(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{
		"Ask": `scripted.Action.Ask has not replied, so there is nothing to publish to topic "out"; reply, or stream replies to publish none`,
		"In":  `scripted.Action.In has not replied`,
		"Out": "",
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, map[string]*annotations.Eventing{method: scripted.ToTopic(scripted.FromLog(scripted.First, ""), "out")})
				f.onDelivery(func(delivery) error { return nil })
				f.emit("e1", "a")
				f.start()
				synctest.Wait()
				faults := f.takeFaults()
				if want == "" {
					require.Empty(t, faults)
					return
				}
				require.Len(t, faults, 1)
				require.Contains(t, faults[0], want)
			})
		})
	}
}

func TestConsumers_SayThatNoMethodTakesAnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.emitAny("e1", &anypb.Any{TypeUrl: "type.googleapis.com/scripted.Other"})
		f.start()
		synctest.Wait()
		require.Contains(t, f.takeFaults()[0], `No method can be found to handle protobuf type of [type.googleapis.com/scripted.Other] on input event_log "scripted.First journal".`)
		f.requireDelivered()
	})
}

// A user function that cannot be reached is waited for; that is no attempt.
func TestConsumers_WaitForTheUserFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		ready := make(chan struct{})
		f.config.Ready = func(ctx context.Context) error {
			select {
			case <-ready:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		f.config.MaxAttempts = 1
		f.emit("e1", "a")
		_, stop := f.start()
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		f.requireDelivered()
		stop()
		f.start()
		close(ready)
		synctest.Wait()
		f.requireDelivered("Ask a")
		f.requireNoFaults()
	})
}

// What a stopped consumer has in hand is finished, and nothing else begun.
func TestConsumers_StopAfterTheEventInHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		release := make(chan struct{})
		f.onDelivery(func(d delivery) error {
			<-release
			return d.ctx.Err()
		})
		f.emit("e1", "a", "b")
		consumers, _ := f.start()
		synctest.Wait()
		consumers.Stop()
		synctest.Wait()
		close(release)
		consumers.Wait()
		f.requireDelivered("Ask a")
		f.requirePosition(store.Position{Offset: 1})
		f.requireNoFaults()
	})
}

func TestConsumers_StopDuringAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.onDelivery(func(d delivery) error {
			if d.event == "b" {
				return errTransport
			}
			return nil
		})
		f.emit("e1", "a", "b")
		_, stop := f.start()
		synctest.Wait()
		stop()
		f.requireDelivered("Ask a", "Ask b")
		f.requirePosition(store.Position{Offset: 1, Attempts: 1})

		_, stop = f.start()
		synctest.Wait()
		stop()
		f.requireDelivered("Ask b")
		f.requirePosition(store.Position{Offset: 1, Attempts: 2})
		require.Len(t, f.takeFaults(), 2)
	})
}

func TestConsumers_AbortWhenTheirLifeEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.onDelivery(func(d delivery) error {
			<-d.ctx.Done()
			return d.ctx.Err()
		})
		f.emit("e1", "a")
		life, end := context.WithCancel(t.Context())
		consumers := startWith(life, f)
		synctest.Wait()
		consumers.Stop()
		synctest.Wait()
		end()
		consumers.Wait()
		f.requirePosition(store.Position{})
		f.requireNoFaults()
	})
}

// Events of which the position was not saved are delivered once more to the consumers that
// come after a crash; those of which it was saved are not.
func TestConsumers_GoOnAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.emit("e1", texts(1, 3)...)
		life, crash := context.WithCancel(t.Context())
		consumers := startWith(life, f)
		synctest.Wait()
		f.requireDelivered(each("Ask", texts(1, 3))...)

		f.emit("e1", texts(4, 30)...)
		f.onDelivery(func(d delivery) error { // the proxy dies when it has handled event 28, and saved 23
			if d.event == "28" {
				crash()
			}
			return nil
		})
		synctest.Wait()
		consumers.Stop()
		consumers.Wait()
		f.requireDelivered(each("Ask", texts(4, 28))...)
		f.requirePosition(store.Position{Offset: 23})

		f.onDelivery(nil)
		f.start()
		synctest.Wait()
		f.requireDelivered(each("Ask", texts(24, 30))...)
		f.requireNoFaults()
	})
}

// Section 9.2: the position is saved every 20 events, every second, and when there is nothing
// to do.
func TestConsumers_SavePositionsNowAndThen(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		takes  time.Duration // each event
		events int
		want   int // how often the position is saved
	}{
		"a single event":     {0, 1, 1},
		"many events":        {0, 100, 5},
		"a few slow events":  {600 * time.Millisecond, 6, 3},
		"a few quick events": {time.Millisecond, 6, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, fromLog())
				f.onDelivery(func(delivery) error {
					time.Sleep(tt.takes) //nolint:forbidigo // virtual time
					return nil
				})
				f.emit("e1", texts(1, tt.events)...)
				_, stop := f.start()
				time.Sleep(time.Minute) //nolint:forbidigo // virtual time
				require.Equal(t, tt.want, f.saves())
				stop()
				require.Equal(t, tt.want, f.saves(), "what is saved is not saved again")
				f.requirePosition(store.Position{Offset: uint64(tt.events)})
			})
		})
	}
}

// A store that fails holds up its consumers, and is asked again; nothing is lost.
func TestConsumers_SurviveAStoreThatFails(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]struct {
		during, after []string
	}{
		"LoadPosition": {nil, []string{"Ask a", "Ask b"}},
		"ReadEvents":   {nil, []string{"Ask a", "Ask b"}},
		"SavePosition": {[]string{"Ask a", "Ask b", "Ask a", "Ask b", "Ask a", "Ask b"}, []string{"Ask a", "Ask b"}},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, fromLog())
				f.emit("e1", "a", "b")
				f.failing(method)
				f.start()
				time.Sleep(3600 * time.Millisecond) //nolint:forbidigo // virtual time: one pause
				during := f.take()
				require.LessOrEqual(t, len(during), len(want.during))
				faults := f.takeFaults()
				require.Len(t, faults, 2)
				require.Contains(t, faults[0], `scripted.Action.: the consumer scripted.Action of event_log "scripted.First journal" has stopped, and starts again in 3`)
				require.Contains(t, faults[0], errStore.Error())
				f.failing()
				time.Sleep(time.Minute) //nolint:forbidigo // virtual time
				f.requireDelivered(want.after...)
				f.requirePosition(store.Position{Offset: 2})
				f.requireNoFaults()
			})
		})
	}
}

func TestConsumers_SayThatAPositionCouldNotBeSavedAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		release := make(chan struct{})
		f.onDelivery(func(delivery) error {
			<-release
			return nil
		})
		f.emit("e1", "a")
		consumers, _ := f.start()
		synctest.Wait()
		f.failing("SavePosition")
		consumers.Stop()
		close(release)
		consumers.Wait()
		faults := f.takeFaults()
		require.Len(t, faults, 1)
		require.Contains(t, faults[0], "save the position of scripted.Action of event_log \"scripted.First journal\": the disk is full")
	})
}

// An entry that nobody can read holds up what comes after it, and not what comes before.
func TestConsumers_StopAtAnEntryThatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, map[string]*annotations.Eventing{"Ask": scripted.FromTopic("t", "")})
		f.publish("a")
		require.NoError(t, f.stored.Publish(t.Context(), "t", []byte{0xff}))
		f.publish("b")
		f.start()
		synctest.Wait()
		f.requireDelivered("Ask a")
		require.Contains(t, f.takeFaults()[0], `read the topic "t": message 2: decode the event ""`)
	})
}

func TestConsumers_SurviveAPanicOfTheHandler(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		panics := true
		f.onDelivery(func(delivery) error {
			if panics {
				panics = false
				panic(errors.New("boom")) //nolint:forbidigo // that is what is tested
			}
			return nil
		})
		f.emit("e1", "a")
		f.start()
		time.Sleep(5 * time.Second) //nolint:forbidigo // virtual time
		f.requireDelivered("Ask a", "Ask a")
		require.Contains(t, f.takeFaults()[0], "the proxy panicked: boom")
	})
}

// A method that never answers has failed after the timeout, and the event is delivered again:
// it is not lost, and does not stop its consumer for good.
func TestConsumers_GiveUpADeliveryThatTakesTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, fromLog())
		f.config.MaxAttempts = 3
		f.onDelivery(func(d delivery) error {
			if d.event == "a" {
				<-d.ctx.Done()
				return status.FromContextError(d.ctx.Err()).Err()
			}
			return nil
		})
		f.emit("e1", "a", "b")
		f.start()
		time.Sleep(5 * time.Minute) //nolint:forbidigo // virtual time
		got := f.requireDelivered("Ask a", "Ask a", "Ask a", "Ask b")
		require.GreaterOrEqual(t, got[1].at-got[0].at, time.Minute+3*time.Second)
		require.LessOrEqual(t, got[1].at-got[0].at, time.Minute+3600*time.Millisecond)
		require.GreaterOrEqual(t, got[2].at-got[1].at, time.Minute+6*time.Second)
		require.Equal(t, time.Minute, got[3].at-got[2].at)
		faults := f.takeFaults()
		require.Len(t, faults, 3)
		require.Contains(t, faults[0], "the next follows in 3")
		require.Contains(t, faults[0], "scripted.Action.Ask has not handled it within 1m0s: ")
		letters := f.letters()
		require.Len(t, letters, 1)
		require.Equal(t, 3, letters[0].Attempts)
		require.Contains(t, letters[0].Reason, "has not handled it within 1m0s")
		f.requirePosition(store.Position{Offset: 2})
	})
}
