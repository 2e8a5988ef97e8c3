package store

import (
	"context"
	"iter"
)

// A Part is a piece of the state of a CRDT entity, as the proxies of a cluster exchange it.
type Part struct {
	// Key is the entity.
	Key Key
	// Data is in an encoding of the proxy, and belongs to the receiver.
	Data []byte
}

// Replicas keeps the CRDTs of one proxy, deleted ones included. Its methods may be called
// concurrently.
//
// The state of an entity is in parts, which the proxy merges. It does not matter in which
// order they are, and it does no harm if one is there twice. So there are neither versions
// nor outcomes to resolve: after an error, what was to be kept may or may not be, now or a
// little later, and the proxy keeps it again. But a write must not take effect after one that
// was made later for the same entity. And no two proxies may use the same Replicas: what one of them
// replaces, the other one would lose.
type Replicas interface {
	// AddParts adds parts to those of an entity. When it returns without error, they are as
	// durable as the store makes them, and each later Parts has them. After an error, either
	// all of them are there, or none. The store does not keep the slices.
	AddParts(ctx context.Context, key Key, parts ...[]byte) error

	// ReplaceParts replaces all parts of an entity by one, which has all that they have, in
	// the way of AddParts. After an error, either the former parts are there, or the new one,
	// or both. The proxy does not add parts to an entity at the same time.
	ReplaceParts(ctx context.Context, key Key, part []byte) error

	// Parts lists all parts of all entities, in no particular order. A sequence that cannot go
	// on ends with an error, which comes with a zero Part. Whoever writes meanwhile does not
	// wait for whoever consumes the sequence; whether it has what is written meanwhile is left
	// open. It may be ended early, and may be used again: then it starts over.
	Parts(ctx context.Context) iter.Seq2[Part, error]
}
