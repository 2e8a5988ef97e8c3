package crdt

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// Data is a replicated value: a pointer to one of the types of this package that the New
// functions return, such as *[GCounter] or *[ORMap]. There are no others.
type Data interface {
	// What the package needs of a value. The value of a user function is a plain one, with a
	// note of what has changed; to merge is the task of the proxy (protocol section 5.1).

	// base returns the part of the value that says where it belongs and when it may change.
	base() *node

	// usable returns why every use of the value panics, such as a type of elements that has no
	// codec.
	usable() error

	// check is usable that also looks at the values that a map would make. It is for the
	// validation of declarations.
	check() error

	// stored returns the names under which its elements are stored, as entity.StoredName has
	// them, with those of the values that a map would make. Depth is how deep it is nested. The
	// value must have passed check.
	stored(depth int) []string

	// changed reports whether there are local changes that have not been sent.
	changed() bool

	// delta returns the local changes that have not been sent. If there are none it is empty
	// but present, as the entry of a map needs it; see pendingDelta.
	delta() *crdtpb.CrdtDelta

	// reset forgets the local changes, after their delta was put into a message.
	reset()

	// prepare decodes a delta of the proxy. If that fails the value is as before. Otherwise
	// commit applies it; it must be called at once or not at all. Local changes that have not
	// been sent stay noted, except those of an LWWRegister, which a delta supersedes.
	prepare(delta *crdtpb.CrdtDelta) (commit func(), err error)

	// state returns the delta that makes an empty value this one, in the form in which a proxy
	// sends it. It is never nil.
	state() *crdtpb.CrdtDelta

	// inspect calls visit with every element that is held in decoded form, for a probe, which
	// compares it with what its serialized form decodes to.
	inspect(visit inspector)
}

// replicated is the name under which views embed the value that they are a view of, so that
// users do not see it.
type replicated = Data

// pendingDelta returns the local changes of d that have not been sent, and nil if there are
// none.
func pendingDelta(d Data) *crdtpb.CrdtDelta {
	if !d.changed() {
		return nil
	}
	return d.delta()
}

// applyDelta applies a delta of the proxy to d. If it fails, d is as before.
func applyDelta(d Data, delta *crdtpb.CrdtDelta) error {
	commit, err := d.prepare(delta)
	if err != nil {
		return err
	}
	commit()
	return nil
}

// checkData returns what is wrong with a value that a constructor of the user has returned.
func checkData(d Data) error {
	if isNil(d) {
		return errors.New("the CRDT is nil; make it with a constructor of package crdt, such as crdt.NewORSet")
	}
	return d.check()
}

// isNil also finds nil pointers, of which an interface makes something.
func isNil(d Data) bool {
	return d == nil || reflect.ValueOf(d).IsNil()
}

// mismatch is the error about a delta of another type than the value has.
func mismatch(delta *crdtpb.CrdtDelta, want string) error {
	if delta.GetDelta() == nil {
		return fmt.Errorf("received an empty delta, but this entity has a CRDT, and it is a %s", want)
	}
	return fmt.Errorf("received a delta of type %s, but it doesn't match the CRDT that this entity has: %s", variant(delta), want)
}

// variant returns the name of the type that a delta is for.
func variant(delta *crdtpb.CrdtDelta) string {
	switch delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		return "GCounter"
	case *crdtpb.CrdtDelta_Pncounter:
		return "PNCounter"
	case *crdtpb.CrdtDelta_Gset:
		return "GSet"
	case *crdtpb.CrdtDelta_Orset:
		return "ORSet"
	case *crdtpb.CrdtDelta_Lwwregister:
		return "LWWRegister"
	case *crdtpb.CrdtDelta_Flag:
		return "Flag"
	case *crdtpb.CrdtDelta_Ormap:
		return "ORMap"
	case *crdtpb.CrdtDelta_Vote:
		return "Vote"
	default:
		return "type that this library does not know"
	}
}
