package store

import (
	"context"
	"fmt"
)

// A Version is one of the states that the value of an entity has had in a store. Only
// the store can make sense of it: whoever holds one passes it back as it was. The zero
// value is the version of an entity of which nothing has ever been stored.
type Version uint64

// A Value is what is stored of a value entity.
type Value struct {
	// Data is an encoded google.protobuf.Any, and belongs to the receiver.
	Data []byte
	// Exists says that there is a value. If not, there never was one, or it has been
	// deleted.
	Exists bool
	// Version is the version of this value, or of its absence: a deletion leads to a
	// version like any other write, so that a writer that has not seen it is refused.
	Version Version
}

// A Write is a change of a value, apart from what it changes.
type Write struct {
	// Key is the entity.
	Key Key
	// Expected is the version that the writer knows. It comes from the store: from Get,
	// from an earlier write, or from a VersionError.
	Expected Version
	// OpID makes the outcome decidable. Required.
	OpID OpID
}

// Validate returns an error if a store must refuse w for its content alone.
// Implementations of [Values] call it first.
func (w Write) Validate() error {
	if w.OpID == (OpID{}) {
		return fmt.Errorf("write %v: the operation id is zero, want a random one; without it an unknown outcome cannot be resolved", w.Key)
	}
	return nil
}

// Values keeps one value for each entity. Its methods may be called concurrently.
//
// The outcomes of a write are those of an append to a [Journal]. When Put or Delete
// return without error, the write is as durable as the store makes it, and each later
// Get sees it. A *VersionError means that Expected is not the version that is stored:
// nothing was changed. An error that matches ErrUnknown means that the write may or may
// not be stored, now or a little later: ask ResolveWrite. A context that ends while the
// store is at work is such a case. After any other error nothing was changed and nothing
// will be.
type Values interface {
	// Get returns what is stored of an entity. Everything that was stored before it was
	// called is seen.
	Get(ctx context.Context, key Key) (Value, error)

	// Put replaces the value of an entity, whether there was one or not, and returns
	// the new version. The store does not keep the slice that it is given, an encoded
	// google.protobuf.Any.
	Put(ctx context.Context, w Write, value []byte) (Version, error)

	// Delete removes the value of an entity, if there is one, and returns the new
	// version, which the store keeps for good.
	Delete(ctx context.Context, w Write) (Version, error)

	// ResolveWrite tells whether a write was stored, and if so, the version that it led
	// to. A *VersionError means that another write has been stored since Expected, and
	// that the store does not know any more whether it was this one that came before: a
	// store remembers at least the newest operation of each entity.
	//
	// The answer is final: a write that is reported as not stored is never stored
	// afterwards, unless it is asked for again. A store that does not know yet returns
	// another error.
	ResolveWrite(ctx context.Context, w Write) (Version, bool, error)
}

// A VersionError says that another writer has changed the value of an entity in the
// meantime.
type VersionError struct {
	// Key is the entity.
	Key Key
	// Expected is the version that the refused write named.
	Expected Version
	// Actual is the version that the store has.
	Actual Version
}

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("write %v: the store has version %d, but the writer expected version %d; load the entity again", e.Key, e.Actual, e.Expected)
}
