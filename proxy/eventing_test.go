package proxy_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// logMetadata is that of an event of the first service (P-201).
func logMetadata(offset, id, typeURL string) *protocol.Metadata {
	return metadataOf(
		"ce-id", offset,
		"ce-source", scripted.PersistenceID(scripted.First),
		"ce-specversion", "1.0",
		"ce-type", typeURL,
		"Content-Type", "application/vnd.cloudstate.protobuf.any",
		"ce-subject", id,
	)
}

// P-200, P-201: an event reaches the method as it was emitted, with exactly this metadata,
// which goes with the payload. What the method replies is for nobody.
func TestEventing_AnActionGetsTheEventsOfALog(t *testing.T) {
	t.Parallel()
	for method, kind := range kinds {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t, annotate(scripted.Action, method, scripted.FromLog(scripted.First, ""))).ready()
				emitted := scripted.Question("u7", "something happened")
				emitted.TypeUrl = "example.com/scripted.Question"
				f.emit(emitted, emitted)
				for _, offset := range []string{"1", "2"} {
					call := f.AcceptCall()
					require.Equal(t, kind.rpc, call.RPC)
					want := &actionpb.ActionCommand{
						ServiceName: scripted.Action, Name: method,
						Payload: emitted, Metadata: logMetadata(offset, "e1", "example.com/scripted.Question"),
					}
					first := call.Receive()
					if kind.in { // a header, and the event alone
						require.True(t, proto.Equal(&actionpb.ActionCommand{ServiceName: scripted.Action, Name: method}, first), "got %v", first)
						want.ServiceName, want.Name = "", ""
						first = call.Receive()
					}
					require.True(t, proto.Equal(want, first), "want %v, got %v", want, first)
					if kind.in {
						call.RequireHalfClosed()
					}
					call.Reply(scripted.Answer("ok"))
					if kind.out { // the event is done when the stream has ended
						call.Reply(scripted.Answer("ok"))
						synctest.Wait()
						call.End(nil)
					}
				}
				synctest.Wait()
				f.requireNoFaults()
			})
		})
	}
}

// P-200: entities of all kinds get events, too. The event has their key.
func TestEventing_EntitiesGetEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t,
			annotate(scripted.Second, "Tell", scripted.FromLog(scripted.First, "")),
			annotate(scripted.Value, "Ask", scripted.FromLog(scripted.First, "")),
			annotate(scripted.CRDT, "Ask", scripted.FromLog(scripted.First, "")),
		).ready()
		emitted := scripted.Question("u7", "something happened")
		f.emit(emitted)
		require.NoError(t, f.proxy.Passivate(t.Context(), scripted.PersistenceID(scripted.First), "e1"))

		want := func(name string) *protocol.Command {
			return &protocol.Command{EntityId: "u7", Id: 1, Name: name, Payload: emitted}
		}
		second := f.Accept()
		second.RequireInit("u7")
		command := second.RequireCommand(1, "Tell")
		require.True(t, proto.Equal(want("Tell"), command), "got %v", command)
		second.Reply(command, scripted.Nothing())

		value := f.AcceptValue()
		value.RequireInit("u7")
		command = value.RequireCommand(1, "Ask")
		require.True(t, proto.Equal(want("Ask"), command), "got %v", command)
		value.Reply(command, scripted.Answer("ok"), nil)

		crdt := f.AcceptCRDT()
		crdt.RequireInit("u7")
		command = crdt.RequireCommand(1, "Ask")
		require.True(t, proto.Equal(want("Ask"), command), "got %v", command)
		crdt.Reply(1, scripted.Answer("ok"), nil)
		synctest.Wait()
		f.requireNoFaults()
	})
}

// With the setting, entities get the metadata of events as well.
func TestEventing_EntitiesGetMetadataIfTheyAreToGetAny(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, annotate(scripted.Value, "Tell", scripted.FromLog(scripted.First, "")), func(f *fixture) { f.proxy.EntityMetadata = true }).ready()
		f.emit(scripted.Question("u7", ""))
		value := f.AcceptValue()
		value.RequireInit("u7")
		command := value.RequireCommand(1, "Tell")
		require.True(t, proto.Equal(logMetadata("1", "e1", scripted.QuestionURL), command.GetMetadata()), "got %v", command)
		value.Reply(command, scripted.Nothing(), nil)
	})
}

// P-202: JSON goes to the method that takes anything, as it is.
func TestEventing_JSONGoesToTheMethodThatTakesAny(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t,
			annotate(scripted.Action, "Ask", scripted.FromLog(scripted.First, "")),
			annotate(scripted.Action, "Take", scripted.FromLog(scripted.First, "")),
		).ready()
		f.emit(scripted.Event("json"), scripted.Question("u7", ""))
		take := f.AcceptCall()
		command := take.RequireHeader("HandleUnary", "Take")
		require.True(t, proto.Equal(scripted.Event("json"), command.GetPayload()), "got %v", command)
		require.True(t, proto.Equal(logMetadata("1", "e1", "json.cloudstate.io/event"), command.GetMetadata()), "got %v", command)
		take.Reply(scripted.Answer("ok"))
		ask := f.AcceptCall()
		ask.RequireHeader("HandleUnary", "Ask")
		ask.Reply(scripted.Answer("ok"))
		synctest.Wait()
		f.requireNoFaults()
	})
}

// P-203: what a method asks for when it gets an event is done: a forward, whose outcome is
// that of the event, and side effects.
func TestEventing_ForwardsAndEffectsReachTheirTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, annotate(scripted.Action, "Ask", scripted.FromLog(scripted.First, ""))).ready()
		f.emit(scripted.Question("u7", "first"), scripted.Question("u7", "second"))
		call := f.accept("Ask")
		call.Respond(&actionpb.ActionResponse{
			Response: &actionpb.ActionResponse_Forward{Forward: &protocol.Forward{
				ServiceName: scripted.Value, CommandName: "Ask", Payload: scripted.Question("target", ""),
			}},
			SideEffects: []*protocol.SideEffect{effect(scripted.Second, "Tell", "effect", false)},
		})
		f.told("effect")
		value := f.AcceptValue()
		value.RequireInit("target")
		value.Answer(&valueentitypb.ValueEntityReply{
			CommandId:    value.RequireCommand(1, "Ask").GetId(),
			ClientAction: &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: &protocol.Failure{Description: "not yet"}}},
		})
		time.Sleep(4 * time.Second) //nolint:forbidigo // virtual time: the event is delivered again

		call = f.accept("Ask")
		call.Forward(scripted.Action, "Tell", scripted.Question("target", ""))
		f.accept("Tell").Reply(scripted.Nothing())
		second := f.AcceptCall()
		require.Equal(t, "2", id(second.RequireHeader("HandleUnary", "Ask")))
		second.Nothing()
		require.Contains(t, f.takeFaults()[0], "not yet")
	})
}

// P-205: a call that breaks leads to another one for the same event, after the backoff, and no
// event gets past it.
func TestEventing_DeliversAgainAfterATransportError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, annotate(scripted.Action, "Ask", scripted.FromTopic("t", ""))).ready()
		f.publish("t", "1", "2")
		f.accept("Ask").End(status.Error(codes.Unavailable, "the connection broke"))
		synctest.Wait()
		f.requireFaults("the user function did not complete the call", `attempt 1 to handle event "1" from "test"`)
		broke := time.Now()
		call := f.AcceptCall()
		require.GreaterOrEqual(t, time.Since(broke), 3*time.Second)
		require.Equal(t, "1", id(call.RequireHeader("HandleUnary", "Ask")))
		call.Reply(scripted.Answer("ok"))
		call = f.AcceptCall()
		require.Equal(t, "2", id(call.RequireHeader("HandleUnary", "Ask")))
		call.Reply(scripted.Answer("ok"))
	})
}

// A stopped proxy finishes the event in hand, and another one goes on after it.
func TestEventing_GoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		with := []func(*fixture){annotate(scripted.Action, "Ask", scripted.FromTopic("t", "g")), func(f *fixture) { f.proxy.Journal = stored }}
		f := start(t, with...).ready()
		f.publish("t", "1", "2", "3")
		f.accept("Ask").Reply(scripted.Answer("ok"))
		call := f.AcceptCall()
		f.stop()
		synctest.Wait()
		require.Equal(t, "2", id(call.RequireHeader("HandleUnary", "Ask")))
		call.Reply(scripted.Answer("ok"))
		require.NoError(t, <-f.done)
		position, err := stored.LoadPosition(t.Context(), store.Consumer{Kind: store.TopicSource, Source: "t", Service: scripted.Action, Group: "g"})
		require.NoError(t, err)
		require.Equal(t, store.Position{Offset: 2}, position)

		f = start(t, with...).ready()
		call = f.AcceptCall()
		require.Equal(t, "3", id(call.RequireHeader("HandleUnary", "Ask")))
		call.Reply(scripted.Answer("ok"))
		f.requireNoFaults()
	})
}

// unsaved are consumers whose position is never saved: it is as if the proxy died before.
type unsaved struct{ store.Consumers }

func (unsaved) SavePosition(ctx context.Context, _ store.Consumer, _ store.Position) error {
	<-ctx.Done()
	return ctx.Err()
}

// At least once: what was handled when the proxy died, but not saved, is delivered again.
func TestEventing_DeliversAgainWhatWasNotSavedInACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		annotated := annotate(scripted.Action, "Ask", scripted.FromTopic("t", ""))
		f := start(t, annotated, func(f *fixture) {
			f.proxy.Journal = stored
			f.proxy.Eventing.Consumers = unsaved{stored}
			f.proxy.GracePeriod = time.Second
		}).ready()
		f.publish("t", "1", "2")
		for _, want := range []string{"1", "2"} {
			call := f.AcceptCall()
			require.Equal(t, want, id(call.RequireHeader("HandleUnary", "Ask")))
			call.Reply(scripted.Answer("ok"))
		}
		synctest.Wait() // in SavePosition, which does not return in this life
		f.stop()
		require.NoError(t, <-f.done)

		f = start(t, annotated, func(f *fixture) { f.proxy.Journal = stored }).ready()
		for _, want := range []string{"1", "2"} {
			call := f.AcceptCall()
			require.Equal(t, want, id(call.RequireHeader("HandleUnary", "Ask")))
			call.Reply(scripted.Answer("ok"))
		}
		f.requireNoFaults()
	})
}

// A method that never answers does not keep a proxy from stopping.
func TestEventing_StopsAfterTheGracePeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, annotate(scripted.Action, "Out", scripted.FromTopic("t", ""))).ready()
		f.publish("t", "1")
		call := f.AcceptCall()
		began := time.Now()
		f.stop()
		require.NoError(t, <-f.done)
		require.Equal(t, 10*time.Second, time.Since(began))
		call.Cancelled()
		f.requireNoFaults()
	})
}

// A method that does not answer is told to stop after the timeout, and gets the event again.
func TestEventing_DeliversAgainWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	for method, kind := range kinds {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t, annotate(scripted.Action, method, scripted.FromTopic("t", "")), func(f *fixture) { f.proxy.RelayTimeout = 5 * time.Second }).ready()
				f.publish("t", "1")
				call := f.AcceptCall()
				began := time.Now()
				if kind.out { // a stream has to end in time as well
					call.Reply(scripted.Answer("ok"))
				}
				call.Cancelled()
				require.Equal(t, 5*time.Second, time.Since(began))
				f.accept(method).Reply(scripted.Answer("ok"))
				f.requireFaults("has not handled it within 5s: ")
			})
		})
	}
}

// A user function that is away does not use up the attempts of events.
func TestEventing_WaitsForTheUserFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		annotated := annotate(scripted.Action, "Ask", scripted.FromTopic("t", ""))
		f := start(t, annotated, func(f *fixture) {
			f.proxy.Journal = stored
			f.proxy.Eventing.MaxAttempts = 1
		}).ready()
		f.Crash()
		synctest.Wait()
		f.publish("t", "1")
		time.Sleep(5 * time.Minute) //nolint:forbidigo // virtual time
		letters, err := f.proxy.DeadLetters(t.Context(), 0, 10)
		require.NoError(t, err)
		require.Empty(t, letters)
		f.requireNoFaults()
	})
}

// Dead letters can be listed, delivered again, and discarded.
func TestEventing_DeadLetters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, annotate(scripted.Action, "Ask", scripted.FromTopic("t", "g")), func(f *fixture) { f.proxy.Eventing.MaxAttempts = 1 }).ready()
		f.publish("t", "1", "2", "3")
		for range 3 {
			f.accept("Ask").Fail(&protocol.Failure{Description: "no"})
		}
		synctest.Wait()
		letters, err := f.proxy.DeadLetters(t.Context(), 0, 2)
		require.NoError(t, err)
		require.Len(t, letters, 2)
		published := event("1")
		published.Time = letters[0].Event.Time // when it was published
		require.False(t, published.Time.IsZero())
		require.Equal(t, proxy.DeadLetter{
			ID: 1, Consumer: store.Consumer{Kind: store.TopicSource, Source: "t", Service: scripted.Action, Group: "g"},
			Event: published, Attempts: 1, Reason: "rpc error: code = Unknown desc = no", Time: time.Now(),
		}, letters[0])
		f.requireFaults("now dead letter 1", "now dead letter 2", "now dead letter 3")

		again := make(chan error, 1)
		go func() { again <- f.proxy.Redeliver(t.Context(), 2) }()
		call := f.AcceptCall()
		require.Equal(t, "2", id(call.RequireHeader("HandleUnary", "Ask")))
		call.Reply(scripted.Answer("ok"))
		require.NoError(t, <-again)
		require.ErrorContains(t, f.proxy.Redeliver(t.Context(), 2), "proxy: there is no dead letter 2")
		require.NoError(t, f.proxy.Discard(t.Context(), 1))
		letters, err = f.proxy.DeadLetters(t.Context(), 0, 10)
		require.NoError(t, err)
		require.Len(t, letters, 1)
		require.Equal(t, uint64(3), letters[0].ID)
		_, err = f.proxy.DeadLetters(t.Context(), 0, -1)
		require.EqualError(t, err, "proxy: read at most -1 dead letters: want a positive limit, such as 100")
	})
}

// onlyJournal is a journal that can do nothing else.
type onlyJournal struct{ store.Journal }

// P-206: what a proxy does not have is refused at discovery, and said to the user function.
func TestEventing_RefusesWhatTheStoreHasNot(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		with   func(*fixture)
		change func(*proxy.Proxy)
		want   string // "" if it is fine
	}{
		"no event log": {
			with:   annotate(scripted.Action, "Ask", scripted.FromLog(scripted.First, "")),
			change: func(p *proxy.Proxy) { p.Journal = onlyJournal{memory.New()} },
			want:   "Eventing consumer [scripted.Question] has declared a [event_log] event source, but this event source isn't supported.",
		},
		"no positions": {
			with: annotate(scripted.Action, "Ask", scripted.FromLog(scripted.First, "")),
			change: func(p *proxy.Proxy) {
				stored := memory.New()
				p.Journal, p.Eventing.EventLog = onlyJournal{stored}, stored
			},
			want: "Eventing consumer [scripted.Question] has declared a [event_log] event source, but this event source isn't supported.",
		},
		"no topics to consume": {
			with:   annotate(scripted.Action, "Ask", scripted.FromTopic("t", "")),
			change: func(p *proxy.Proxy) { p.Journal = onlyJournal{memory.New()} },
			want:   "Eventing consumer [scripted.Question] has declared a [topic] event source, but this event source isn't supported.",
		},
		"no topics to publish to": {
			with:   annotate(scripted.Value, "Ask", scripted.ToTopic(nil, "t")),
			change: func(p *proxy.Proxy) { p.Journal = onlyJournal{memory.New()} },
			want:   "Service call [scripted.Value.Ask] declares an event destination topic of [t], but no topic support is configured.",
		},
		"everything apart from the journal": {
			with: annotate(scripted.Action, "Ask", scripted.ToTopic(scripted.FromLog(scripted.First, ""), "t")),
			change: func(p *proxy.Proxy) {
				stored := memory.New()
				p.Journal = onlyJournal{stored}
				p.Eventing = proxy.Eventing{EventLog: stored, Topics: stored, Consumers: stored}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t, tt.with, func(f *fixture) { tt.change(f.proxy) })
				if tt.want == "" {
					f.ready()
					return
				}
				require.Equal(t, tt.want, f.Report())
				require.ErrorContains(t, <-f.done, tt.want)
			})
		})
	}
}

func TestEventing_WithoutWhatItNeeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) { f.proxy.Journal = onlyJournal{memory.New()} }).ready()
		require.ErrorContains(t, f.proxy.Publish(t.Context(), "t", event("1")), `publish to topic "t": no topic support is configured; set Eventing.Broker`)
		_, err := f.proxy.DeadLetters(t.Context(), 0, 1)
		require.ErrorContains(t, err, "the store keeps no dead letters; set Eventing.Consumers")
		require.ErrorContains(t, f.proxy.Redeliver(t.Context(), 1), "keeps no dead letters")
		require.ErrorContains(t, f.proxy.Discard(t.Context(), 1), "keeps no dead letters")

		f = start(t, func(f *fixture) {
			f.proxy.Journal, f.proxy.Eventing.Broker = onlyJournal{memory.New()}, &flakyBroker{}
		})
		require.ErrorContains(t, <-f.done, "Eventing.Broker is set, but nothing keeps the events that cannot be handled")
		require.ErrorContains(t, f.proxy.Publish(t.Context(), "t", event("1")), "does not serve yet")
		_, err = f.proxy.DeadLetters(t.Context(), 0, 1)
		require.ErrorContains(t, err, "does not serve yet")
	})
}

// A log that nobody writes is probably a misspelled one.
func TestEventing_WarnsOfALogWithoutEntities(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := start(t,
			annotate(scripted.Action, "Ask", scripted.FromLog(scripted.First, "")),
			annotate(scripted.Action, "Tell", scripted.FromLog("nobody", "")),
			func(f *fixture) {
				f.proxy.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			},
		).ready()
		f.stop()
		require.NoError(t, <-f.done)
		require.Equal(t, 1, strings.Count(log.String(), "\n"))
		require.Contains(t, log.String(), `service=scripted.Action event_log="nobody journal"`)
	})
}

func TestPublish_RefusesAnEventWithoutASource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		e := event("1")
		e.Source = ""
		require.ErrorContains(t, f.proxy.Publish(t.Context(), "t", e), `publish to topic "t": the event "1" of type "scripted.Question" has no source`)
	})
}
