package storetest

import (
	"context"
	"fmt"
	"iter"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// FaultyReplicas are CRDTs of a proxy with faults on demand. They may be used concurrently.
type FaultyReplicas struct {
	Faults

	replicas store.Replicas
}

var _ store.Replicas = (*FaultyReplicas)(nil)

// NewFaultyReplicas returns a store that does what the given one does until it is told
// otherwise.
func NewFaultyReplicas(replicas store.Replicas) *FaultyReplicas {
	return &FaultyReplicas{replicas: replicas}
}

// AddParts implements [store.Replicas].
func (f *FaultyReplicas) AddParts(ctx context.Context, key store.Key, parts ...[]byte) error {
	return f.save(key, func() error { return f.replicas.AddParts(ctx, key, parts...) })
}

// ReplaceParts implements [store.Replicas].
func (f *FaultyReplicas) ReplaceParts(ctx context.Context, key store.Key, part []byte) error {
	return f.save(key, func() error { return f.replicas.ReplaceParts(ctx, key, part) })
}

// save keeps parts, or does a fault.
func (f *FaultyReplicas) save(key store.Key, do func() error) error {
	switch f.take(FailSave, UnknownStored) {
	case FailSave:
		return fmt.Errorf("save parts of %v: %w", key, ErrInjected)
	case UnknownStored:
		if err := do(); err != nil {
			return err
		}
		return fmt.Errorf("save parts of %v: %w", key, ErrInjected)
	default:
		return do()
	}
}

// Parts implements [store.Replicas].
func (f *FaultyReplicas) Parts(ctx context.Context) iter.Seq2[store.Part, error] {
	fault := f.take(FailLoad, FailLoadLate)
	return func(yield func(store.Part, error) bool) {
		if fault != FailLoad {
			for part, err := range f.replicas.Parts(ctx) {
				if !yield(part, err) || err != nil {
					return
				}
			}
		}
		if fault != 0 {
			yield(store.Part{}, fmt.Errorf("read: %w", ErrInjected))
		}
	}
}
