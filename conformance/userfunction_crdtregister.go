package conformance

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

var crdtRegisterChecks = checks[*userFunction]{
	"P-145": {
		"the first value is sent":             sendsFirstValue,
		"the first value and a write":         sendsFirstWrite,
		"a delta in place of the first value": dropsFirstValue,
		"an init in place of the first value": dropsFirstValueAtInit,
		"clocks":                              sendsClocks,
	},
	"P-160": {
		"the value of a register": sendsEmptyString,
		"an element of a set":     addsEmptyString,
	},
	"P-161": {
		"a string, the only primitive of the models": roundTripsString,
		"a string that is explicitly empty":          readsExplicitDefault,
	},
	"P-162": {
		"unknown fields of a string":    skipsUnknownFields,
		"a primitive that is not known": refusesUnknownPrimitive,
	},
	"P-164": {"an element of another node": recognizesElement},
}

func sendsFirstValue(t *trial, u *userFunction) {
	e := u.crdt(t, "LWWRegister", nil)
	e.update(cr.register(""), cr.registerDelta(""))
	e.read(cr.register(""))
	e.passivate()
}

func sendsFirstWrite(t *trial, u *userFunction) {
	e := u.crdt(t, "LWWRegister", nil)
	e.update(cr.register("two"), cr.registerDelta("two"), cr.set("one"), cr.set("two"))
	e.read(cr.register("two"))
	e.passivate()
}

func dropsFirstValue(t *trial, u *userFunction) {
	e := u.crdt(t, "LWWRegister", nil)
	e.delta(cr.registerDelta("one"))
	e.read(cr.register("one"))
	e.update(cr.register("two"), cr.registerDelta("two"), cr.set("two"))
	e.delta(cr.registerDelta("three"))
	e.read(cr.register("three"))
	e.passivate()
}

func dropsFirstValueAtInit(t *trial, u *userFunction) {
	e := u.crdt(t, "LWWRegister", cr.registerDelta("one"))
	e.read(cr.register("one"))
	e.passivate()
}

func sendsClocks(t *trial, u *userFunction) {
	e := u.crdt(t, "LWWRegister", cr.registerDelta("old"))
	e.update(cr.register("a"), cr.registerDelta("a"), cr.setWithClock("a", pb.LWWRegisterClockType_DEFAULT, 0))
	e.update(cr.register("b"), cr.registerDeltaWithClock("b", crdtpb.CrdtClock_REVERSE, 0),
		cr.setWithClock("b", pb.LWWRegisterClockType_REVERSE, 0))
	e.update(cr.register("c"), cr.registerDeltaWithClock("c", crdtpb.CrdtClock_CUSTOM, 123),
		cr.setWithClock("c", pb.LWWRegisterClockType_CUSTOM, 123))
	e.update(cr.register("d"), cr.registerDeltaWithClock("d", crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT, 456),
		cr.setWithClock("d", pb.LWWRegisterClockType_CUSTOM_AUTO_INCREMENT, 456))
	e.update(cr.register("e"), cr.registerDelta("e"), cr.set("e"))
	e.passivate()
}

func sendsEmptyString(t *trial, u *userFunction) {
	e := u.crdt(t, "LWWRegister", cr.registerDelta("one"))
	e.update(cr.register(""), cr.registerDelta(""), cr.set(""))
	e.passivate()
}

func addsEmptyString(t *trial, u *userFunction) {
	e := u.crdt(t, "GSet", nil)
	e.update(cr.gset(""), cr.gsetDelta(""), cr.addG(""))
	e.update(cr.gset(""), nil, cr.addG(""))
	e.passivate()
}

func roundTripsString(t *trial, u *userFunction) {
	const text = "Grüße, Ωμέγα"
	e := u.crdt(t, "LWWRegister", cr.registerDelta(text))
	e.update(cr.register(text+"!"), cr.registerDelta(text+"!"), cr.set(text+"!"))
	e.passivate()
}

// registerValue is a delta with a value that is encoded in some way.
func registerValue(url string, value []byte) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: &crdtpb.LWWRegisterDelta{
		Value: &anypb.Any{TypeUrl: url, Value: value},
	}}}
}

func readsExplicitDefault(t *trial, u *userFunction) {
	e := u.crdt(t, "LWWRegister", registerValue(stringURL, protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "")))
	e.read(cr.register(""))
	e.passivate()
}

func skipsUnknownFields(t *trial, u *userFunction) {
	value := protowire.AppendVarint(protowire.AppendTag(nil, 15, protowire.VarintType), 300)
	value = protowire.AppendString(protowire.AppendTag(value, 2, protowire.BytesType), "skipped")
	value = protowire.AppendString(protowire.AppendTag(value, 1, protowire.BytesType), "one")
	e := u.crdt(t, "LWWRegister", registerValue(stringURL, value))
	e.read(cr.register("one"))
	e.passivate()
}

func refusesUnknownPrimitive(t *trial, u *userFunction) {
	e := u.crdt(t, "LWWRegister", registerValue("p.cloudstate.io/uint32", []byte{0x08, 0x01}))
	e.expectFailure(0)
}

func recognizesElement(t *trial, u *userFunction) {
	e := u.crdt(t, "ORSet", cr.orsetDelta(nil, []string{"one", "two"}))
	e.update(cr.orset("two"), cr.orsetDelta([]string{"one"}, nil), cr.add("two"), cr.remove("one"))
	e.passivate()
}
