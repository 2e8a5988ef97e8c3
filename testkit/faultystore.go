package testkit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// faultyJournal is a journal with faults on demand.
type faultyJournal struct {
	*journal

	injected *injected

	mu    sync.Mutex
	stale map[store.Key]bool // entities that were loaded in a state of before
}

func newFaultyJournal(j *journal, i *injected) *faultyJournal {
	return &faultyJournal{journal: j, injected: i, stale: map[store.Key]bool{}}
}

// Append stores events, or not.
func (j *faultyJournal) Append(ctx context.Context, a store.Append) (store.Head, error) {
	conflict := &store.ConflictError{Key: a.Key, Expected: a.Expected, Actual: store.Head{Seq: a.Expected.Seq + 1}}
	head, err := write(j.injected, a.Key, func() (store.Head, error) { return j.journal.Append(ctx, a) }, conflict)
	if errors.As(err, &conflict) && j.isStale(a.Key) {
		err = fmt.Errorf("%w: %w", errInjected, err)
	}
	return head, err
}

func (j *faultyJournal) isStale(key store.Key) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stale[key]
}

func (j *faultyJournal) setStale(key store.Key, stale bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stale[key] = stale
}

// Resolve tells whether an append was stored, or fails.
func (j *faultyJournal) Resolve(ctx context.Context, key store.Key, op store.OpID) (store.Head, bool, error) {
	if j.injected.take(ResolveFails) != 0 {
		return store.Head{}, false, fmt.Errorf("resolve an append to %v: %w", key, errInjected)
	}
	return j.journal.Resolve(ctx, key, op)
}

// Load loads an entity, as far as faults allow.
func (j *faultyJournal) Load(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error) {
	switch j.injected.take(ReadFails, ReadIncomplete, ReadStale) {
	case ReadFails:
		return store.Head{}, fmt.Errorf("read %v: %w", key, errInjected)
	case ReadIncomplete:
		return j.loadIncomplete(ctx, key, fn)
	case ReadStale:
		return j.loadStale(ctx, key, fn)
	default:
		j.setStale(key, false)
		return j.journal.Load(ctx, key, fn)
	}
}

// loadIncomplete leaves out the first event.
func (j *faultyJournal) loadIncomplete(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error) {
	left := false
	head, err := j.journal.Load(ctx, key, func(record store.Record) error {
		if !record.Snapshot && !left {
			left = true
			return nil
		}
		if err := fn(record); err != nil {
			return fmt.Errorf("%w: %w", errInjected, err)
		}
		return nil
	})
	if err == nil && head.Seq == 1 { // there was nothing after it that would show the gap
		err = fmt.Errorf("%w: event 1 is missing", errInjected)
	}
	return head, err
}

// loadStale returns what the journal was before the last append. The store itself cannot, as
// it may have a newer snapshot.
func (j *faultyJournal) loadStale(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error) {
	if _, err := j.journal.Load(ctx, key, func(store.Record) error { return nil }); err != nil {
		return store.Head{}, err
	}
	j.setStale(key, true)
	known, _ := j.history(key)
	var records []store.Record
	add := func(seq int64, stored *anypb.Any) error {
		data, err := proto.Marshal(stored)
		records = append(records, store.Record{Seq: uint64(seq), Data: data}) //nolint:gosec // it is positive
		return err
	}
	if known.snapshot != nil {
		if err := add(known.before, known.snapshot); err != nil {
			return store.Head{}, err
		}
		records[0].Snapshot = true
	}
	for i, event := range known.events {
		if err := add(known.before+int64(i)+1, event); err != nil {
			return store.Head{}, err
		}
	}
	for _, record := range records {
		if record.Seq > known.previous.Seq {
			break
		}
		if err := fn(record); err != nil {
			return store.Head{}, err
		}
	}
	return known.previous, nil
}

// faultyValues are values with faults on demand.
type faultyValues struct {
	store.Values

	injected *injected
}

// Get returns what is stored of an entity, or fails.
func (v *faultyValues) Get(ctx context.Context, key store.Key) (store.Value, error) {
	if v.injected.take(ReadFails) != 0 {
		return store.Value{}, fmt.Errorf("read %v: %w", key, errInjected)
	}
	return v.Values.Get(ctx, key)
}

// Put stores a state, or not.
func (v *faultyValues) Put(ctx context.Context, w store.Write, value []byte) (store.Version, error) {
	return write(v.injected, w.Key, func() (store.Version, error) { return v.Values.Put(ctx, w, value) }, conflict(w))
}

// Delete deletes a state, or does not.
func (v *faultyValues) Delete(ctx context.Context, w store.Write) (store.Version, error) {
	return write(v.injected, w.Key, func() (store.Version, error) { return v.Values.Delete(ctx, w) }, conflict(w))
}

// ResolveWrite tells whether a write was stored, or fails.
func (v *faultyValues) ResolveWrite(ctx context.Context, w store.Write) (store.Version, bool, error) {
	if v.injected.take(ResolveFails) != 0 {
		return 0, false, fmt.Errorf("resolve a write of %v: %w", w.Key, errInjected)
	}
	return v.Values.ResolveWrite(ctx, w)
}

func conflict(w store.Write) error {
	return &store.VersionError{Key: w.Key, Expected: w.Expected, Actual: w.Expected + 1}
}

// write does a write, or a fault.
func write[R any](i *injected, key store.Key, do func() (R, error), conflict error) (R, error) {
	var none R
	switch i.take(WriteFails, WriteConflicts, WriteUnknown, WriteLost) {
	case WriteFails:
		return none, fmt.Errorf("write %v: %w", key, errInjected)
	case WriteConflicts:
		return none, fmt.Errorf("%w: %w", errInjected, conflict)
	case WriteUnknown:
		if result, err := do(); err != nil {
			return result, err
		}
		return none, fmt.Errorf("write %v: %w: %w", key, errInjected, store.ErrUnknown)
	case WriteLost:
		return none, fmt.Errorf("write %v: %w: %w", key, errInjected, store.ErrUnknown)
	default:
		return do()
	}
}
