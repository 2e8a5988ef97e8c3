package store

import "context"

// A LoggedEvent is an event in the log of all entities of a type.
type LoggedEvent struct {
	// Offset is the place of the event in the log, from 1. It grows from one event to the
	// next, and may leave gaps.
	Offset uint64
	// EntityID is the entity that has emitted the event.
	EntityID string
	// Data is an encoded google.protobuf.Any. It belongs to the receiver.
	Data []byte
}

// An EventLog reads the events of a [Journal] across entities, in one order for all
// entities of a type. Its methods may be called concurrently.
//
// Each event gets its offset when it is stored, and never another one. The events of one
// entity keep their order. An event does not appear below one that has been read:
// whoever has read everything up to an offset, and goes on from there, misses nothing. A
// store whose transactions become visible out of order has to hold back what comes after
// a gap that may still be filled.
type EventLog interface {
	// ReadEvents returns the first events of all entities of a type, which is a
	// persistence id, whose offset is higher than after: at most limit, which is
	// positive, and none if there are none yet. Everything that was stored before it
	// was called is seen.
	ReadEvents(ctx context.Context, persistenceID string, after uint64, limit int) ([]LoggedEvent, error)

	// WatchEvents returns a channel that is closed, soon, when an event of the type has
	// been stored since WatchEvents was called. It may be closed without that. Whoever
	// reads after it was called, and finds nothing, can wait for it.
	WatchEvents(persistenceID string) <-chan struct{}
}
