package store

import (
	"context"
	"errors"
	"fmt"
)

// A Key names an entity. Both parts may contain any characters: a store must keep
// ("a", "b|c") and ("a|b", "c") apart.
type Key struct {
	// Type is the namespace of the entity type, its persistence id.
	Type string
	// ID is the entity.
	ID string
}

// String returns the key in a form for logs and errors.
func (k Key) String() string {
	return fmt.Sprintf("%s %q", k.Type, k.ID)
}

// A Head is the end of the journal of an entity. The zero value is the head of an
// entity that has no events.
type Head struct {
	// Seq is the number of the newest event. Events are numbered from 1 without
	// gaps.
	Seq uint64
	// Token is for the store alone: whoever holds a head passes it back as it was.
	Token uint64
}

// An OpID names one append, or one write of a value. Whoever writes chooses one at
// random, such as a UUID of version 4.
type OpID [16]byte

// An Append is a request to store the events of one command, all or none.
type Append struct {
	// Key is the entity.
	Key Key
	// Expected is the head that the writer knows. It comes from the store: from
	// Load, from an earlier append, or from a ConflictError.
	Expected Head
	// Events are the new events in order, each an encoded google.protobuf.Any. At
	// least one. The first gets the number Expected.Seq + 1.
	Events [][]byte
	// Snapshot is the state after these events, an encoded google.protobuf.Any, and
	// is stored atomically with them. Nil for none.
	Snapshot []byte
	// OpID makes the outcome decidable. Required.
	OpID OpID
}

// Validate returns an error if a journal must refuse a for its content alone.
// Implementations of [Journal] call it first.
func (a Append) Validate() error {
	if len(a.Events) == 0 {
		return fmt.Errorf("append to %v: there are no events, want at least one; a snapshot is stored only together with events", a.Key)
	}
	if a.OpID == (OpID{}) {
		return fmt.Errorf("append to %v: the operation id is zero, want a random one; without it an unknown outcome cannot be resolved", a.Key)
	}
	return nil
}

// A Record is a snapshot or an event of a journal.
type Record struct {
	// Seq is the number of the event, or of the last event that the snapshot
	// contains.
	Seq uint64
	// Snapshot says that this is a snapshot.
	Snapshot bool
	// Data is an encoded google.protobuf.Any. It belongs to the receiver.
	Data []byte
}

// A Journal keeps events and snapshots. Its methods may be called concurrently,
// and none of them waits for the callback of a Load that is under way.
type Journal interface {
	// Append stores events and returns the new head. When it returns without error,
	// they are as durable as the store makes them, and each later Load sees them.
	//
	// A *ConflictError means that Expected is not the head: nothing was stored. An
	// error that matches ErrUnknown means that the events may or may not be stored,
	// now or a little later: ask Resolve. A context that ends while the store is at
	// work is such a case. After any other error nothing was stored and nothing will
	// be.
	//
	// The journal does not keep the slices that it is given.
	Append(ctx context.Context, a Append) (Head, error)

	// Resolve tells whether an append was stored, and if so, the head that it
	// led to, which need not be the newest. A journal remembers an operation for as
	// long as its events.
	//
	// The answer is final: an append that is reported as not stored is never stored
	// afterwards, unless it is asked for again. A store that does not know yet
	// returns an error.
	Resolve(ctx context.Context, key Key, op OpID) (Head, bool, error)

	// Load calls fn with the newest snapshot, if there is one, and then with each
	// event after it, in order. It returns the head that it has reached: that of the
	// last record, or the zero Head if there was none. Everything that was stored
	// before Load was called is seen; of an append that happens meanwhile all or
	// nothing.
	//
	// fn may take its time: Load reads as fn consumes, and does not gather a long
	// journal in memory. An error of fn ends Load, which returns it.
	Load(ctx context.Context, key Key, fn func(Record) error) (Head, error)
}

// ErrUnknown says that nobody knows yet whether an append or a write was stored.
var ErrUnknown = errors.New("the outcome is unknown, ask the store to resolve it")

// A ConflictError says that another writer has appended in the meantime.
type ConflictError struct {
	// Key is the entity.
	Key Key
	// Expected is the head that the refused append named.
	Expected Head
	// Actual is the head that the journal has.
	Actual Head
}

// Error names both heads.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("append to %v: the journal is at event %d (token %d), but the writer expected event %d (token %d); load the entity again",
		e.Key, e.Actual.Seq, e.Actual.Token, e.Expected.Seq, e.Expected.Token)
}
