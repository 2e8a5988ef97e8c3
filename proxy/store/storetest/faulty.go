package storetest

import (
	"context"
	"fmt"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A Faulty is a journal with faults on demand. It may be used concurrently.
type Faulty struct {
	Faults

	journal store.Journal
}

var _ store.Journal = (*Faulty)(nil)

// NewFaulty returns a journal that does what the given one does until it is told
// otherwise.
func NewFaulty(journal store.Journal) *Faulty {
	return &Faulty{journal: journal}
}

// Append implements [store.Journal].
func (f *Faulty) Append(ctx context.Context, a store.Append) (store.Head, error) {
	switch f.take(FailAppend, ConflictAppend, UnknownStored, UnknownNotStored) {
	case FailAppend:
		return store.Head{}, fmt.Errorf("append to %v: %w", a.Key, ErrInjected)
	case ConflictAppend:
		actual, err := f.journal.Load(ctx, a.Key, func(store.Record) error { return nil })
		if err != nil {
			return store.Head{}, err
		}
		return store.Head{}, &store.ConflictError{Key: a.Key, Expected: a.Expected, Actual: actual}
	case UnknownStored:
		if head, err := f.journal.Append(ctx, a); err != nil {
			return head, err
		}
		return store.Head{}, fmt.Errorf("append to %v: %w: %w", a.Key, ErrInjected, store.ErrUnknown)
	case UnknownNotStored:
		return store.Head{}, fmt.Errorf("append to %v: %w: %w", a.Key, ErrInjected, store.ErrUnknown)
	default:
		return f.journal.Append(ctx, a)
	}
}

// Resolve implements [store.Journal].
func (f *Faulty) Resolve(ctx context.Context, key store.Key, op store.OpID) (store.Head, bool, error) {
	if f.take(FailResolve) == FailResolve {
		return store.Head{}, false, fmt.Errorf("resolve an append to %v: %w", key, ErrInjected)
	}
	return f.journal.Resolve(ctx, key, op)
}

// Load implements [store.Journal].
func (f *Faulty) Load(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error) {
	fault := f.take(FailLoad, FailLoadLate)
	if fault == FailLoad {
		return store.Head{}, fmt.Errorf("read: %w", ErrInjected)
	}
	head, err := f.journal.Load(ctx, key, fn)
	if err == nil && fault == FailLoadLate {
		return store.Head{}, fmt.Errorf("read: %w", ErrInjected)
	}
	return head, err
}
