package store

import (
	"context"
	"fmt"
	"time"
)

// A SourceKind says what a consumer consumes.
type SourceKind string

// The kinds of sources, by their names in the protocol.
const (
	// EventLogSource is the event log of a type of entities.
	EventLogSource SourceKind = "event_log"
	// TopicSource is a topic.
	TopicSource SourceKind = "topic"
)

// A Consumer names who consumes what. Each consumer gets all events of its source. All
// parts may contain any characters.
type Consumer struct {
	// Kind and Source are what is consumed: the name of a topic, or the persistence id
	// whose events are in the log.
	Kind   SourceKind
	Source string
	// Service is the full name of the service whose methods consume it.
	Service string
	// Group is the consumer group.
	Group string
}

// String returns the consumer in a form for logs and errors.
func (c Consumer) String() string {
	if c.Group == c.Service {
		return fmt.Sprintf("%s of %s %q", c.Service, c.Kind, c.Source)
	}
	return fmt.Sprintf("%s of %s %q in group %q", c.Service, c.Kind, c.Source, c.Group)
}

// A Position is how far a consumer has come. The zero value is that of one that has not
// begun.
type Position struct {
	// Offset is that of the last event that has been dealt with.
	Offset uint64
	// Attempts is how often the event after that has failed.
	Attempts int
}

// A DeadLetter is an event that its consumer has given up.
type DeadLetter struct {
	// ID names the dead letter. The store gives it: from 1, and higher than all before.
	ID uint64
	// Consumer is who has given up.
	Consumer Consumer
	// Event is the encoded event. It belongs to the receiver.
	Event []byte
	// Attempts is how often it was delivered.
	Attempts int
	// Reason is why it failed the last time.
	Reason string
	// Time is when it was given up, to the millisecond at least.
	Time time.Time
}

// Consumers keep how far consumers have come, and what they could not handle. The
// methods may be called concurrently, but only one writer at a time has a consumer.
//
// When a method that writes returns without error, what it has written is as durable as the
// store makes it. After an error it may be stored or not, now or a little later, but not
// after a later write of the same consumer. The store keeps none of the slices that it is given.
type Consumers interface {
	// LoadPosition returns the position that was saved last, or the zero Position.
	LoadPosition(ctx context.Context, consumer Consumer) (Position, error)

	// SavePosition replaces the position of a consumer, whatever it was.
	SavePosition(ctx context.Context, consumer Consumer, position Position) error

	// AddDeadLetter stores a dead letter, gives it an ID, whatever it has in the field,
	// and returns that.
	AddDeadLetter(ctx context.Context, letter DeadLetter) (uint64, error)

	// DeadLetters returns the first dead letters of all consumers whose ID is higher
	// than after: at most limit, which is positive.
	DeadLetters(ctx context.Context, after uint64, limit int) ([]DeadLetter, error)

	// RemoveDeadLetter removes a dead letter, and does nothing if there is none. No other
	// one ever gets its ID.
	RemoveDeadLetter(ctx context.Context, id uint64) error
}
