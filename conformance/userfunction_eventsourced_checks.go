package conformance

import (
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

var eventSourcedChecks = checks[*userFunction]{
	"P-043": {
		"an event of the command":        repliesWithItsEvents,
		"events that were replayed":      repliesWithReplayedEvents,
		"a snapshot and events after it": repliesWithSnapshot,
	},
	"P-044": {
		"several events of a command": emitsInOrder,
		"an event that is empty":      emitsAnEmptyEvent,
	},
	"P-045": {
		"an event for each command":                        snapshotEveryFive,
		"five events of one command":                       snapshotOfFiveAtOnce,
		"the last event of a command":                      snapshotAtTheEndOfACommand,
		"an event in the middle of a command":              snapshotIncludesLaterEvents,
		"events that were replayed count":                  snapshotCountsReplayedEvents,
		"a command without events after the fifth of them": snapshotOnlyWithEvents,
	},
	"P-046": {"a snapshot at 5 and two events": snapshotAfterASnapshot},
	"P-048": {
		"a new entity":             failsUnchanged,
		"an entity with events":    failsWithState,
		"what follows is not done": failsAndStops,
	},
	"P-049": {
		"one event":                  failsAfterAnEvent,
		"an event that is the fifth": failsAfterASnapshotIsDue,
		"twice":                      failsTwice,
	},
	"P-052": {
		"a forward":                            forwardsES,
		"a forward with events":                forwardsWithEvents,
		"a forward with events and a snapshot": forwardsWithSnapshot,
	},
	"P-053": {
		"effects keep their order": keepsEffects,
		"effects with events":      keepsEffectsWithEvents,
		"a failure drops effects":  dropsEffects,
	},
	"P-060": {
		"an event of an unknown type":     replaysUnknownEvent,
		"an event that cannot be decoded": replaysBrokenEvent,
		"a snapshot of an unknown type":   restoresUnknownSnapshot,
	},
}

func repliesWithItsEvents(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{ClientAction: es.says("")})
	e.process(&esAnswer{ClientAction: es.says("A"), Events: es.persisted("A")}, es.emit("A"))
	e.process(&esAnswer{ClientAction: es.says("AB"), Events: es.persisted("B")}, es.emit("B"))
	e.process(&esAnswer{ClientAction: es.says("AB")})
	e.passivate()
}

func repliesWithReplayedEvents(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.replay(1, "A", "B")
	e.process(&esAnswer{ClientAction: es.says("AB")})
	e.process(&esAnswer{ClientAction: es.says("ABC"), Events: es.persisted("C")}, es.emit("C"))
	e.passivate()
}

func repliesWithSnapshot(t *trial, u *userFunction) {
	e := u.eventSourced(t, &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: 5, Snapshot: es.snapshot("ABCDE")})
	e.replay(6, "F", "G")
	e.process(&esAnswer{ClientAction: es.says("ABCDEFG")})
	e.passivate()
}

func emitsInOrder(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{ClientAction: es.says("ABC"), Events: es.persisted("A", "B", "C")}, es.emitAll("A", "B", "C")...)
	e.passivate()
}

func emitsAnEmptyEvent(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{ClientAction: es.says(""), Events: es.persisted("")}, es.emit(""))
	e.passivate()
}

func snapshotEveryFive(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	const states = "ABCDEFGHIJK"
	for i := range states {
		value, state := states[i:i+1], states[:i+1]
		want := &esAnswer{ClientAction: es.says(state), Events: es.persisted(value)}
		if (i+1)%5 == 0 {
			want.Snapshot = es.snapshot(state)
		}
		e.process(want, es.emit(value))
	}
	e.passivate()
}

func snapshotOfFiveAtOnce(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{
		ClientAction: es.says("ABCDE"),
		Events:       es.persisted("A", "B", "C", "D", "E"),
		Snapshot:     es.snapshot("ABCDE"),
	}, es.emitAll("A", "B", "C", "D", "E")...)
	e.passivate()
}

func snapshotAtTheEndOfACommand(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.replay(1, "A", "B", "C", "D", "E", "F", "G", "H")
	e.process(&esAnswer{
		ClientAction: es.says("ABCDEFGHIJ"),
		Events:       es.persisted("I", "J"),
		Snapshot:     es.snapshot("ABCDEFGHIJ"),
	}, es.emitAll("I", "J")...)
	e.process(&esAnswer{ClientAction: es.says("ABCDEFGHIJK"), Events: es.persisted("K")}, es.emit("K"))
	e.passivate()
}

func snapshotIncludesLaterEvents(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.replay(1, "A", "B", "C", "D", "E", "F", "G", "H", "I")
	e.process(&esAnswer{
		ClientAction: es.says("ABCDEFGHIJK"),
		Events:       es.persisted("J", "K"),
		Snapshot:     es.snapshot("ABCDEFGHIJK"),
	}, es.emitAll("J", "K")...)
	e.passivate()
}

func snapshotCountsReplayedEvents(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.replay(1, "A", "B", "C")
	e.process(&esAnswer{ClientAction: es.says("ABCD"), Events: es.persisted("D")}, es.emit("D"))
	e.process(&esAnswer{ClientAction: es.says("ABCDE"), Events: es.persisted("E"), Snapshot: es.snapshot("ABCDE")}, es.emit("E"))
	e.passivate()
}

func snapshotOnlyWithEvents(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.replay(1, "A", "B", "C", "D", "E")
	e.process(&esAnswer{ClientAction: es.says("ABCDE")})
	e.process(&esAnswer{ClientAction: es.says("ABCDEF"), Events: es.persisted("F")}, es.emit("F"))
	e.passivate()
}

func snapshotAfterASnapshot(t *trial, u *userFunction) {
	e := u.eventSourced(t, &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: 5, Snapshot: es.snapshot("ABCDE")})
	e.replay(6, "F", "G")
	e.process(&esAnswer{ClientAction: es.says("ABCDEFGH"), Events: es.persisted("H")}, es.emit("H"))
	e.process(&esAnswer{ClientAction: es.says("ABCDEFGHI"), Events: es.persisted("I")}, es.emit("I"))
	e.process(&esAnswer{
		ClientAction: es.says("ABCDEFGHIJ"), Events: es.persisted("J"), Snapshot: es.snapshot("ABCDEFGHIJ"),
	}, es.emit("J"))
	e.passivate()
}

func failsUnchanged(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{ClientAction: failWith(0, "expected failure")}, es.fail("expected failure"))
	e.process(&esAnswer{ClientAction: es.says("")})
	e.process(&esAnswer{ClientAction: failWith(0, "another failure")}, es.fail("another failure"))
	e.passivate()
}

func failsWithState(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.replay(1, "A", "B")
	e.process(&esAnswer{ClientAction: failWith(0, "expected failure")}, es.fail("expected failure"))
	e.process(&esAnswer{ClientAction: es.says("ABC"), Events: es.persisted("C")}, es.emit("C"))
	e.passivate()
}

func failsAndStops(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{ClientAction: failWith(0, "expected failure")}, es.fail("expected failure"), es.emit("A"), es.fail("another failure"))
	e.process(&esAnswer{ClientAction: es.says("")})
	e.passivate()
}

func failsAfterAnEvent(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{ClientAction: es.says("A"), Events: es.persisted("A")}, es.emit("A"))
	e, _ = failAfterEmitting(t, u, e, []string{"A"}, "B")
	e.process(&esAnswer{ClientAction: es.says("AC"), Events: es.persisted("C")}, es.emit("C"))
	e.passivate()
}

func failsAfterASnapshotIsDue(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.replay(1, "A", "B", "C", "D")
	e, _ = failAfterEmitting(t, u, e, []string{"A", "B", "C", "D"}, "X")
	e.process(&esAnswer{ClientAction: es.says("ABCDE"), Events: es.persisted("E"), Snapshot: es.snapshot("ABCDE")}, es.emit("E"))
	e.passivate()
}

func failsTwice(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e, first := failAfterEmitting(t, u, e, nil, "A", "B")
	e, second := failAfterEmitting(t, u, e, nil, "C")
	require.Equal(t, first, second, "whether a restart is asked for, which has to be the same each time")
	e.process(&esAnswer{ClientAction: es.says("")})
	e.passivate()
}

// failAfterEmitting lets a command emit events and then fail. The user function may ask for a
// restart, or undo what the command has done on its own. Either way the entity, whose stored
// events are given, is as before the command in the activation that is returned.
func failAfterEmitting(t *trial, u *userFunction, e *eventSourced, stored []string, values ...string) (next *eventSourced, restart bool) {
	e.request(append(es.emitAll(values...), es.fail("expected failure"))...)
	got := e.next("the reply to a command that fails after it has emitted events")
	out, _ := got.(*eventsourcedpb.EventSourcedStreamOut)
	restart = out.GetReply().GetClientAction().GetFailure().GetRestart()
	requireEqual(t, esReply(&esAnswer{CommandId: e.commands, ClientAction: &protocol.ClientAction{Action: &protocol.ClientAction_Failure{
		Failure: &protocol.Failure{CommandId: e.commands, Description: "expected failure", Restart: restart},
	}}}), got, "the reply to a command that fails after it has emitted events")
	if !restart {
		return e, false
	}
	e.passivate()
	next = u.activateEventSourced(t, e.id, nil)
	next.replay(1, stored...)
	return next, true
}

func forwardsES(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{ClientAction: es.forwards("another")}, es.forward("another"))
	e.passivate()
}

func forwardsWithEvents(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{ClientAction: es.forwards("another"), Events: es.persisted("A", "B")}, es.emit("A"), es.forward("another"), es.emit("B"))
	e.process(&esAnswer{ClientAction: es.says("AB")})
	e.passivate()
}

func forwardsWithSnapshot(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.replay(1, "A", "B", "C", "D")
	e.process(&esAnswer{
		ClientAction: es.forwards("another"),
		SideEffects:  []*protocol.SideEffect{es.affects("third", false)},
		Events:       es.persisted("E"),
		Snapshot:     es.snapshot("ABCDE"),
	}, es.emit("E"), es.effect("third", false), es.forward("another"))
	e.passivate()
}

func keepsEffects(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{
		ClientAction: es.says(""),
		SideEffects:  []*protocol.SideEffect{es.affects("one", false), es.affects("two", true), es.affects("three", false)},
	}, es.effect("one", false), es.effect("two", true), es.effect("three", false))
	e.process(&esAnswer{ClientAction: es.says("")})
	e.passivate()
}

func keepsEffectsWithEvents(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{
		ClientAction: es.says("AB"),
		SideEffects:  []*protocol.SideEffect{es.affects("one", true)},
		Events:       es.persisted("A", "B"),
	}, es.emit("A"), es.effect("one", true), es.emit("B"))
	e.passivate()
}

func dropsEffects(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	e.process(&esAnswer{ClientAction: failWith(0, "expected failure")}, es.effect("one", false), es.effect("two", true), es.fail("expected failure"))
	e.process(&esAnswer{ClientAction: es.says("")})
	e.passivate()
}

func replaysUnknownEvent(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	unknown := &anypb.Any{TypeUrl: protocol.TypeURLPrefix + "cloudstate.tck.model.NoSuchEvent"}
	e.send(esEvent(&eventsourcedpb.EventSourcedEvent{Sequence: 1, Payload: unknown}))
	e.expectFailure(0)
}

func replaysBrokenEvent(t *trial, u *userFunction) {
	e := u.eventSourced(t, nil)
	broken := pack(&eventsourcedmodel.Persisted{Value: "A"})
	broken.Value = broken.GetValue()[:1]
	e.send(esEvent(&eventsourcedpb.EventSourcedEvent{Sequence: 1, Payload: broken}))
	e.expectFailure(0)
}

func restoresUnknownSnapshot(t *trial, u *userFunction) {
	unknown := &anypb.Any{TypeUrl: protocol.TypeURLPrefix + "cloudstate.tck.model.NoSuchSnapshot"}
	e := u.eventSourced(t, &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: 5, Snapshot: unknown})
	e.expectFailure(0)
}
