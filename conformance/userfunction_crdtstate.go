package conformance

import (
	"github.com/stretchr/testify/require"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A crdtExample is how a CRDT of a type changes, here and on other nodes.
type crdtExample struct {
	empty       *pb.State         // of a new one
	remote      *crdtpb.CrdtDelta // what other nodes have done with it
	remoteState *pb.State         // after that
	local       *pb.Update        // what is then done here
	localDelta  *crdtpb.CrdtDelta // of that
	both        *pb.State         // after both
}

// crdtExamples returns an example for each type.
func crdtExamples() map[string]crdtExample {
	return map[string]crdtExample{
		"GCounter": {
			cr.gcounter(0), cr.gcounterDelta(5), cr.gcounter(5),
			cr.increment(2), cr.gcounterDelta(2), cr.gcounter(7),
		},
		"PNCounter": {
			cr.pncounter(0), cr.pncounterDelta(-3), cr.pncounter(-3),
			cr.change(1), cr.pncounterDelta(1), cr.pncounter(-2),
		},
		"GSet": {
			cr.gset(), cr.gsetDelta("a"), cr.gset("a"),
			cr.addG("b"), cr.gsetDelta("b"), cr.gset("a", "b"),
		},
		"ORSet": {
			cr.orset(), cr.orsetDelta(nil, []string{"a"}), cr.orset("a"),
			cr.add("b"), cr.orsetDelta(nil, []string{"b"}), cr.orset("a", "b"),
		},
		"LWWRegister": {
			cr.register(""), cr.registerDelta("one"), cr.register("one"),
			cr.set("two"), cr.registerDelta("two"), cr.register("two"),
		},
		"Flag": {
			cr.flag(false), cr.flagDelta(false), cr.flag(false),
			cr.enable(), cr.flagDelta(true), cr.flag(true),
		},
		"ORMap": {
			cr.ormap(), cr.ormapDelta(&crdtpb.ORMapDelta{Added: []*crdtpb.ORMapEntryDelta{cr.entryDelta("PNCounter-1", cr.pncounterDelta(3))}}),
			cr.ormap(cr.entry("PNCounter-1", cr.pncounter(3))),
			cr.updateKey("PNCounter-1", cr.change(2)),
			cr.ormapDelta(&crdtpb.ORMapDelta{Updated: []*crdtpb.ORMapEntryDelta{cr.entryDelta("PNCounter-1", cr.pncounterDelta(2))}}),
			cr.ormap(cr.entry("PNCounter-1", cr.pncounter(5))),
		},
		"Vote": {
			cr.votes(false, 0, 1), cr.voteDelta(false, 1, 3), cr.votes(false, 1, 3),
			cr.vote(true), cr.selfVoteDelta(true), cr.votes(true, 2, 3),
		},
	}
}

// forEachType returns a scenario for each type of CRDTs, without the ones that are excepted.
func forEachType(check func(t *trial, u *userFunction, typ string, e crdtExample), except ...string) scenarios[*userFunction] {
	all := scenarios[*userFunction]{}
	for typ := range crdtExamples() {
		all[typ] = func(t *trial, u *userFunction) { check(t, u, typ, crdtExamples()[typ]) }
	}
	for _, typ := range except {
		delete(all, typ)
	}
	return all
}

var crdtStateChecks = checks[*userFunction]{
	"P-025": {
		"CRDT entity, a delta is first":        refusesDeltaFirst,
		"CRDT entity, a cancellation is first": refusesCancellationFirst,
	},
	"P-111": forEachType(sendsNothingOfNew, "LWWRegister"),
	"P-112": forEachType(acceptsDeltaAsCreation),
	"P-113": forEachType(combinesChanges),
	"P-114": {
		"a delete":                      deletes,
		"a delete after updates":        deletesAfterUpdates,
		"a delete of what is not there": deletesNothing,
	},
	"P-117": {
		"before any command": deletedUnused,
		"after a command":    deletedInUse,
		"with open streams":  deletedWithStreams,
	},
	"P-118": {
		"a new CRDT":                    failsNewCRDT,
		"a CRDT with a value":           failsCRDT,
		"side effects are dropped":      failsWithEffects,
		"a failure after an update":     failsAfterUpdate,
		"an id of a command used twice": repeatsID,
	},
}

func refusesDeltaFirst(t *trial, u *userFunction) {
	u.need(t, crdtModelName)
	e := &crdtEntity{stream: u.open(t, crdtpb.Crdt_Handle_FullMethodName, &crdtpb.CrdtStreamOut{})}
	e.delta(cr.gcounterDelta(1))
	require.Contains(t, e.expectFailure(0), "Protocol error: ", "the description of the failure")
}

func refusesCancellationFirst(t *trial, u *userFunction) {
	u.need(t, crdtModelName)
	e := &crdtEntity{stream: u.open(t, crdtpb.Crdt_Handle_FullMethodName, &crdtpb.CrdtStreamOut{})}
	e.sendCancelled(1)
	require.Contains(t, e.expectFailure(0), "Protocol error: ", "the description of the failure")
}

func sendsNothingOfNew(t *trial, u *userFunction, typ string, x crdtExample) {
	e := u.crdt(t, typ, nil)
	e.read(x.empty)
	e.read(x.empty)
	e.passivate()
}

func acceptsDeltaAsCreation(t *trial, u *userFunction, typ string, x crdtExample) {
	e := u.crdt(t, typ, nil)
	e.delta(x.remote)
	e.read(x.remoteState)
	e.update(x.both, x.localDelta, x.local)
	e.passivate()
}

func combinesChanges(t *trial, u *userFunction, typ string, x crdtExample) {
	e := u.crdt(t, typ, x.remote)
	e.read(x.remoteState)
	e.update(x.both, x.localDelta, x.local)
	e.read(x.both)
	e.passivate()
}

func deletes(t *trial, u *userFunction) {
	e := u.crdt(t, "PNCounter", cr.pncounterDelta(42))
	e.read(cr.pncounter(42))
	e.process(&crAnswer{ClientAction: cr.says(cr.pncounter(42)), StateAction: cr.deleted()}, cr.delete())
	e.passivate()
}

func deletesAfterUpdates(t *trial, u *userFunction) {
	e := u.crdt(t, "PNCounter", cr.pncounterDelta(42))
	e.process(&crAnswer{ClientAction: cr.says(cr.pncounter(43)), StateAction: cr.deleted()},
		append(cr.updates(cr.change(2), cr.change(-1)), cr.delete())...)
	e.passivate()
}

func deletesNothing(t *trial, u *userFunction) {
	e := u.activateCRDT(t, crdtTwoName, "PNCounter", nil)
	e.call("Call", &pb.Request{Id: e.id, Actions: []*pb.RequestAction{cr.delete()}})
	e.expect(crReply(&crAnswer{CommandId: 1, ClientAction: replyWith(&pb.Response{}), StateAction: cr.deleted()}), "the reply to a delete")
	e.passivate()
}

func deletedUnused(t *trial, u *userFunction) {
	e := u.crdt(t, "PNCounter", cr.pncounterDelta(42))
	e.delete()
	e.passivate()
}

func deletedInUse(t *trial, u *userFunction) {
	e := u.crdt(t, "PNCounter", nil)
	e.update(cr.pncounter(1), cr.pncounterDelta(1), cr.change(1))
	e.delete()
	e.passivate()
}

func deletedWithStreams(t *trial, u *userFunction) {
	e := u.crdt(t, "PNCounter", cr.pncounterDelta(42))
	e.subscribe(&pb.StreamedRequest{CancelUpdate: cr.change(1)}, &crAnswer{ClientAction: cr.says(cr.pncounter(42))})
	e.delete()
	e.passivate()
}

func failsNewCRDT(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.process(&crAnswer{ClientAction: failWith(0, "expected failure")}, cr.fail("expected failure"))
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	e.passivate()
}

func failsCRDT(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", cr.gcounterDelta(5))
	e.process(&crAnswer{ClientAction: failWith(0, "expected failure")}, cr.fail("expected failure"))
	e.read(cr.gcounter(5))
	e.process(&crAnswer{ClientAction: failWith(0, "another failure")}, cr.fail("another failure"), cr.delete())
	e.read(cr.gcounter(5))
	e.passivate()
}

func failsWithEffects(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.process(&crAnswer{ClientAction: failWith(0, "expected failure")}, cr.effect("one", false), cr.effect("two", true), cr.fail("expected failure"))
	e.read(cr.gcounter(0))
	e.passivate()
}

// failsAfterUpdate accepts both ways to get rid of a change that must not be kept: to undo
// it, or to give the activation up.
func failsAfterUpdate(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", cr.gcounterDelta(5))
	e.call("Process", &pb.Request{Id: e.id, Actions: append(cr.updates(cr.increment(2)), cr.fail("expected failure"))})
	got := e.next("the answer to a command that fails after an update")
	if failure := got.GetFailure(); failure != nil {
		require.Contains(t, []int64{0, 1}, failure.GetCommandId(), "the command id of the failure %v", failure)
		e.expectEnd()
		return
	}
	requireEqual(t, crReply(&crAnswer{CommandId: 1, ClientAction: failWith(1, "expected failure")}), got, "the reply to a command that fails after an update")
	e.read(cr.gcounter(5))
	e.passivate()
}

func repeatsID(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.update(cr.gcounter(1), cr.gcounterDelta(1), cr.increment(1))
	e.commands = 0
	e.update(cr.gcounter(3), cr.gcounterDelta(2), cr.increment(2))
	e.passivate()
}
