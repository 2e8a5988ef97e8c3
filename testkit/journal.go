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

	mu        sync.Mutex
	histories map[store.Key]history
}

// A history is all that is known of the journal of an entity. Its events are not changed.
type history struct {
	snapshot *anypb.Any // that it begins with, or nil
	before   int64      // the number of events in that
	events   []*anypb.Any
	previous store.Head // before the last append
}

func newJournal(j store.Journal) *journal {
	return &journal{Journal: j, histories: map[store.Key]history{}}
}

// Append stores events, and remembers them if they were stored.
func (j *journal) Append(ctx context.Context, a store.Append) (store.Head, error) {
	events := make([]*anypb.Any, 0, len(a.Events))
	for i, data := range a.Events {
		event, err := decodeAny(data)
		if err != nil {
			return store.Head{}, fmt.Errorf("testkit: event %d of an append to %v: %w", i+1, a.Key, err)
		}
		events = append(events, event)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	head, err := j.Journal.Append(ctx, a)
	if err == nil {
		h := j.histories[a.Key]
		h.events, h.previous = append(h.events, events...), a.Expected
		j.histories[a.Key] = h
	}
	return head, err
}

// Load loads an entity, and remembers what the store had before the test.
func (j *journal) Load(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error) {
	_, known := j.history(key)
	var before history
	head, err := j.Journal.Load(ctx, key, func(record store.Record) error {
		if !known {
			if err := before.add(record); err != nil {
				return fmt.Errorf("testkit: record %d of %v: %w", record.Seq, key, err)
			}
		}
		return fn(record)
	})
	if known || err != nil {
		return head, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.histories[key]; !known {
		j.histories[key] = before
	}
	return head, nil
}

func (h *history) add(record store.Record) error {
	stored, err := decodeAny(record.Data)
	switch {
	case err != nil:
		return err
	case record.Snapshot:
		h.snapshot, h.before = stored, int64(record.Seq) //nolint:gosec // a journal of 2^63 events does not exist
	default:
		h.events = append(h.events, stored)
	}
	return nil
}

// history returns what is known of an entity, and whether anything is.
func (j *journal) history(key store.Key) (history, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	h, known := j.histories[key]
	return h, known
}

func decodeAny(data []byte) (*anypb.Any, error) {
	stored := &anypb.Any{}
	return stored, proto.Unmarshal(data, stored) //nolint:forbidigo // the proxy has encoded it
}

// Events returns copies of all events of an entity as they are stored, in order. The first
// has the sequence number 1, unless there was a snapshot before it (see [Snapshot]).
func (k *Kit) Events(persistenceID, id string) []*anypb.Any {
	k.tb.Helper()
	k.require(persistenceID, eventsourcedpb.EventSourced_ServiceDesc.ServiceName)
	key := store.Key{Type: persistenceID, ID: id}
	if _, err := k.journal.Load(k.context(), key, func(store.Record) error { return nil }); err != nil {
		k.tb.Fatalf("testkit: read the journal of %v: %v", key, err)
	}
	stored, _ := k.journal.history(key)
	events := make([]*anypb.Any, 0, len(stored.events))
	for _, e := range stored.events {
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
	requireStored(k.tb, fmt.Sprintf("the journal of %s %q", persistenceID, id), want, k.Events(persistenceID, id)...)
}
