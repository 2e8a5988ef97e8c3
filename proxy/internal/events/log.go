package events

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// Positions are saved after so many events, or after so long, or when there is nothing more
// to do, whichever comes first (protocol section 9.2).
const (
	saveEvery = 20
	saveAfter = time.Second
)

// A log has events with offsets, in order.
type log interface {
	// read returns the first events whose offset is higher, at most limit. With an error
	// it returns those before what cannot be read.
	read(ctx context.Context, after uint64, limit int) ([]logged, error)
	// watch returns a channel that is closed when there may be more.
	watch() <-chan struct{}
}

// logged is an event of a log.
type logged struct {
	offset uint64
	event  eventing.Event
}

// A cursor is where a consumer is in a log of a store. It is an [eventing.Subscription] for
// topics, and for event logs as well.
type cursor struct {
	consumer store.Consumer
	log      log
	store    store.Consumers

	read     []logged       // and not yet received; the first is the one in hand, if inHand
	inHand   bool           // it was received, and not acknowledged
	position store.Position // of what was acknowledged
	unsaved  int            // how much of that is not yet saved
	savedAt  time.Time
}

// newCursor returns a cursor where the consumer has left off.
func newCursor(ctx context.Context, log log, consumer store.Consumer, in store.Consumers) (*cursor, error) {
	position, err := in.LoadPosition(ctx, consumer)
	if err != nil {
		return nil, fmt.Errorf("load the position of %v: %w", consumer, err)
	}
	return &cursor{consumer: consumer, log: log, store: in, position: position, savedAt: time.Now()}, nil
}

// Receive implements [eventing.Subscription].
func (c *cursor) Receive(ctx context.Context) (eventing.Delivery, error) {
	for len(c.read) == 0 {
		if err := c.save(ctx); err != nil {
			return eventing.Delivery{}, err
		}
		changed := c.log.watch()
		read, err := c.log.read(ctx, c.position.Offset, saveEvery)
		if c.read = read; len(read) > 0 {
			break
		}
		if err != nil {
			return eventing.Delivery{}, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return eventing.Delivery{}, ctx.Err()
		}
	}
	c.inHand = true
	return eventing.Delivery{Event: c.read[0].event, Attempts: c.position.Attempts}, nil
}

// Retry implements [eventing.Subscription].
func (c *cursor) Retry(ctx context.Context, attempts int) error {
	c.position.Attempts = attempts
	c.unsaved++
	return c.save(ctx)
}

// Ack implements [eventing.Subscription].
func (c *cursor) Ack(ctx context.Context) error {
	if !c.inHand {
		return fmt.Errorf("acknowledge an event to %v: none was received since the last one", c.consumer)
	}
	c.position = store.Position{Offset: c.read[0].offset}
	c.read[0] = logged{} // for the garbage collector
	c.read, c.inHand = c.read[1:], false
	c.unsaved++
	if c.unsaved < saveEvery && time.Since(c.savedAt) < saveAfter {
		return nil
	}
	return c.save(ctx)
}

// Close implements [eventing.Subscription].
func (c *cursor) Close(ctx context.Context) error {
	return c.save(ctx)
}

// save saves the position, unless it is saved.
func (c *cursor) save(ctx context.Context) error {
	if c.unsaved == 0 {
		return nil
	}
	if err := c.store.SavePosition(ctx, c.consumer, c.position); err != nil {
		return fmt.Errorf("save the position of %v: %w", c.consumer, err)
	}
	c.unsaved, c.savedAt = 0, time.Now()
	return nil
}

// An eventLog is the event log of a type of entities.
type eventLog struct {
	persistenceID string
	log           store.EventLog
}

func (l eventLog) watch() <-chan struct{} { return l.log.WatchEvents(l.persistenceID) }

func (l eventLog) read(ctx context.Context, after uint64, limit int) ([]logged, error) {
	stored, err := l.log.ReadEvents(ctx, l.persistenceID, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read the event log of %q: %w", l.persistenceID, err)
	}
	events := make([]logged, len(stored))
	for i, s := range stored {
		payload := &anypb.Any{}
		if err := proto.Unmarshal(s.Data, payload); err != nil { //nolint:forbidigo // a message of the protocol
			return events[:i], fmt.Errorf("read the event log of %q: event %d, of %q, is no google.protobuf.Any: %w", l.persistenceID, s.Offset, s.EntityID, err)
		}
		events[i] = logged{offset: s.Offset, event: eventing.Event{ // protocol section 9.3
			ID:              strconv.FormatUint(s.Offset, 10),
			Source:          l.persistenceID,
			SpecVersion:     eventing.SpecVersion,
			Type:            payload.GetTypeUrl(),
			DataContentType: eventing.AnyContentType,
			Subject:         s.EntityID,
			Data:            payload.GetValue(),
		}}
	}
	return events, nil
}

// A topicLog is a topic in a store.
type topicLog struct {
	topic  string
	topics store.Topics
}

func (l topicLog) watch() <-chan struct{} { return l.topics.WatchTopic(l.topic) }

func (l topicLog) read(ctx context.Context, after uint64, limit int) ([]logged, error) {
	stored, err := l.topics.ReadTopic(ctx, l.topic, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read the topic %q: %w", l.topic, err)
	}
	events := make([]logged, len(stored))
	for i, s := range stored {
		events[i].offset = s.Offset
		if err := events[i].event.UnmarshalBinary(s.Data); err != nil {
			return events[:i], fmt.Errorf("read the topic %q: message %d: %w", l.topic, s.Offset, err)
		}
	}
	return events, nil
}
