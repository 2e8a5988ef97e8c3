package events

import (
	"context"
	"fmt"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A DeadLetter is an event that a consumer has given up.
type DeadLetter struct {
	store.DeadLetter

	// Event is the event, in place of its bytes.
	Event eventing.Event
}

// bury puts an event among the dead letters, and reports that.
func (c *consumer) bury(ctx context.Context, event eventing.Event, attempts int, reason error) error {
	encoded, err := event.MarshalBinary()
	if err != nil {
		return fmt.Errorf("%s of %v has failed for good, but cannot be kept as a dead letter: %w; it has failed because of: %w", describe(event), c.Consumer.Consumer, err, reason)
	}
	id, err := c.config.Store.AddDeadLetter(ctx, store.DeadLetter{
		Consumer: c.Consumer.Consumer, Event: encoded, Attempts: attempts, Reason: reason.Error(), Time: time.Now(),
	})
	if err != nil {
		return fmt.Errorf("%s of %v has failed for good, but could not be kept as a dead letter: %w; it has failed because of: %w", describe(event), c.Consumer.Consumer, err, reason)
	}
	c.report(ctx, &event, fmt.Errorf("attempt %d to handle %s of %v has failed, the last one; it is now dead letter %d, which can be delivered again: %w", attempts, describe(event), c.Consumer.Consumer, id, reason))
	return nil
}

// DeadLetters returns the first dead letters whose id is higher, at most limit. It
// fails if one of them cannot be decoded.
func DeadLetters(ctx context.Context, in store.Consumers, after uint64, limit int) ([]DeadLetter, error) {
	stored, err := in.DeadLetters(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read the dead letters: %w", err)
	}
	letters := make([]DeadLetter, len(stored))
	for i, s := range stored {
		letters[i].DeadLetter = s
		if err := letters[i].Event.UnmarshalBinary(s.Event); err != nil {
			return nil, fmt.Errorf("read dead letter %d: %w; discard it, or read those after it", s.ID, err)
		}
	}
	return letters, nil
}

// Redeliver delivers a dead letter once more to its consumer, whatever that is doing
// meanwhile, and removes it if it was handled. It is aborted when life ends.
func (c *Consumers) Redeliver(ctx context.Context, id uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer c.atEnd(cancel)()
	letters, err := DeadLetters(ctx, c.config.Store, max(id, 1)-1, 1)
	if err != nil {
		return err
	}
	if len(letters) == 0 || letters[0].ID != id {
		return fmt.Errorf("there is no dead letter %d", id)
	}
	letter := letters[0]
	consumer := c.consumers[letter.Consumer]
	if consumer == nil {
		return fmt.Errorf("dead letter %d is for the consumer %v, which the user function does not have any more; add it, or publish the event to a topic that is consumed", id, letter.Consumer)
	}
	if err := consumer.deliver(ctx, letter.Event); err != nil {
		return fmt.Errorf("dead letter %d was not handled: %w", id, err)
	}
	if err := c.config.Store.RemoveDeadLetter(ctx, id); err != nil {
		return fmt.Errorf("dead letter %d was handled, but could not be removed: %w", id, err)
	}
	return nil
}
