package conformance

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// proxyEventSourcedChecks are those of event sourced entities only.
var proxyEventSourcedChecks = checks[*rig]{
	"P-040": {"the first command of an entity": checkNewEventSourced},
	"P-041": {
		"after the user function has crashed":  checkReplay,
		"after passivation, with any payloads": checkReplayAfterPassivation,
		"a long journal":                       checkLongReplay,
	},
	"P-042": {
		"the snapshot of the model": func(t *trial, r *rig) { checkReplayFromSnapshot(t, r, 5, 1) },
		"the newest of several":     func(t *trial, r *rig) { checkReplayFromSnapshot(t, r, 10, 2) },
		"with no event after it":    func(t *trial, r *rig) { checkReplayFromSnapshot(t, r, 5, 0) },
		"within a batch":            checkSnapshotOfBatch,
	},
	"P-050": {"while no other command waits": checkRestart},
	"P-051": {"while others wait": checkRestartKeepsQueue},
	"P-054": {
		"the user function crashes after the reply": checkEventsSurvive,
		"the store takes its time":                  checkEventsAreStoredFirst,
	},
	"P-061": {"then the entity is activated again": checkSnapshotWithoutEvents},
	"P-062": {
		"the user function crashes at once": checkBatchIsAtomic,
		"the store fails":                   checkEventsOfFailedWrite,
	},
}

// emitting returns a request to emit these values.
func emitting(id string, values ...string) *eventsourcedmodel.Request {
	return &eventsourcedmodel.Request{Id: id, Actions: es.emitAll(values...)}
}

// emitted returns the reply to a command with events, and a snapshot unless it is nil.
func emitted(id int64, snapshot *anypb.Any, events ...*anypb.Any) *esAnswer {
	return &esAnswer{
		CommandId: id, ClientAction: replyWith(eventSourcedKind.response), Events: events, Snapshot: snapshot,
	}
}

// snapshotInit returns the init message with a snapshot.
func (s *specimen) snapshotInit(sequence int64, snapshot *anypb.Any) proto.Message {
	return eventSourcedInit(s.service, s.id, &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: sequence, Snapshot: snapshot})
}

func checkNewEventSourced(t *trial, r *rig) {
	e := r.specimen(t, eventSourcedKind, eventSourcedModelName)
	e.process(emitting(e.id, "A")).requireReply(&eventsourcedmodel.Response{Message: "A"})
	e.accept().require(e.init(), e.commandOf(1, emitting(e.id, "A")))
}

func checkReplay(t *trial, r *rig) {
	e := r.specimen(t, eventSourcedKind, eventSourcedModelName)
	e.process(emitting(e.id, "A", "B")).requireReply(&eventsourcedmodel.Response{Message: "AB"})
	d := e.accept()
	d.require(e.init(), e.commandOf(1, emitting(e.id, "A", "B")))
	e.process(emitting(e.id, "C")).requireReply(&eventsourcedmodel.Response{Message: "ABC"})
	d.require(e.commandOf(2, emitting(e.id, "C")))
	e.crash(d, 3)
	e.call().requireReply(&eventsourcedmodel.Response{Message: "ABC"})
	e.accept().require(e.init(), event(1, es.snapshot("A")), event(2, es.snapshot("B")), event(3, es.snapshot("C")), e.command(1))
}

func checkReplayAfterPassivation(t *trial, r *rig) {
	e := r.scripted(t, eventSourcedKind, eventSourcedConfiguredName)
	events := []*anypb.Any{
		{TypeUrl: "json.cloudstate.io/thing", Value: []byte("\x0a\x02{}")},
		{TypeUrl: "p.cloudstate.io/string"},
		{TypeUrl: "type.googleapis.com/nobody.Knows", Value: []byte{0xff, 0x00, 0x80}},
	}
	call := e.call()
	d := e.accept()
	d.require(e.init(), e.command(1))
	d.say(esReply(emitted(1, nil, events...)))
	call.requireReply(e.kind.response)
	d.requireHalfClosed()
	d.awaitOver()
	call = e.call()
	d = e.accept()
	d.require(e.init(), event(1, events[0]), event(2, events[1]), event(3, events[2]), e.command(1))
	d.say(e.replied(1))
	call.requireReply(e.kind.response)
}

// checkLongReplay has more events than buffers may have places.
func checkLongReplay(t *trial, r *rig) {
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	const count = 1000
	events := make([]*anypb.Any, count)
	for i := range events {
		events[i] = es.snapshot(fmt.Sprint(i))
	}
	d := e.begin()
	call := e.call()
	d.require(e.command(2))
	d.say(esReply(emitted(2, nil, events...)))
	call.requireReply(e.kind.response)
	e.crash(d, 3)
	call = e.call()
	d = e.accept()
	d.require(e.init())
	for i, payload := range events {
		d.require(event(int64(i+1), payload))
	}
	d.require(e.command(1))
	d.say(e.replied(1))
	call.requireReply(e.kind.response)
}

// checkReplayFromSnapshot lets the model make a snapshot, which it does every five events, and
// emit more events after it.
func checkReplayFromSnapshot(t *trial, r *rig, at int64, after int) {
	e := r.specimen(t, eventSourcedKind, eventSourcedModelName)
	state := ""
	var d *dialogue
	commands := int64(0)
	process := func(values ...string) {
		state += strings.Join(values, "")
		commands++
		e.process(emitting(e.id, values...)).requireReply(&eventsourcedmodel.Response{Message: state})
		if d == nil {
			d = e.accept()
			d.require(e.init())
		}
		d.require(e.commandOf(commands, emitting(e.id, values...)))
	}
	for range at / 5 {
		process("A", "B", "C")
		process("D", "E")
	}
	snapshot := state
	for range after {
		process("F")
	}
	e.crash(d, commands+1)
	e.call().requireReply(&eventsourcedmodel.Response{Message: state})
	d = e.accept()
	d.require(e.snapshotInit(at, es.snapshot(snapshot)))
	for i := range int64(after) {
		d.require(event(at+i+1, es.snapshot("F")))
	}
	d.require(e.command(1))
}

// checkSnapshotOfBatch has a snapshot with several events, which it contains.
func checkSnapshotOfBatch(t *trial, r *rig) {
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	d := e.begin()
	call := e.call()
	d.require(e.command(2))
	d.say(esReply(emitted(2, es.snapshot("ABC"), es.snapshot("A"), es.snapshot("B"), es.snapshot("C"))))
	call.requireReply(e.kind.response)
	e.crash(d, 3)
	call = e.call()
	d = e.accept()
	d.require(e.snapshotInit(3, es.snapshot("ABC")), e.command(1))
	d.say(e.replied(1))
	call.requireReply(e.kind.response)
}

// restart returns the reply to a command that has failed after it had emitted events.
func restart(id int64, text string) *esAnswer {
	return &esAnswer{CommandId: id, ClientAction: &protocol.ClientAction{
		Action: &protocol.ClientAction_Failure{Failure: &protocol.Failure{CommandId: id, Description: text, Restart: true}},
	}}
}

func checkRestart(t *trial, r *rig) {
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	d := e.begin()
	call := e.call()
	d.require(e.command(2))
	d.say(esReply(emitted(2, nil, es.snapshot("A"))))
	call.requireReply(e.kind.response)
	call = e.call()
	d.require(e.command(3))
	d.say(esReply(restart(3, "no way")))
	call.requireFailure("no way")
	d.requireHalfClosed()
	call = e.call()
	d = e.accept()
	d.require(e.init(), event(1, es.snapshot("A")), e.command(1))
	d.say(e.replied(1))
	call.requireReply(e.kind.response)
}

func checkRestartKeepsQueue(t *trial, r *rig) {
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	d := e.begin()
	failing := e.call()
	d.require(e.command(2))
	texts := []string{"one", "two", "three"}
	waiting := make([]*clientCall, 0, len(texts))
	for _, text := range texts {
		waiting = append(waiting, e.process(emitting(e.id, text)))
		r.fence(t) // so that they arrive in this order
	}
	d.say(esReply(restart(2, "no way")))
	failing.requireFailure("no way")
	d.requireHalfClosed()
	d = e.accept()
	d.require(e.init())
	for i, text := range texts {
		d.require(e.commandOf(int64(i+1), emitting(e.id, text)))
		waiting[i].requirePending()
		d.say(e.kind.reply(int64(i+1), replyWith(e.kind.echo(text))))
		waiting[i].requireReply(e.kind.echo(text))
	}
}

func checkEventsSurvive(t *trial, r *rig) {
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	d := e.begin()
	call := e.call()
	d.require(e.command(2))
	d.say(esReply(emitted(2, nil, es.snapshot("A"))))
	call.requireReply(e.kind.response)
	e.crash(d, 3)
	call = e.call()
	d = e.accept()
	d.require(e.init(), event(1, es.snapshot("A")), e.command(1))
	d.say(e.replied(1))
	call.requireReply(e.kind.response)
}

// checkEventsAreStoredFirst has a command with an event, a side effect and a forward, which
// wait for the store.
func checkEventsAreStoredFirst(t *trial, r *rig) {
	store := r.store(t)
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	effect, target := r.specimen(t, eventSourcedKind, eventSourcedTwoName), r.specimen(t, eventSourcedKind, eventSourcedTwoName)
	d := e.begin()
	waits, release := e.holdWrite(store)
	call := e.call()
	d.require(e.command(2))
	d.say(esReply(&esAnswer{
		CommandId: 2, Events: []*anypb.Any{es.snapshot("A")},
		ClientAction: forwardTo(target.service, "Call", target.kind.request(target.id)),
		SideEffects:  []*protocol.SideEffect{sideEffect(effect.service, effect.kind.request(effect.id), false)},
	}))
	r.awaitClosed(t, waits, "a write to the store")
	r.fence(t)
	call.requirePending()
	effect.requireNoStream()
	target.requireNoStream()
	release()
	call.requireReply(e.kind.response)
	for _, other := range []*specimen{effect, target} {
		other.accept().require(other.init(), other.command(1))
	}
}

// checkSnapshotWithoutEvents has a snapshot that is not allowed.
func checkSnapshotWithoutEvents(t *trial, r *rig) {
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	d := e.begin()
	call := e.call()
	d.require(e.command(2))
	d.say(esReply(emitted(2, es.snapshot("nothing"))))
	call.requireReply(e.kind.response)
	e.crash(d, 3)
	call = e.call()
	d = e.accept()
	d.require(e.init(), e.command(1))
	d.say(e.replied(1))
	call.requireReply(e.kind.response)
}

// checkBatchIsAtomic lets the user function crash while the events of a command may or may not
// have been stored.
func checkBatchIsAtomic(t *trial, r *rig) {
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	r.monitor.Forget(e.service, e.id)
	d := e.begin()
	call := e.call()
	d.require(e.command(2))
	d.say(esReply(emitted(2, nil, es.snapshot("A"), es.snapshot("B"), es.snapshot("C"))))
	d.End(status.Error(codes.Unavailable, "the user function has crashed"))
	call.wait()
	d.awaitOver()
	call, d = e.reactivate()
	d.require(e.init())
	if next := d.message(); proto.Equal(next, event(1, es.snapshot("A"))) {
		d.require(event(2, es.snapshot("B")), event(3, es.snapshot("C")), e.command(1))
	} else {
		requireEqual(t, e.command(1), next, "after none of three events")
	}
	d.say(e.replied(1))
	call.requireReply(e.kind.response)
}

func checkEventsOfFailedWrite(t *trial, r *rig) {
	store := r.store(t)
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	r.monitor.Forget(e.service, e.id)
	d := e.begin()
	store.FailNext(e.persistenceID(), e.id)
	call := e.call()
	d.require(e.command(2))
	d.say(esReply(emitted(2, nil, es.snapshot("A"), es.snapshot("B"))))
	call.requireFailure(e.kind.texts.failure)
	d.requireGivenUp()
	call = e.call()
	d = e.accept()
	d.require(e.init(), e.command(1))
	d.say(e.replied(1))
	call.requireReply(e.kind.response)
}
