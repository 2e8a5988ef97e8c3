package conformance

import (
	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

var crdtWatchChecks = checks[*userFunction]{
	"P-119": {
		"a stream":                            streamsState,
		"a stream without replies":            streamsNothing,
		"a stream that begins with an update": streamsInitialUpdate,
		"a client that wants no stream":       replies,
	},
	"P-120": {
		"a command":                    notifiesOfCommand,
		"a change of other nodes":      notifiesOfDelta,
		"the first update of a stream": notifiesOfInitialUpdate,
		"a command that reads":         notifiesOfNothing,
		"streams without replies":      notifiesWithoutReplies,
	},
	"P-121": {
		"a command":               endsStream,
		"a change of other nodes": endsStreamByDelta,
		"without replies":         endsStreamWithoutReply,
	},
	"P-122": {
		"nothing to do":         cancels,
		"an update":             cancelsWithUpdate,
		"an update for nothing": cancelsWithoutChange,
		"one of several":        cancelsOneOfSeveral,
		"an unknown stream":     cancelsUnknown,
	},
	"P-128": {
		"of a command":     keepsConsistency,
		"of a delete":      keepsConsistencyOfDelete,
		"of the last turn": keepsConsistencyOfCancel,
	},
	"P-132": {
		"messages to a stream":     streamsEffects,
		"messages without replies": streamsEffectsOnly,
		"the end of a stream":      streamsEffectsAtTheEnd,
		"commands":                 keepsEffectsOfCRDT,
		"a forward":                forwardsCRDT,
	},
}

func streamsState(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", cr.gcounterDelta(5))
	e.subscribe(&pb.StreamedRequest{}, &crAnswer{ClientAction: cr.says(cr.gcounter(5))})
	e.passivate()
}

func streamsNothing(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.subscribe(&pb.StreamedRequest{Empty: true}, &crAnswer{})
	e.passivate()
}

func streamsInitialUpdate(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.subscribe(&pb.StreamedRequest{InitialUpdate: cr.increment(2)},
		&crAnswer{ClientAction: cr.says(cr.gcounter(2)), StateAction: cr.changed(cr.gcounterDelta(2))})
	e.subscribe(&pb.StreamedRequest{Effects: []*pb.Effect{{Id: "one"}}}, &crAnswer{ClientAction: cr.says(cr.gcounter(2))})
	e.passivate()
}

func replies(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.commands++
	e.send(crCommand(&protocol.Command{EntityId: e.id, Id: 1, Name: "ProcessStreamed", Payload: pack(&pb.StreamedRequest{
		Id: e.id, InitialUpdate: cr.increment(2), CancelUpdate: cr.increment(100),
	})}))
	e.expect(crReply(&crAnswer{CommandId: 1, ClientAction: cr.says(cr.gcounter(2)), StateAction: cr.changed(cr.gcounterDelta(2))}), "the reply")
	e.update(cr.gcounter(3), cr.gcounterDelta(1), cr.increment(1))
	e.passivate()
}

// message is a message to a stream that replies with a state.
func message(commandID int64, state *pb.State) *crdtpb.CrdtStreamedMessage {
	return &crdtpb.CrdtStreamedMessage{CommandId: commandID, ClientAction: cr.says(state)}
}

func notifiesOfCommand(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	second := e.subscribe(&pb.StreamedRequest{}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	e.streams(message(first, cr.gcounter(1)), message(second, cr.gcounter(1)))
	e.update(cr.gcounter(3), cr.gcounterDelta(2), cr.increment(2))
	e.streams(message(first, cr.gcounter(3)), message(second, cr.gcounter(3)))
	e.passivate()
}

func notifiesOfDelta(t *trial, u *userFunction) {
	e := u.crdt(t, "ORSet", nil)
	first := e.subscribe(&pb.StreamedRequest{}, &crAnswer{ClientAction: cr.says(cr.orset())})
	e.delta(cr.orsetDelta(nil, []string{"a"}))
	e.streams(message(first, cr.orset("a")))
	second := e.subscribe(&pb.StreamedRequest{}, &crAnswer{ClientAction: cr.says(cr.orset("a"))})
	e.delta(cr.orsetDelta([]string{"a"}, []string{"b"}))
	e.streams(message(first, cr.orset("b")), message(second, cr.orset("b")))
	e.passivate()
}

func notifiesOfInitialUpdate(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{InitialUpdate: cr.increment(1)},
		&crAnswer{ClientAction: cr.says(cr.gcounter(1)), StateAction: cr.changed(cr.gcounterDelta(1))})
	second := e.subscribe(&pb.StreamedRequest{InitialUpdate: cr.increment(2)},
		&crAnswer{ClientAction: cr.says(cr.gcounter(3)), StateAction: cr.changed(cr.gcounterDelta(2))})
	e.streams(message(first, cr.gcounter(3)))
	e.update(cr.gcounter(6), cr.gcounterDelta(3), cr.increment(3))
	e.streams(message(first, cr.gcounter(6)), message(second, cr.gcounter(6)))
	e.passivate()
}

func notifiesOfNothing(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.subscribe(&pb.StreamedRequest{}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	e.read(cr.gcounter(0))
	e.process(&crAnswer{ClientAction: failWith(0, "expected failure")}, cr.fail("expected failure"))
	e.passivate()
}

func notifiesWithoutReplies(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.subscribe(&pb.StreamedRequest{Empty: true}, &crAnswer{})
	second := e.subscribe(&pb.StreamedRequest{}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	e.streams(message(second, cr.gcounter(1)))
	e.passivate()
}

func endsStream(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{EndState: cr.gcounter(2), CancelUpdate: cr.increment(100)}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	second := e.subscribe(&pb.StreamedRequest{}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	e.streams(message(first, cr.gcounter(1)), message(second, cr.gcounter(1)))
	e.update(cr.gcounter(2), cr.gcounterDelta(1), cr.increment(1))
	last := message(first, cr.gcounter(2))
	last.EndStream = true
	e.streams(last, message(second, cr.gcounter(2)))
	e.update(cr.gcounter(3), cr.gcounterDelta(1), cr.increment(1))
	e.streams(message(second, cr.gcounter(3)))
	e.passivate()
}

func endsStreamByDelta(t *trial, u *userFunction) {
	e := u.crdt(t, "Flag", nil)
	first := e.subscribe(&pb.StreamedRequest{EndState: cr.flag(true)}, &crAnswer{ClientAction: cr.says(cr.flag(false))})
	e.delta(cr.flagDelta(true))
	last := message(first, cr.flag(true))
	last.EndStream = true
	e.streams(last)
	e.passivate()
}

func endsStreamWithoutReply(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{Empty: true, EndState: cr.gcounter(1)}, &crAnswer{})
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	e.streams(&crdtpb.CrdtStreamedMessage{CommandId: first, EndStream: true})
	e.update(cr.gcounter(2), cr.gcounterDelta(1), cr.increment(1))
	e.passivate()
}

func cancels(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	e.cancel(first, nil)
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	e.passivate()
}

func cancelsWithUpdate(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{CancelUpdate: cr.increment(2)}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	e.cancel(first, cr.changed(cr.gcounterDelta(2)))
	e.read(cr.gcounter(2))
	e.passivate()
}

func cancelsWithoutChange(t *trial, u *userFunction) {
	e := u.crdt(t, "Flag", cr.flagDelta(true))
	first := e.subscribe(&pb.StreamedRequest{CancelUpdate: cr.enable()}, &crAnswer{ClientAction: cr.says(cr.flag(true))})
	e.cancel(first, nil)
	e.read(cr.flag(true))
	e.passivate()
}

func cancelsOneOfSeveral(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{CancelUpdate: cr.increment(1)}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	second := e.subscribe(&pb.StreamedRequest{}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	third := e.subscribe(&pb.StreamedRequest{CancelUpdate: cr.increment(2)}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	e.cancel(first, cr.changed(cr.gcounterDelta(1)))
	e.streams(message(second, cr.gcounter(1)), message(third, cr.gcounter(1)))
	e.cancel(third, cr.changed(cr.gcounterDelta(2)))
	e.streams(message(second, cr.gcounter(3)))
	e.update(cr.gcounter(6), cr.gcounterDelta(3), cr.increment(3))
	e.streams(message(second, cr.gcounter(6)))
	e.cancel(second, nil)
	e.passivate()
}

func cancelsUnknown(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.read(cr.gcounter(0))
	e.cancel(7, nil)
	first := e.subscribe(&pb.StreamedRequest{EndState: cr.gcounter(1), CancelUpdate: cr.increment(100)}, &crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	last := message(first, cr.gcounter(1))
	last.EndStream = true
	e.streams(last)
	e.cancel(first, nil)
	e.read(cr.gcounter(1))
	e.passivate()
}

// consistently returns a state action with a write consistency.
func consistently(action *crdtpb.CrdtStateAction, consistency crdtpb.CrdtWriteConsistency) *crdtpb.CrdtStateAction {
	action.WriteConsistency = consistency
	return action
}

func keepsConsistency(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	e.process(&crAnswer{
		ClientAction: cr.says(cr.gcounter(3)),
		StateAction:  consistently(cr.changed(cr.gcounterDelta(2)), crdtpb.CrdtWriteConsistency_MAJORITY),
	}, cr.updates(cr.with(pb.UpdateWriteConsistency_MAJORITY, cr.increment(2)))...)
	e.update(cr.gcounter(4), cr.gcounterDelta(1), cr.increment(1))
	e.process(&crAnswer{
		ClientAction: cr.says(cr.gcounter(6)),
		StateAction:  consistently(cr.changed(cr.gcounterDelta(2)), crdtpb.CrdtWriteConsistency_ALL),
	}, cr.updates(cr.with(pb.UpdateWriteConsistency_ALL, cr.increment(2)))...)
	e.update(cr.gcounter(7), cr.gcounterDelta(1), cr.increment(1))
	e.passivate()
}

func keepsConsistencyOfDelete(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", cr.gcounterDelta(1))
	e.process(&crAnswer{
		ClientAction: cr.says(cr.gcounter(2)),
		StateAction:  consistently(cr.deleted(), crdtpb.CrdtWriteConsistency_MAJORITY),
	}, append(cr.updates(cr.with(pb.UpdateWriteConsistency_MAJORITY, cr.increment(1))), cr.delete())...)
	e.passivate()
}

func keepsConsistencyOfCancel(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{CancelUpdate: cr.with(pb.UpdateWriteConsistency_ALL, cr.increment(1))},
		&crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	e.cancel(first, consistently(cr.changed(cr.gcounterDelta(1)), crdtpb.CrdtWriteConsistency_ALL))
	e.update(cr.gcounter(2), cr.gcounterDelta(1), cr.increment(1))
	e.passivate()
}

func streamsEffects(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{Effects: []*pb.Effect{{Id: "one"}, {Id: "two", Synchronous: true}}},
		&crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	for state := range uint64(3) {
		e.update(cr.gcounter(state+1), cr.gcounterDelta(1), cr.increment(1))
		m := message(first, cr.gcounter(state+1))
		m.SideEffects = []*protocol.SideEffect{cr.affects("one", false), cr.affects("two", true)}
		e.streams(m)
	}
	e.passivate()
}

func streamsEffectsOnly(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{Empty: true, Effects: []*pb.Effect{{Id: "one"}}}, &crAnswer{})
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	e.streams(&crdtpb.CrdtStreamedMessage{CommandId: first, SideEffects: []*protocol.SideEffect{cr.affects("one", false)}})
	e.passivate()
}

func streamsEffectsAtTheEnd(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	first := e.subscribe(&pb.StreamedRequest{EndState: cr.gcounter(1), Effects: []*pb.Effect{{Id: "one"}}},
		&crAnswer{ClientAction: cr.says(cr.gcounter(0))})
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	m := message(first, cr.gcounter(1))
	m.SideEffects, m.EndStream = []*protocol.SideEffect{cr.affects("one", false)}, true
	e.streams(m)
	e.passivate()
}

func keepsEffectsOfCRDT(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.process(&crAnswer{
		ClientAction: cr.says(cr.gcounter(1)),
		SideEffects:  []*protocol.SideEffect{cr.affects("one", false), cr.affects("two", true)},
		StateAction:  cr.changed(cr.gcounterDelta(1)),
	}, append(cr.updates(cr.increment(1)), cr.effect("one", false), cr.effect("two", true))...)
	e.read(cr.gcounter(1))
	e.passivate()
}

func forwardsCRDT(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.process(&crAnswer{ClientAction: cr.forwards("another")}, cr.forward("another"))
	e.process(&crAnswer{
		ClientAction: cr.forwards("another"),
		SideEffects:  []*protocol.SideEffect{cr.affects("one", false)},
		StateAction:  cr.changed(cr.gcounterDelta(1)),
	}, append(cr.updates(cr.increment(1)), cr.effect("one", false), cr.forward("another"))...)
	e.read(cr.gcounter(1))
	e.passivate()
}
