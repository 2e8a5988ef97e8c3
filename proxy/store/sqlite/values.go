package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// Put implements [store.Values].
func (s *Store) Put(ctx context.Context, w store.Write, value []byte) (store.Version, error) {
	return s.write(ctx, w, clone(value))
}

// Delete implements [store.Values].
func (s *Store) Delete(ctx context.Context, w store.Write) (store.Version, error) {
	return s.write(ctx, w, nil)
}

// write replaces what is stored of an entity by data, which is nil for a deletion.
func (s *Store) write(ctx context.Context, w store.Write, data any) (store.Version, error) {
	if err := w.Validate(); err != nil {
		return 0, err
	}
	o := &writing{Write: w, data: data}
	if err := s.committer.Do(ctx, o); err != nil {
		return 0, fmt.Errorf("write %v: %w", w.Key, err)
	}
	if o.conflict != nil {
		return 0, o.conflict
	}
	return w.Expected + 1, nil
}

// A writing is a write of a value under way.
type writing struct {
	store.Write

	data     any
	conflict error
}

// run implements [operation].
func (o *writing) run(ctx context.Context, w *writer) error {
	o.conflict = nil
	query := `UPDATE entity_values SET version = version + 1, time = ?4, op = ?5, data = ?6 WHERE type = ?1 AND entity = ?2 AND version = ?3`
	if o.Expected == 0 {
		query = `INSERT INTO entity_values (type, entity, version, time, op, data) VALUES (?1, ?2, ?3 + 1, ?4, ?5, ?6) ON CONFLICT DO NOTHING`
	}
	changed, err := w.exec(ctx, query, o.Key.Type, o.Key.ID, o.Expected, time.Now().UnixMilli(), o.OpID[:], o.data)
	if err != nil || changed > 0 {
		return err
	}
	actual, _, err := w.stored(ctx, o.Key)
	o.conflict = &store.VersionError{Key: o.Key, Expected: o.Expected, Actual: actual}
	return err
}

// stored returns the version of the value of an entity, and the operation that led to it.
func (w *writer) stored(ctx context.Context, key store.Key) (store.Version, store.OpID, error) {
	var version store.Version
	var op []byte
	err := w.row(ctx, `SELECT version, op FROM entity_values WHERE type = ? AND entity = ?`, []any{key.Type, key.ID}, &version, &op)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	var id store.OpID
	copy(id[:], op)
	return version, id, err
}

// ResolveWrite implements [store.Values].
func (s *Store) ResolveWrite(ctx context.Context, w store.Write) (store.Version, bool, error) {
	o := &resolvingWrite{Write: w}
	if err := s.committer.Do(ctx, o); err != nil {
		return 0, false, fmt.Errorf("resolve a write of %v: %w", w.Key, err)
	}
	switch {
	case o.operation == w.OpID:
		return o.version, true, nil
	case o.version == w.Expected:
		return 0, false, nil
	default:
		return 0, false, &store.VersionError{Key: w.Key, Expected: w.Expected, Actual: o.version}
	}
}

// A resolvingWrite finds out what became of a write. It is an operation so that it comes
// after the write.
type resolvingWrite struct {
	store.Write

	version   store.Version
	operation store.OpID
}

// run implements [operation].
func (o *resolvingWrite) run(ctx context.Context, w *writer) (err error) {
	if o.version, o.operation, err = w.stored(ctx, o.Key); err != nil {
		return err
	}
	return w.settle(ctx)
}

// Get implements [store.Values].
func (r *Reader) Get(ctx context.Context, key store.Key) (store.Value, error) {
	var value store.Value
	err := r.row(ctx, `SELECT version, data IS NOT NULL, data FROM entity_values WHERE type = ? AND entity = ?`,
		[]any{key.Type, key.ID}, &value.Version, &value.Exists, &value.Data)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return store.Value{}, fmt.Errorf("get %v: %w", key, r.file.explain(err))
	}
	return value, nil
}
