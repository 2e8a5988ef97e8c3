package memory

import (
	"bytes"
	"context"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

var _ store.Values = (*Store)(nil)

// A value is what is stored of one value entity. Of its operations, only the newest is
// remembered.
type value struct {
	store.Value

	operation store.OpID
	updated   time.Time
}

// Get implements [store.Values].
func (s *Store) Get(ctx context.Context, key store.Key) (store.Value, error) {
	if err := ctx.Err(); err != nil {
		return store.Value{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.values[key].Value
	stored.Data = bytes.Clone(stored.Data)
	return stored, nil
}

// Put implements [store.Values].
func (s *Store) Put(ctx context.Context, w store.Write, data []byte) (store.Version, error) {
	return s.write(ctx, w, store.Value{Data: bytes.Clone(data), Exists: true})
}

// Delete implements [store.Values].
func (s *Store) Delete(ctx context.Context, w store.Write) (store.Version, error) {
	return s.write(ctx, w, store.Value{})
}

// write replaces what is stored of an entity. It gives the new value its version.
func (s *Store) write(ctx context.Context, w store.Write, next store.Value) (store.Version, error) {
	if err := w.Validate(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if actual := s.values[w.Key].Version; actual != w.Expected {
		return 0, &store.VersionError{Key: w.Key, Expected: w.Expected, Actual: actual}
	}
	s.writes++
	next.Version = s.writes
	s.values[w.Key] = value{Value: next, operation: w.OpID, updated: time.Now()}
	return next.Version, nil
}

// ResolveWrite implements [store.Values].
func (s *Store) ResolveWrite(ctx context.Context, w store.Write) (store.Version, bool, error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, known := s.values[w.Key]
	switch {
	case known && stored.operation == w.OpID:
		return stored.Version, true, nil
	case stored.Version == w.Expected:
		return 0, false, nil
	default:
		return 0, false, &store.VersionError{Key: w.Key, Expected: w.Expected, Actual: stored.Version}
	}
}
