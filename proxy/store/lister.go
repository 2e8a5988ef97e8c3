package store

import (
	"context"
	"iter"
	"time"
)

// A Lister tells what a store has, for operators and tools. A proxy does not need it to run.
// Its methods may be called concurrently, and a store that is written to meanwhile does not
// wait for whoever consumes a sequence; whether the sequence has what is written meanwhile
// is left open.
//
// A sequence that cannot go on ends with an error, which comes with a zero element. It may
// be ended early, and may be used again: then it starts over.
type Lister interface {
	// Types returns the types of all entities that have events or a value, deleted or not,
	// each once, in bytewise order.
	Types(ctx context.Context) ([]string, error)

	// Journals lists the entities of a type that have events, in bytewise order of their
	// ids. It starts with the first one whose id is not less than from; an empty string is
	// the start of all.
	Journals(ctx context.Context, typ, from string) iter.Seq2[JournalInfo, error]

	// Events lists the events of an entity in order, from the one that has the number from,
	// or else the first one after it that the store still has. Unlike a Load it has those
	// from before the newest snapshot, too.
	Events(ctx context.Context, key Key, from uint64) iter.Seq2[Event, error]

	// ListValues lists the entities of a type that have a value or have had one, in the way
	// of Journals.
	ListValues(ctx context.Context, typ, from string) iter.Seq2[ValueInfo, error]
}

// A JournalInfo tells of the journal of an entity.
type JournalInfo struct {
	// Key is the entity.
	Key Key
	// Seq is the number of the newest event, at least 1.
	Seq uint64
	// Snapshot is the number of the last event that the newest snapshot contains, or zero
	// if there is no snapshot.
	Snapshot uint64
	// Updated is when the newest event was stored, by the clock of the store.
	Updated time.Time
}

// A ValueInfo tells of the value of an entity.
type ValueInfo struct {
	// Key is the entity.
	Key Key
	// Exists says that there is a value. If not, it has been deleted.
	Exists bool
	// Version is that of the value, or of its absence.
	Version Version
	// Updated is when it was written or deleted, by the clock of the store.
	Updated time.Time
}

// An Event is an event in the journal of an entity.
type Event struct {
	// Seq is its number.
	Seq uint64
	// Time is when it was stored, by the clock of the store.
	Time time.Time
	// Data is an encoded google.protobuf.Any, and belongs to the receiver.
	Data []byte
}
