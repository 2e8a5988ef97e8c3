package conformance

var crdtSetChecks = checks[*userFunction]{
	"P-142": {
		"elements that are new":    addsNewElements,
		"an element that is there": addsNoOldElement,
		"elements of other nodes":  addsNoElementOfOthers,
	},
	"P-143": {
		"a removal of what is not there":         removesWhatIsThere,
		"additions and removals that cancel out": cancelsOut,
		"a clear":                                clears,
		"a clear that is false":                  clearsNot,
		"a clear and an addition":                clearsAndAdds,
	},
	"P-144": {
		"cleared and added":  appliesCleared,
		"removed and added":  appliesRemoved,
		"removed and absent": appliesAbsent,
	},
}

func addsNewElements(t *trial, u *userFunction) {
	e := u.crdt(t, "GSet", nil)
	e.update(cr.gset("a", "b"), cr.gsetDelta("a", "b"), cr.addG("b"), cr.addG("a"))
	e.update(cr.gset("a", "b", "c"), cr.gsetDelta("c"), cr.addG("b"), cr.addG("c"))
	e.passivate()
}

func addsNoOldElement(t *trial, u *userFunction) {
	e := u.crdt(t, "GSet", nil)
	e.update(cr.gset("a"), cr.gsetDelta("a"), cr.addG("a"), cr.addG("a"))
	e.update(cr.gset("a"), nil, cr.addG("a"))
	e.passivate()
}

func addsNoElementOfOthers(t *trial, u *userFunction) {
	e := u.crdt(t, "GSet", cr.gsetDelta("a", "b"))
	e.delta(cr.gsetDelta("b", "c"))
	e.update(cr.gset("a", "b", "c"), nil, cr.addG("a"), cr.addG("c"))
	e.passivate()
}

func removesWhatIsThere(t *trial, u *userFunction) {
	e := u.crdt(t, "ORSet", cr.orsetDelta(nil, []string{"a", "b", "c"}))
	e.update(cr.orset("a", "c"), cr.orsetDelta([]string{"b"}, nil), cr.remove("b"), cr.remove("d"))
	e.update(cr.orset("a", "c"), nil, cr.remove("b"))
	e.passivate()
}

func cancelsOut(t *trial, u *userFunction) {
	e := u.crdt(t, "ORSet", cr.orsetDelta(nil, []string{"a", "c"}))
	e.update(cr.orset("a", "b", "c"), cr.orsetDelta(nil, []string{"b"}), cr.remove("c"), cr.remove("d"), cr.add("b"), cr.add("c"))
	e.update(cr.orset("a", "b", "c"), nil, cr.add("d"), cr.remove("d"))
	e.passivate()
}

func clears(t *trial, u *userFunction) {
	e := u.crdt(t, "ORSet", cr.orsetDelta(nil, []string{"a", "b"}))
	e.update(cr.orset(), cr.clearedDelta(), cr.add("c"), cr.remove("a"), cr.clear(true))
	e.read(cr.orset())
	e.passivate()
}

func clearsNot(t *trial, u *userFunction) {
	e := u.crdt(t, "ORSet", cr.orsetDelta(nil, []string{"a", "b"}))
	e.update(cr.orset("a", "b"), nil, cr.clear(false))
	e.passivate()
}

func clearsAndAdds(t *trial, u *userFunction) {
	e := u.crdt(t, "ORSet", nil)
	e.update(cr.orset("a"), cr.orsetDelta(nil, []string{"a"}), cr.add("a"))
	e.update(cr.orset("x"), cr.clearedDelta("x"), cr.add("b"), cr.clear(true), cr.add("x"))
	e.passivate()
}

func appliesCleared(t *trial, u *userFunction) {
	e := u.crdt(t, "ORSet", cr.orsetDelta(nil, []string{"a", "b"}))
	e.delta(cr.clearedDelta("b", "x"))
	e.read(cr.orset("b", "x"))
	e.delta(cr.clearedDelta())
	e.read(cr.orset())
	e.passivate()
}

func appliesRemoved(t *trial, u *userFunction) {
	e := u.crdt(t, "ORSet", nil)
	e.update(cr.orset("a", "b"), cr.orsetDelta(nil, []string{"a", "b"}), cr.add("a"), cr.add("b"))
	e.delta(cr.orsetDelta([]string{"a"}, []string{"x", "y"}))
	e.read(cr.orset("b", "x", "y"))
	e.passivate()
}

func appliesAbsent(t *trial, u *userFunction) {
	e := u.crdt(t, "ORSet", cr.orsetDelta(nil, []string{"a"}))
	e.delta(cr.orsetDelta([]string{"x"}, []string{"a"}))
	e.update(cr.orset("a"), nil, cr.add("a"))
	e.passivate()
}
