package testkit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// settleTimeout is how long Settle waits.
const settleTimeout = 10 * time.Second

// Settle waits until the methods that consume events have handled all that there are, and
// those that they have led to. It fails the test at once if that does not happen within 10
// seconds. It does not wait for side effects; [Kit.Await] does, and synctest.Wait in a bubble.
func (k *Kit) Settle() {
	k.tb.Helper()
	deadline := time.NewTimer(settleTimeout)
	defer deadline.Stop()
	for {
		changed := k.positions.watch()
		pending, err := k.pending()
		if err != nil {
			k.tb.Fatalf("testkit: %v", err)
		}
		if pending == "" && !isClosed(changed) { // nobody has done anything meanwhile
			return
		}
		if pending == "" {
			continue
		}
		select {
		case <-changed:
		case <-deadline.C:
			k.tb.Fatalf("testkit: events are not handled within %v: %s", settleTimeout, pending)
			return
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// pending names a consumer that has something to do; "" for none.
func (k *Kit) pending() (string, error) {
	for _, consumer := range k.consumers {
		position, err := k.proxy.Eventing.Consumers.LoadPosition(k.context(), consumer)
		if err != nil {
			return "", err
		}
		more, err := k.hasMore(consumer, position)
		if err != nil {
			return "", fmt.Errorf("read what %v consumes: %w", consumer, err)
		}
		if more {
			return fmt.Sprintf("%v has come to offset %d, and has tried the next event %d times", consumer, position.Offset, position.Attempts), nil
		}
	}
	return "", nil
}

// hasMore reports whether there is something for a consumer. Topics of a broker of the test's
// own do not count.
func (k *Kit) hasMore(consumer store.Consumer, position store.Position) (bool, error) {
	if consumer.Kind == store.EventLogSource {
		events, err := k.proxy.Eventing.EventLog.ReadEvents(k.context(), consumer.Source, position.Offset, 1)
		return len(events) > 0, err
	}
	if k.proxy.Eventing.Topics == nil {
		return false, nil
	}
	messages, err := k.proxy.Eventing.Topics.ReadTopic(k.context(), consumer.Source, position.Offset, 1)
	return len(messages) > 0, err
}

// consumersOf returns the consumers that the methods of a component are.
func consumersOf(d *component.Declaration) []store.Consumer {
	var found []store.Consumer
	for i := range d.Descriptor.Methods().Len() {
		eventing, _ := proto.GetExtension(d.Descriptor.Methods().Get(i).Options(), annotations.E_Eventing).(*annotations.Eventing)
		in := eventing.GetIn()
		consumer := store.Consumer{Service: d.Service.ServiceName, Group: cmp.Or(in.GetConsumerGroup(), d.Service.ServiceName)}
		switch {
		case in.GetTopic() != "":
			consumer.Kind, consumer.Source = store.TopicSource, in.GetTopic()
		case in.GetEventLog() != "":
			consumer.Kind, consumer.Source = store.EventLogSource, in.GetEventLog()
		default:
			continue
		}
		if !slices.Contains(found, consumer) {
			found = append(found, consumer)
		}
	}
	return found
}

// positions are consumers' positions that can be watched.
type positions struct {
	store.Consumers

	mu      sync.Mutex
	changed chan struct{} // closed at the next change; nil if nobody waits
}

// watch returns a channel that is closed when a position changes.
func (p *positions) watch() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

// SavePosition saves a position.
func (p *positions) SavePosition(ctx context.Context, consumer store.Consumer, position store.Position) error {
	err := p.Consumers.SavePosition(ctx, consumer, position)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
	return err
}
