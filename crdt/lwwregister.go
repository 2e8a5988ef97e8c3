package crdt

import (
	"errors"
	"fmt"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A Clock says which time a write to an [LWWRegister] gets at the proxy. The write with the
// latest time wins, even over one that is made after it (protocol section 5.6).
type Clock int32

const (
	// ClockDefault is the time of day of the proxy's node, and later than that of the value
	// that is replaced.
	ClockDefault Clock = iota
	// ClockReverse is the negative time of day, so that the first write wins.
	ClockReverse
	// ClockCustom is the number that comes with the write.
	ClockCustom
	// ClockCustomAutoIncrement is the number that comes with the write, or that of the replaced
	// value plus one, if it is not smaller.
	ClockCustomAutoIncrement
)

// An LWWRegister is a value of which the last write wins. Make it with [NewLWWRegister].
type LWWRegister[T any] struct {
	node

	codec   *elementCodec[T]
	initial error // why the initial value cannot be encoded
	value   T
	id      id

	// The write that was not yet sent.
	pending bool
	clock   Clock
	custom  int64
}

// NewLWWRegister returns a register with an initial value, which is a write with
// [ClockDefault]: it is sent with the first reply, unless the value of other nodes arrives
// before. Values are stored as the options say: none for messages and primitives,
// [entity.JSON] for anything else.
//
// If T or the initial value cannot be encoded, the declaration of the entity does not
// validate, and Set panics.
func NewLWWRegister[T any](initial T, options ...entity.CodecOption) *LWWRegister[T] {
	r := &LWWRegister[T]{codec: newElementCodec[T](options)}
	if r.codec.err == nil {
		r.initial = r.write(initial, ClockDefault, 0)
	}
	return r
}

// newUnsetRegister returns a register that must be written before anybody sees it.
func newUnsetRegister[T any](codec *elementCodec[T]) *LWWRegister[T] {
	return &LWWRegister[T]{codec: codec}
}

// Value returns the value. It belongs to the register and must not be changed; to replace it
// is what Set is for.
func (r *LWWRegister[T]) Value() T { return r.value }

// Set writes a copy of a value with [ClockDefault]. It fails, and the register keeps its
// value, if the new one cannot be encoded, such as a string that is not UTF-8.
func (r *LWWRegister[T]) Set(value T) error { return r.SetWithClock(value, ClockDefault, 0) }

// SetWithClock writes a copy of a value with a clock, and for the custom clocks with its
// time. The write may lose at the proxy against the value that is there. Then the register
// has the new value until the proxy sends the one that has won.
//
// It fails, and the register keeps its value, if the new one cannot be encoded, or if there
// is no such clock.
func (r *LWWRegister[T]) SetWithClock(value T, clock Clock, custom int64) error {
	r.permit()
	if err := r.usable(); err != nil {
		panic(err) //nolint:forbidigo // a mistake in the declaration, which validation reports
	}
	switch clock {
	case ClockDefault, ClockReverse:
		custom = 0
	case ClockCustom, ClockCustomAutoIncrement:
	default:
		return fmt.Errorf("LWWRegister: there is no clock %d; use one of the Clock constants", clock)
	}
	if err := r.write(value, clock, custom); err != nil {
		return fmt.Errorf("LWWRegister: %w", err)
	}
	r.touch()
	return nil
}

func (r *LWWRegister[T]) write(value T, clock Clock, custom int64) error {
	encoded, err := r.codec.codec.Append(nil, value)
	if err != nil {
		return err
	}
	kept, i, err := r.codec.keep(encoded)
	if err != nil {
		return err
	}
	r.value, r.id = kept, i
	r.pending, r.clock, r.custom = true, clock, custom
	return nil
}

func (r *LWWRegister[T]) usable() error {
	switch {
	case r.codec == nil:
		return errors.New("the LWWRegister is a zero value; make it with crdt.NewLWWRegister")
	case r.codec.err != nil:
		return r.codec.err
	case r.initial != nil:
		return fmt.Errorf("the initial value of an LWWRegister: %w", r.initial)
	}
	return nil
}

func (r *LWWRegister[T]) check() error { return r.usable() }

func (r *LWWRegister[T]) stored(int) []string { return r.codec.codec.Names() }

// changed is true as well for a write of the value that is there, because its time is new.
func (r *LWWRegister[T]) changed() bool { return r.pending }

func (r *LWWRegister[T]) delta() *crdtpb.CrdtDelta {
	return lwwregisterDelta(&crdtpb.LWWRegisterDelta{
		Value:            r.id.any(),
		Clock:            crdtpb.CrdtClock(r.clock),
		CustomClockValue: r.custom,
	})
}

func (r *LWWRegister[T]) reset() { r.pending, r.clock, r.custom = false, ClockDefault, 0 }

// prepare drops the local write, because the proxy has decided for another.
func (r *LWWRegister[T]) prepare(delta *crdtpb.CrdtDelta) (func(), error) {
	d, ok := delta.GetDelta().(*crdtpb.CrdtDelta_Lwwregister)
	if !ok {
		return nil, mismatch(delta, "LWWRegister")
	}
	if err := r.usable(); err != nil {
		return nil, err
	}
	encoded := d.Lwwregister.GetValue()
	if encoded == nil {
		return nil, errors.New("LWWRegister: the delta has no value")
	}
	value, i, err := r.codec.decode(encoded)
	if err != nil {
		return nil, fmt.Errorf("LWWRegister: %w", err)
	}
	return func() {
		r.value, r.id = value, i
		r.reset()
	}, nil
}

func (r *LWWRegister[T]) state() *crdtpb.CrdtDelta {
	return lwwregisterDelta(&crdtpb.LWWRegisterDelta{Value: r.id.any()})
}

func lwwregisterDelta(d *crdtpb.LWWRegisterDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: d}}
}
