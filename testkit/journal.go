package testkit

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// journal remembers every event that was ever stored, because a store need not return
// those before the newest snapshot.
type journal struct {
	store.Journal

	mu     sync.Mutex
	events map[store.Key][]*anypb.Any
}

func newJournal(j store.Journal) *journal {
	return &journal{Journal: j, events: map[store.Key][]*anypb.Any{}}
}

// Append stores events, and remembers them if they were stored.
func (j *journal) Append(ctx context.Context, a store.Append) (store.Head, error) {
	events := make([]*anypb.Any, 0, len(a.Events))
	for i, data := range a.Events {
		event := &anypb.Any{}
		if err := proto.Unmarshal(data, event); err != nil { //nolint:forbidigo // the proxy has encoded it
			return store.Head{}, fmt.Errorf("testkit: event %d of an append to %v: %w", i+1, a.Key, err)
		}
		events = append(events, event)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	head, err := j.Journal.Append(ctx, a)
	if err == nil {
		j.events[a.Key] = append(j.events[a.Key], events...)
	}
	return head, err
}

// Events returns copies of all events of an entity as they are stored, in order. The first
// has the sequence number 1.
func (k *Kit) Events(persistenceID, id string) []*anypb.Any {
	k.tb.Helper()
	k.requirePersistenceID(persistenceID, eventsourcedpb.EventSourced_ServiceDesc.ServiceName)
	k.journal.mu.Lock()
	defer k.journal.mu.Unlock()
	stored := k.journal.events[store.Key{Type: persistenceID, ID: id}]
	events := make([]*anypb.Any, 0, len(stored))
	for _, e := range stored {
		events = append(events, proto.CloneOf(e))
	}
	return events
}

// RequireEvents fails the test at once unless the journal of an entity has exactly these
// events, in this order. It shows the difference.
//
// An event is what was emitted: a protobuf message, a primitive, or a value that is stored
// as JSON, of which the document counts. An *anypb.Any is an event as it is stored.
func (k *Kit) RequireEvents(persistenceID, id string, want ...any) {
	k.tb.Helper()
	stored := k.Events(persistenceID, id)
	found := make([]any, 0, len(stored))
	for _, event := range stored {
		found = append(found, event)
	}
	requireSame(k.tb, fmt.Sprintf("the journal of %s %q", persistenceID, id), k.describeAll(want), k.describeAll(found))
}

// describeAll describes values. It fails the test at once if one of them cannot be.
func (k *Kit) describeAll(values []any) []string {
	k.tb.Helper()
	texts := make([]string, 0, len(values))
	for i, value := range values {
		text, err := describe(value)
		if err != nil {
			k.tb.Fatalf("testkit: value %d: %v", i+1, err)
		}
		texts = append(texts, text)
	}
	return texts
}
