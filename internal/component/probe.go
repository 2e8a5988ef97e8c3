package component

import (
	"context"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A Probe is how the testkit looks into an activation. It travels in the context of the
// stream, so that all it costs in production is a look at the context for each activation.
//
// Its functions are called by the goroutine of the entity, but Misused by any.
type Probe struct {
	// Activation is what is looked into: an [EventSourced], a [Value] or a [CRDT]. The kind
	// sets it when the entity is in memory. Between the messages of its stream, the goroutine
	// that handles these may use it.
	Activation any
	// Encoded is called with a value that was encoded to be stored, and with what the bytes
	// decode to, or why they do not.
	Encoded func(value, decoded any, err error)
	// Misused is called before a method of a Base panics because it was called at the wrong
	// time.
	Misused func(text string)
	// Discarded is called when a change that a handler has made in place was undone, because it
	// did not say that it is to be stored. It gets the state with the change, and without.
	Discarded func(changed, state any)
}

type probeKey struct{}

// WithProbe returns the context of a stream whose activation has a probe.
func WithProbe(ctx context.Context, p *Probe) context.Context {
	return context.WithValue(ctx, probeKey{}, p)
}

// ProbeOf returns the probe of a stream, or nil.
func ProbeOf(ctx context.Context) *Probe {
	p, _ := ctx.Value(probeKey{}).(*Probe)
	return p
}

// An Activation is an entity in memory, as a probe sees it.
type Activation interface {
	// Instance returns what the user has written.
	Instance() any
}

// EventSourced is an event sourced entity in memory.
type EventSourced interface {
	Activation

	// Sequence returns the number of the last event.
	Sequence() int64
	// Another returns a new activation of the same entity, at a snapshot or, if that is nil,
	// at its beginning.
	Another(snapshot *anypb.Any, sequence int64) (EventSourced, error)
	// Replay applies the next event.
	Replay(event *anypb.Any) error
	// TakeSnapshot returns nil if the declaration has no snapshots.
	TakeSnapshot() (*anypb.Any, error)
}

// Value is a value entity in memory.
type Value interface {
	Activation

	// State returns the state, which must not be changed, and whether there is one.
	State() (state any, exists bool)
	// Another returns a new activation of the same entity with a stored state, or without one
	// if that is nil.
	Another(stored *anypb.Any) (Value, error)
}

// CRDT is a CRDT entity in memory.
type CRDT interface {
	Activation

	// State returns the delta that makes an empty value this one.
	State() *crdtpb.CrdtDelta
	// Inspect calls visit with every element that the value holds: a set's elements, a map's
	// keys and a register's value, as handlers see it, and what its serialized form decodes to.
	Inspect(visit func(held, serialized any, err error))
}

// An EventEncoder encodes what is stored of the event sourced entities of one type, of which
// it is the implementation. What is an Any already stays as it is.
type EventEncoder interface {
	EncodeEvent(event any) (*anypb.Any, error)
	EncodeSnapshot(snapshot any) (*anypb.Any, error)
}

// A StateEncoder is an [EventEncoder] for value entities.
type StateEncoder interface {
	EncodeState(state any) (*anypb.Any, error)
}

// A DataEncoder is an [EventEncoder] for CRDT entities. The value is a crdt.Data, and its type
// must be the one that the entity with this id has.
type DataEncoder interface {
	// EncodeData returns the delta that makes an empty value this one. A delta stays as it is.
	EncodeData(id string, value any) (*crdtpb.CrdtDelta, error)
}
