package conformance

import (
	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// mapDelta is the delta of a map, and mapEntry a delta in it.
type (
	mapDelta = crdtpb.ORMapDelta
	mapEntry = crdtpb.ORMapEntryDelta
)

var crdtMapChecks = checks[*userFunction]{
	"P-148": {
		"entries of each type":            addsEntries,
		"an update creates an entry":      createsByUpdate,
		"an entry that is there":          addsNoOldEntry,
		"updates are nested":              updatesEntries,
		"a map in a map":                  nestsMaps,
		"an entry is removed":             removesEntries,
		"a new entry is removed":          removesNewEntry,
		"an entry is removed and created": recreatesEntry,
		"a clear":                         clearsMap,
		"a clear and a new entry":         clearsAndCreates,
		"changes of other nodes":          appliesMapDeltas,
	},
	"P-149": {
		"added replaces an entry":    replacesEntry,
		"added replaces a new entry": replacesNewEntry,
		"updated without an entry":   ignoresMissingEntry,
		"removed without an entry":   ignoresAbsentEntry,
	},
}

func addsEntries(t *trial, u *userFunction) {
	e := u.crdt(t, "ORMap", nil)
	e.update(cr.ormap(
		cr.entry("Flag-1", cr.flag(false)),
		cr.entry("GCounter-1", cr.gcounter(0)),
		cr.entry("GSet-1", cr.gset()),
		cr.entry("LWWRegister-1", cr.register("")),
		cr.entry("ORMap-1", cr.ormap()),
		cr.entry("ORSet-1", cr.orset()),
		cr.entry("PNCounter-1", cr.pncounter(0)),
		cr.entry("Vote-1", cr.votes(false, 0, 1)),
	), cr.ormapDelta(&mapDelta{Added: []*mapEntry{
		cr.entryDelta("Flag-1", cr.flagDelta(false)),
		cr.entryDelta("GCounter-1", cr.gcounterDelta(0)),
		cr.entryDelta("GSet-1", cr.gsetDelta()),
		cr.entryDelta("LWWRegister-1", cr.registerDelta("")),
		cr.entryDelta("ORMap-1", cr.ormapDelta(&mapDelta{})),
		cr.entryDelta("ORSet-1", cr.orsetDelta(nil, nil)),
		cr.entryDelta("PNCounter-1", cr.pncounterDelta(0)),
		cr.entryDelta("Vote-1", cr.selfVoteDelta(false)),
	}}),
		cr.addKey("GCounter-1"), cr.addKey("PNCounter-1"), cr.addKey("GSet-1"), cr.addKey("ORSet-1"),
		cr.addKey("LWWRegister-1"), cr.addKey("Flag-1"), cr.addKey("ORMap-1"), cr.addKey("Vote-1"))
	e.passivate()
}

func createsByUpdate(t *trial, u *userFunction) {
	e := u.crdt(t, "ORMap", nil)
	e.update(cr.ormap(
		cr.entry("LWWRegister-1", cr.register("one")),
		cr.entry("ORSet-1", cr.orset("a")),
		cr.entry("PNCounter-1", cr.pncounter(3)),
	), cr.ormapDelta(&mapDelta{Added: []*mapEntry{
		cr.entryDelta("LWWRegister-1", cr.registerDelta("one")),
		cr.entryDelta("ORSet-1", cr.orsetDelta(nil, []string{"a"})),
		cr.entryDelta("PNCounter-1", cr.pncounterDelta(3)),
	}}),
		cr.updateKey("PNCounter-1", cr.change(1)), cr.updateKey("PNCounter-1", cr.change(2)),
		cr.addKey("ORSet-1"), cr.updateKey("ORSet-1", cr.add("a")),
		cr.updateKey("LWWRegister-1", cr.set("one")))
	e.read(cr.ormap(
		cr.entry("LWWRegister-1", cr.register("one")),
		cr.entry("ORSet-1", cr.orset("a")),
		cr.entry("PNCounter-1", cr.pncounter(3)),
	))
	e.passivate()
}

// counters activates a map with two counters, which are at 1 and at 2.
func counters(t *trial, u *userFunction) *crdtEntity {
	return u.crdt(t, "ORMap", cr.ormapDelta(&mapDelta{Added: []*mapEntry{
		cr.entryDelta("PNCounter-1", cr.pncounterDelta(1)),
		cr.entryDelta("PNCounter-2", cr.pncounterDelta(2)),
	}}))
}

func addsNoOldEntry(t *trial, u *userFunction) {
	e := counters(t, u)
	e.update(cr.ormap(cr.entry("PNCounter-1", cr.pncounter(1)), cr.entry("PNCounter-2", cr.pncounter(2))), nil, cr.addKey("PNCounter-1"))
	e.passivate()
}

func updatesEntries(t *trial, u *userFunction) {
	e := counters(t, u)
	e.update(cr.ormap(cr.entry("PNCounter-1", cr.pncounter(0)), cr.entry("PNCounter-2", cr.pncounter(2)), cr.entry("PNCounter-3", cr.pncounter(5))),
		cr.ormapDelta(&mapDelta{
			Updated: []*mapEntry{cr.entryDelta("PNCounter-1", cr.pncounterDelta(-1))},
			Added:   []*mapEntry{cr.entryDelta("PNCounter-3", cr.pncounterDelta(5))},
		}),
		cr.updateKey("PNCounter-1", cr.change(-1)), cr.updateKey("PNCounter-3", cr.change(5)),
		cr.updateKey("PNCounter-2", cr.change(1)), cr.updateKey("PNCounter-2", cr.change(-1)))
	e.update(cr.ormap(cr.entry("PNCounter-1", cr.pncounter(0)), cr.entry("PNCounter-2", cr.pncounter(2)), cr.entry("PNCounter-3", cr.pncounter(6))),
		cr.ormapDelta(&mapDelta{Updated: []*mapEntry{cr.entryDelta("PNCounter-3", cr.pncounterDelta(1))}}),
		cr.updateKey("PNCounter-3", cr.change(1)))
	e.passivate()
}

func nestsMaps(t *trial, u *userFunction) {
	e := u.crdt(t, "ORMap", nil)
	inner := func(value int64) *pb.State {
		return cr.ormap(cr.entry("ORMap-1", cr.ormap(cr.entry("PNCounter-1", cr.pncounter(value)))))
	}
	e.update(inner(1), cr.ormapDelta(&mapDelta{Added: []*mapEntry{
		cr.entryDelta("ORMap-1", cr.ormapDelta(&mapDelta{Added: []*mapEntry{cr.entryDelta("PNCounter-1", cr.pncounterDelta(1))}})),
	}}), cr.updateKey("ORMap-1", cr.updateKey("PNCounter-1", cr.change(1))))
	e.update(inner(3), cr.ormapDelta(&mapDelta{Updated: []*mapEntry{
		cr.entryDelta("ORMap-1", cr.ormapDelta(&mapDelta{Updated: []*mapEntry{cr.entryDelta("PNCounter-1", cr.pncounterDelta(2))}})),
	}}), cr.updateKey("ORMap-1", cr.updateKey("PNCounter-1", cr.change(2))))
	e.passivate()
}

func removesEntries(t *trial, u *userFunction) {
	e := counters(t, u)
	e.update(cr.ormap(cr.entry("PNCounter-2", cr.pncounter(2))),
		cr.ormapDelta(&mapDelta{Removed: packStrings([]string{"PNCounter-1"})}),
		cr.updateKey("PNCounter-1", cr.change(5)), cr.removeKey("PNCounter-1"), cr.removeKey("PNCounter-3"))
	e.read(cr.ormap(cr.entry("PNCounter-2", cr.pncounter(2))))
	e.passivate()
}

func removesNewEntry(t *trial, u *userFunction) {
	e := counters(t, u)
	e.update(cr.ormap(cr.entry("PNCounter-1", cr.pncounter(1)), cr.entry("PNCounter-2", cr.pncounter(2))), nil,
		cr.updateKey("PNCounter-3", cr.change(5)), cr.removeKey("PNCounter-3"))
	e.passivate()
}

func recreatesEntry(t *trial, u *userFunction) {
	e := counters(t, u)
	e.update(cr.ormap(cr.entry("PNCounter-1", cr.pncounter(7)), cr.entry("PNCounter-2", cr.pncounter(2))),
		cr.ormapDelta(&mapDelta{
			Removed: packStrings([]string{"PNCounter-1"}),
			Added:   []*mapEntry{cr.entryDelta("PNCounter-1", cr.pncounterDelta(7))},
		}),
		cr.removeKey("PNCounter-1"), cr.updateKey("PNCounter-1", cr.change(7)))
	e.passivate()
}

func clearsMap(t *trial, u *userFunction) {
	e := counters(t, u)
	e.update(cr.ormap(cr.entry("PNCounter-1", cr.pncounter(1)), cr.entry("PNCounter-2", cr.pncounter(2))), nil, cr.clearMap(false))
	e.update(cr.ormap(), cr.ormapDelta(&mapDelta{Cleared: true}),
		cr.addKey("PNCounter-3"), cr.removeKey("PNCounter-1"), cr.clearMap(true))
	e.read(cr.ormap())
	e.passivate()
}

func clearsAndCreates(t *trial, u *userFunction) {
	e := counters(t, u)
	e.update(cr.ormap(cr.entry("PNCounter-2", cr.pncounter(5))),
		cr.ormapDelta(&mapDelta{Cleared: true, Added: []*mapEntry{cr.entryDelta("PNCounter-2", cr.pncounterDelta(5))}}),
		cr.clearMap(true), cr.updateKey("PNCounter-2", cr.change(5)))
	e.passivate()
}

func appliesMapDeltas(t *trial, u *userFunction) {
	e := counters(t, u)
	e.delta(cr.ormapDelta(&mapDelta{
		Removed: packStrings([]string{"PNCounter-1"}),
		Updated: []*mapEntry{cr.entryDelta("PNCounter-2", cr.pncounterDelta(10))},
		Added:   []*mapEntry{cr.entryDelta("GSet-1", cr.gsetDelta("a"))},
	}))
	e.read(cr.ormap(cr.entry("GSet-1", cr.gset("a")), cr.entry("PNCounter-2", cr.pncounter(12))))
	e.delta(cr.ormapDelta(&mapDelta{Cleared: true, Added: []*mapEntry{cr.entryDelta("Flag-1", cr.flagDelta(true))}}))
	e.read(cr.ormap(cr.entry("Flag-1", cr.flag(true))))
	e.passivate()
}

func replacesEntry(t *trial, u *userFunction) {
	e := u.crdt(t, "ORMap", cr.ormapDelta(&mapDelta{Added: []*mapEntry{cr.entryDelta("GCounter-1", cr.gcounterDelta(5))}}))
	e.delta(cr.ormapDelta(&mapDelta{Added: []*mapEntry{cr.entryDelta("GCounter-1", cr.gcounterDelta(42))}}))
	e.read(cr.ormap(cr.entry("GCounter-1", cr.gcounter(42))))
	e.passivate()
}

func replacesNewEntry(t *trial, u *userFunction) {
	e := u.crdt(t, "ORMap", nil)
	e.update(cr.ormap(cr.entry("GCounter-1", cr.gcounter(0))),
		cr.ormapDelta(&mapDelta{Added: []*mapEntry{cr.entryDelta("GCounter-1", cr.gcounterDelta(0))}}), cr.addKey("GCounter-1"))
	e.delta(cr.ormapDelta(&mapDelta{Added: []*mapEntry{cr.entryDelta("GCounter-1", cr.gcounterDelta(42))}}))
	e.update(cr.ormap(cr.entry("GCounter-1", cr.gcounter(43))),
		cr.ormapDelta(&mapDelta{Updated: []*mapEntry{cr.entryDelta("GCounter-1", cr.gcounterDelta(1))}}),
		cr.updateKey("GCounter-1", cr.increment(1)))
	e.passivate()
}

func ignoresMissingEntry(t *trial, u *userFunction) {
	e := counters(t, u)
	e.delta(cr.ormapDelta(&mapDelta{Updated: []*mapEntry{
		cr.entryDelta("PNCounter-1", cr.pncounterDelta(1)), cr.entryDelta("PNCounter-3", cr.pncounterDelta(1)),
	}}))
	e.read(cr.ormap(cr.entry("PNCounter-1", cr.pncounter(2)), cr.entry("PNCounter-2", cr.pncounter(2))))
	e.passivate()
}

func ignoresAbsentEntry(t *trial, u *userFunction) {
	e := counters(t, u)
	e.delta(cr.ormapDelta(&mapDelta{Removed: packStrings([]string{"PNCounter-2", "PNCounter-3"})}))
	e.read(cr.ormap(cr.entry("PNCounter-1", cr.pncounter(1))))
	e.passivate()
}
