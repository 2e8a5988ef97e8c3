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
// those before the newest snapshot. It also lets the journal of an entity begin with a
// snapshot, of which the store does not know: there, the events after it are numbered from 1.
type journal struct {
	store.Journal

	mu        sync.Mutex
	histories map[store.Key]history
}

// A history is all that is known of the journal of an entity. Its events are not changed.
type history struct {
	snapshot *anypb.Any // that it begins with, or nil
	before   int64      // the number of events in that
	given    int64      // likewise, if the store does not know of it
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
	h := j.histories[a.Key]
	h.previous = a.Expected
	a.Expected = h.inStore(a.Expected)
	head, err := j.Journal.Append(ctx, a)
	if err == nil {
		h.events = append(h.events, events...)
		j.histories[a.Key] = h
	}
	return h.outside(head), err
}

// inStore returns a head as the store knows it, and outside one as the proxy does.
func (h *history) inStore(head store.Head) store.Head {
	head.Seq -= min(head.Seq, uint64(h.given)) //nolint:gosec // it is positive
	return head
}

func (h *history) outside(head store.Head) store.Head {
	head.Seq += uint64(h.given) //nolint:gosec // it is positive
	return head
}

// Resolve tells whether an append was stored.
func (j *journal) Resolve(ctx context.Context, key store.Key, op store.OpID) (store.Head, bool, error) {
	h, _ := j.history(key)
	head, stored, err := j.Journal.Resolve(ctx, key, op)
	return h.outside(head), stored, err
}

// Load loads an entity, and remembers what the store had before the test.
func (j *journal) Load(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error) {
	h, known := j.history(key)
	begun := h.given == 0 // with the given snapshot, or one that the store has
	begin := func() error {
		if begun {
			return nil
		}
		begun = true
		data, err := proto.Marshal(h.snapshot)
		if err != nil {
			return err
		}
		return fn(store.Record{Seq: uint64(h.given), Snapshot: true, Data: data}) //nolint:gosec // it is positive
	}
	var before history
	head, err := j.Journal.Load(ctx, key, func(record store.Record) error {
		if !known {
			if err := before.add(record); err != nil {
				return fmt.Errorf("testkit: record %d of %v: %w", record.Seq, key, err)
			}
		}
		begun = begun || record.Snapshot
		if err := begin(); err != nil {
			return err
		}
		record.Seq += uint64(h.given) //nolint:gosec // it is positive
		return fn(record)
	})
	if err == nil {
		err = begin()
	}
	if err == nil && !known {
		j.remember(key, before)
	}
	return h.outside(head), err
}

// remember remembers what a store had before the test.
func (j *journal) remember(key store.Key, before history) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.histories[key]; !known {
		j.histories[key] = before
	}
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
