package storetest

import (
	"context"
	"fmt"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// FaultyValues are values with faults on demand. They may be used concurrently.
type FaultyValues struct {
	Faults

	values store.Values
}

var _ store.Values = (*FaultyValues)(nil)

// NewFaultyValues returns values that do what the given ones do until they are told
// otherwise.
func NewFaultyValues(values store.Values) *FaultyValues {
	return &FaultyValues{values: values}
}

// Get implements [store.Values].
func (f *FaultyValues) Get(ctx context.Context, key store.Key) (store.Value, error) {
	if f.take(FailGet) == FailGet {
		return store.Value{}, fmt.Errorf("read: %w", ErrInjected)
	}
	return f.values.Get(ctx, key)
}

// Put implements [store.Values].
func (f *FaultyValues) Put(ctx context.Context, w store.Write, value []byte) (store.Version, error) {
	return f.write(ctx, w, func() (store.Version, error) { return f.values.Put(ctx, w, value) })
}

// Delete implements [store.Values].
func (f *FaultyValues) Delete(ctx context.Context, w store.Write) (store.Version, error) {
	return f.write(ctx, w, func() (store.Version, error) { return f.values.Delete(ctx, w) })
}

// write does a write, or a fault.
func (f *FaultyValues) write(ctx context.Context, w store.Write, do func() (store.Version, error)) (store.Version, error) {
	switch f.take(FailWrite, ConflictWrite, UnknownStored, UnknownNotStored) {
	case FailWrite:
		return 0, fmt.Errorf("write %v: %w", w.Key, ErrInjected)
	case ConflictWrite:
		actual, err := f.values.Get(ctx, w.Key)
		if err != nil {
			return 0, err
		}
		return 0, &store.VersionError{Key: w.Key, Expected: w.Expected, Actual: actual.Version}
	case UnknownStored:
		if version, err := do(); err != nil {
			return version, err
		}
		return 0, fmt.Errorf("write %v: %w: %w", w.Key, ErrInjected, store.ErrUnknown)
	case UnknownNotStored:
		return 0, fmt.Errorf("write %v: %w: %w", w.Key, ErrInjected, store.ErrUnknown)
	default:
		return do()
	}
}

// ResolveWrite implements [store.Values].
func (f *FaultyValues) ResolveWrite(ctx context.Context, w store.Write) (store.Version, bool, error) {
	if f.take(FailResolve) == FailResolve {
		return 0, false, fmt.Errorf("resolve a write of %v: %w", w.Key, ErrInjected)
	}
	return f.values.ResolveWrite(ctx, w)
}
