package conformance

import (
	"math"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// proxyCRDTTypeChecks are those of what becomes of the state actions of a user function: what
// the next activation begins with.
var proxyCRDTTypeChecks = checks[*rig]{
	"P-140": {
		"increments of one command and of another": keepsUpdates("GCounter", cr.gcounterDelta(10),
			cr.updates(cr.increment(1), cr.increment(2), cr.increment(3)), cr.updates(cr.increment(4))),
	},
	"P-141": {
		"changes of one command and of another": keepsUpdates("PNCounter", cr.pncounterDelta(-8),
			cr.updates(cr.change(1), cr.change(-2), cr.change(3)), cr.updates(cr.change(-10))),
		"no change in sum": keepsUpdates("PNCounter", nil, cr.updates(cr.change(1), cr.change(-1))),
		"back to zero":     keepsUpdates("PNCounter", cr.pncounterDelta(0), cr.updates(cr.change(1)), cr.updates(cr.change(-1))),
	},
	"P-142": {
		"elements that are there already": keepsUpdates("GSet", cr.gsetDelta("a", "b", "c"),
			cr.updates(cr.addG("a"), cr.addG("b")), cr.updates(cr.addG("b"), cr.addG("c"))),
	},
	"P-143": {
		"the examples": keepsUpdates("ORSet", cr.orsetDelta(nil, []string{"a", "b", "c"}),
			cr.updates(cr.add("a"), cr.add("b"), cr.add("c")), cr.updates(cr.remove("b"), cr.remove("d")),
			cr.updates(cr.remove("c"), cr.remove("d"), cr.add("b"), cr.add("c"))),
		"clear":          keepsUpdates("ORSet", cr.orsetDelta(nil, nil), cr.updates(cr.add("a"), cr.add("b")), cr.updates(cr.clear(true))),
		"clear, and add": keepsUpdates("ORSet", cr.orsetDelta(nil, []string{"x"}), cr.updates(cr.add("a"), cr.clear(true), cr.add("x"))),
	},
	"P-144": {
		"cleared and added":     keepsDeltas(cr.orsetDelta(nil, []string{"b", "c"}), cr.orsetDelta(nil, []string{"a", "b"}), cr.clearedDelta("c", "b")),
		"removed and added":     keepsDeltas(cr.orsetDelta(nil, []string{"b", "c"}), cr.orsetDelta(nil, []string{"a", "b"}), cr.orsetDelta([]string{"a"}, []string{"c"})),
		"the same element":      keepsDeltas(cr.orsetDelta(nil, []string{"a"}), cr.orsetDelta(nil, []string{"a"}), cr.orsetDelta([]string{"a"}, []string{"a"})),
		"removed but not there": keepsDeltas(cr.orsetDelta(nil, []string{"a"}), cr.orsetDelta(nil, []string{"a"}), cr.orsetDelta([]string{"z"}, nil)),
		"added but there":       keepsDeltas(cr.orsetDelta(nil, []string{"a"}), cr.orsetDelta(nil, []string{"a"}), cr.orsetDelta(nil, []string{"a"})),
	},
	"P-146": {
		"REVERSE":               checkReverseClock,
		"CUSTOM":                checkCustomClock,
		"CUSTOM_AUTO_INCREMENT": checkAutoIncrementClock,
		"DEFAULT":               keepsDeltas(cr.registerDelta("two"), cr.registerDelta("one"), cr.registerDelta("two")),
	},
	"P-147": {
		"enabled twice": keepsUpdates("Flag", cr.flagDelta(true), cr.updates(cr.enable(), cr.enable()), cr.updates(cr.enable())),
		"not enabled":   keepsDeltas(cr.flagDelta(false), cr.flagDelta(false)),
		"later":         keepsDeltas(cr.flagDelta(true), cr.flagDelta(false), cr.flagDelta(true)),
	},
	"P-148": {
		"entries that are empty": keepsUpdates("ORMap", mapOf(cr.entryDelta("Flag-1", cr.flagDelta(false)), cr.entryDelta("GCounter-1", cr.gcounterDelta(0)),
			cr.entryDelta("ORSet-1", cr.orsetDelta(nil, nil)), cr.entryDelta("PNCounter-1", cr.pncounterDelta(0))),
			cr.updates(cr.addKey("PNCounter-1"), cr.addKey("ORSet-1"), cr.addKey("GCounter-1"), cr.addKey("Flag-1"))),
		"nested updates": keepsUpdates("ORMap", mapOf(cr.entryDelta("ORSet-1", cr.orsetDelta(nil, []string{"b"})), cr.entryDelta("PNCounter-1", cr.pncounterDelta(5))),
			cr.updates(cr.updateKey("PNCounter-1", cr.change(2)), cr.updateKey("ORSet-1", cr.add("a"))),
			cr.updates(cr.updateKey("PNCounter-1", cr.change(3)), cr.updateKey("ORSet-1", cr.remove("a")), cr.updateKey("ORSet-1", cr.add("b")))),
		"a map in a map": keepsUpdates("ORMap", mapOf(cr.entryDelta("ORMap-1", mapOf(cr.entryDelta("PNCounter-1", cr.pncounterDelta(2))))),
			cr.updates(cr.updateKey("ORMap-1", cr.updateKey("PNCounter-1", cr.change(2))))),
		"removed and added": keepsUpdates("ORMap", mapOf(cr.entryDelta("GCounter-1", cr.gcounterDelta(3)), cr.entryDelta("GCounter-2", cr.gcounterDelta(7))),
			cr.updates(cr.updateKey("GCounter-1", cr.increment(1)), cr.updateKey("GCounter-2", cr.increment(7))),
			cr.updates(cr.removeKey("GCounter-1"), cr.updateKey("GCounter-1", cr.increment(3)))),
		"removed": keepsUpdates("ORMap", mapOf(cr.entryDelta("GCounter-2", cr.gcounterDelta(7))),
			cr.updates(cr.updateKey("GCounter-1", cr.increment(1)), cr.updateKey("GCounter-2", cr.increment(7))), cr.updates(cr.removeKey("GCounter-1"))),
		"cleared, and created": keepsUpdates("ORMap", mapOf(cr.entryDelta("GCounter-1", cr.gcounterDelta(4))),
			cr.updates(cr.updateKey("GCounter-1", cr.increment(1)), cr.addKey("Flag-1")),
			cr.updates(cr.clearMap(true), cr.updateKey("GCounter-1", cr.increment(4)))),
		"cleared": keepsUpdates("ORMap", mapOf(), cr.updates(cr.addKey("Flag-1")), cr.updates(cr.clearMap(true))),
	},
	"P-151": {
		"for":            keepsUpdates("Vote", cr.voteDelta(true, 1, 1), cr.updates(cr.vote(true))),
		"back and forth": keepsUpdates("Vote", cr.voteDelta(false, 0, 1), cr.updates(cr.vote(true)), cr.updates(cr.vote(false))),
	},
	"P-152": {"2^63, and the greatest of all": checkNegativeIncrement},
	"P-153": {
		"an empty delta":        checkEmptyDelta,
		"a delta of other type": checkOtherDelta,
	},
	"P-160": {
		"as an element, a value and a key": checkEmptyString,
	},
}

// mapOf is the delta of a map with these entries.
func mapOf(entries ...*crdtpb.ORMapEntryDelta) *crdtpb.CrdtDelta {
	return cr.ormapDelta(&crdtpb.ORMapDelta{Added: entries})
}

// keepsUpdates returns a check that lets the model carry out commands, and requires the full
// state in the next activation, which is sorted, and nil if there is none.
func keepsUpdates(typ string, want *crdtpb.CrdtDelta, commands ...[]*pb.RequestAction) func(*trial, *rig) {
	return func(t *trial, r *rig) {
		e := r.crdt(t, typ)
		var d *dialogue
		for i, actions := range commands {
			request := e.updating(actions...)
			call := e.process(request)
			call.wait()
			if call.err != nil {
				t.Fatalf("the command %v has failed: %v", request, call.err)
			}
			if d == nil {
				d = e.accept()
				d.require(e.init())
			}
			d.require(e.commandOf(int64(i+1), request))
		}
		e.crash(d, int64(len(commands)+1))
		e.call().wait()
		d = e.accept()
		d.requireSorted(crdtInit(e.service, e.id, want))
		d.require(e.command(1))
	}
}

// keepsDeltas returns a check with state actions of the check's own.
func keepsDeltas(want *crdtpb.CrdtDelta, deltas ...*crdtpb.CrdtDelta) func(*trial, *rig) {
	return func(t *trial, r *rig) {
		e := r.scripted(t, crdtKind, crdtTwoName)
		d := e.begin()
		for i, delta := range deltas {
			e.change(d, int64(i+2), delta)
		}
		e.requireState(d, int64(len(deltas)+2), want)
	}
}

// requireState requires the full state of a scripted entity, which a crash at the next command
// brings to light.
func (s *specimen) requireState(d *dialogue, id int64, want *crdtpb.CrdtDelta) {
	s.crash(d, id)
	call := s.call()
	d = s.accept()
	d.requireSorted(crdtInit(s.service, s.id, want))
	d.require(s.command(1))
	d.say(s.replied(1))
	call.requireReply(s.kind.response)
}

// set is a change of a register, and what comes of it: the value that it is corrected to, or
// that it is taken.
type set struct {
	value     string
	clock     crdtpb.CrdtClock
	custom    int64
	corrected string
}

// checkClock sets a register. Each reply reaches its client, whether the value is taken or not.
func checkClock(t *trial, r *rig, state string, sets ...set) {
	e := r.scripted(t, crdtKind, crdtTwoName)
	d := e.begin()
	for i, s := range sets {
		e.change(d, int64(i+2), cr.registerDeltaWithClock(s.value, s.clock, s.custom))
		if s.corrected != "" {
			d.require(deltaOf(cr.registerDelta(s.corrected)))
		}
	}
	e.requireState(d, int64(len(sets)+2), cr.registerDelta(state))
}

func checkReverseClock(t *trial, r *rig) {
	checkClock(t, r, "first",
		set{"first", crdtpb.CrdtClock_REVERSE, 0, ""},
		set{"second", crdtpb.CrdtClock_REVERSE, 0, "first"},
		set{"third", crdtpb.CrdtClock_REVERSE, 0, "first"})
}

func checkCustomClock(t *trial, r *rig) {
	checkClock(t, r, "greater",
		set{"at 100", crdtpb.CrdtClock_CUSTOM, 100, ""},
		set{"lower", crdtpb.CrdtClock_CUSTOM, 99, "at 100"},
		set{"greater", crdtpb.CrdtClock_CUSTOM, 101, ""},
		set{"lower again", crdtpb.CrdtClock_CUSTOM, -7, "greater"})
}

func checkAutoIncrementClock(t *trial, r *rig) {
	checkClock(t, r, "at 102, then",
		set{"at 100", crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT, 100, ""},
		set{"equal, so at 101", crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT, 100, ""},
		set{"lower, so at 102", crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT, 1, ""},
		set{"not later than 102", crdtpb.CrdtClock_CUSTOM, 101, "lower, so at 102"},
		set{"at 102, then", crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT, 102, ""})
}

// checkRefusedDelta has a state action that is none, which the proxy reports, and forgets.
func checkRefusedDelta(t *trial, r *rig, delta *crdtpb.CrdtDelta, report string) {
	e := r.scripted(t, crdtKind, crdtTwoName)
	d := e.begin()
	e.change(d, 2, cr.gcounterDelta(1))
	call := e.call()
	d.require(e.command(3))
	r.monitor.Excuse(d.Stream)
	d.say(changedBy(3, cr.changed(delta)))
	call.requireFailure("Entity terminating")
	r.requireReportWith(t, report)
	d.awaitOver()
	call = e.call()
	d = e.accept()
	d.require(crdtInit(e.service, e.id, cr.gcounterDelta(1)), e.command(1))
	d.say(e.replied(1))
	call.requireReply(e.kind.response)
}

func checkNegativeIncrement(t *trial, r *rig) {
	for _, increment := range []uint64{1 << 63, math.MaxUint64} {
		checkRefusedDelta(t, r, cr.gcounterDelta(increment), "Cannot decrement a GCounter")
	}
}

func checkEmptyDelta(t *trial, r *rig) {
	checkRefusedDelta(t, r, &crdtpb.CrdtDelta{}, "Empty delta")
}

func checkOtherDelta(t *trial, r *rig) {
	for _, delta := range []*crdtpb.CrdtDelta{cr.pncounterDelta(1), cr.gsetDelta("a"), mapOf()} {
		checkRefusedDelta(t, r, delta, "is incompatible with CRDT")
	}
}

// checkEmptyString uses the model, whose strings are primitives.
func checkEmptyString(t *trial, r *rig) {
	keepsUpdates("GSet", cr.gsetDelta(""), cr.updates(cr.addG("")))(t, r)
	keepsUpdates("ORSet", cr.orsetDelta(nil, []string{""}), cr.updates(cr.add("")))(t, r)
	keepsUpdates("LWWRegister", cr.registerDelta(""), cr.updates(cr.set("")))(t, r)
	keepsDeltas(mapOf(cr.entryDelta("", cr.flagDelta(true))), mapOf(cr.entryDelta("", cr.flagDelta(true))))(t, r)
}
