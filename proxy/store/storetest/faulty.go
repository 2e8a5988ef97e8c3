package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A Fault is something that goes wrong in a store.
type Fault int

// The faults that a [Faulty] can inject.
const (
	// FailAppend lets an append fail; nothing is stored.
	FailAppend Fault = iota + 1
	// ConflictAppend lets an append fail with a *store.ConflictError, as if another
	// writer had been faster; nothing is stored.
	ConflictAppend
	// UnknownStored stores an append, but says that the outcome is unknown.
	UnknownStored
	// UnknownNotStored does not store an append, and says that the outcome is
	// unknown.
	UnknownNotStored
	// FailResolve lets a Resolve fail, so that it has to be asked again.
	FailResolve
	// FailLoad lets a load fail before its first record.
	FailLoad
	// FailLoadLate lets a load fail after its last record.
	FailLoadLate
)

// ErrInjected is matched by every error that a [Faulty] makes up, except for
// conflicts.
var ErrInjected = errors.New("injected fault")

// A Faulty is a journal with faults on demand. It may be used concurrently.
type Faulty struct {
	journal store.Journal

	mu     sync.Mutex
	faults []Fault
}

var _ store.Journal = (*Faulty)(nil)

// NewFaulty returns a journal that does what the given one does until it is told
// otherwise.
func NewFaulty(journal store.Journal) *Faulty {
	return &Faulty{journal: journal}
}

// Inject lets faults happen, each once. Those that concern the same method happen
// in the given order, one per call.
func (f *Faulty) Inject(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

// Pending returns the faults that have not happened yet.
func (f *Faulty) Pending() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.faults)
}

// take removes and returns the first fault that is one of kinds, or zero.
func (f *Faulty) take(kinds ...Fault) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.faults, func(fault Fault) bool { return slices.Contains(kinds, fault) })
	if i < 0 {
		return 0
	}
	fault := f.faults[i]
	f.faults = slices.Delete(f.faults, i, i+1)
	return fault
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
