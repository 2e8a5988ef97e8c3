package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// Append implements [store.Journal].
func (s *Store) Append(ctx context.Context, a store.Append) (store.Head, error) {
	if err := a.Validate(); err != nil {
		return store.Head{}, err
	}
	o := &appending{Append: a}
	o.Events = cloneAll(a.Events)
	if a.Snapshot != nil {
		o.Snapshot = clone(a.Snapshot)
	}
	if err := s.committer.Do(ctx, o); err != nil {
		return store.Head{}, fmt.Errorf("append to %v: %w", a.Key, err)
	}
	if o.conflict != nil {
		return store.Head{}, o.conflict
	}
	return o.head, nil
}

// clone copies bytes, and never returns nil, which would become NULL.
func clone(data []byte) []byte {
	return append([]byte{}, data...)
}

func cloneAll(all [][]byte) [][]byte {
	clones := make([][]byte, len(all))
	for i, data := range all {
		clones[i] = clone(data)
	}
	return clones
}

// An appending is an append under way.
type appending struct {
	store.Append

	head     store.Head
	conflict error
}

// run implements [operation]. The database has the last word on whether the head is the one
// that is expected: each event needs the one before it, and must not be there itself.
func (o *appending) run(ctx context.Context, w *writer) error {
	o.head, o.conflict = store.Head{}, nil
	now := time.Now().UnixMilli()
	for i, event := range o.Events {
		seq := o.Expected.Seq + uint64(i) + 1
		var op any // NULL
		if i == len(o.Events)-1 {
			op = o.OpID[:]
		}
		added, err := w.exec(ctx, `
			INSERT INTO events (type, entity, seq, time, op, data) SELECT ?1, ?2, ?3, ?4, ?5, ?6
			WHERE ?3 = 1 OR EXISTS (SELECT 1 FROM events WHERE type = ?1 AND entity = ?2 AND seq = ?3 - 1)
			ON CONFLICT DO NOTHING`,
			o.Key.Type, o.Key.ID, seq, now, op, event)
		switch {
		case err != nil:
			return err
		case added == 0 && i > 0:
			return fmt.Errorf("the journal of %v has event %d, but not %d: it has been tampered with; restore a backup", o.Key, seq, seq-1)
		case added == 0:
			return o.refuse(ctx, w)
		}
	}
	w.changes(log{name: o.Key.Type})
	o.head.Seq = o.Expected.Seq + uint64(len(o.Events))
	if o.Snapshot == nil {
		return nil
	}
	_, err := w.exec(ctx, `INSERT OR REPLACE INTO snapshots (type, entity, seq, time, data) VALUES (?, ?, ?, ?, ?)`,
		o.Key.Type, o.Key.ID, o.head.Seq, now, o.Snapshot)
	return err
}

// refuse finds out which head the writer should have expected.
func (o *appending) refuse(ctx context.Context, w *writer) error {
	conflict := &store.ConflictError{Key: o.Key, Expected: o.Expected}
	o.conflict = conflict
	return w.row(ctx, `SELECT coalesce(max(seq), 0) FROM events WHERE type = ? AND entity = ?`,
		[]any{o.Key.Type, o.Key.ID}, &conflict.Actual.Seq)
}

// Resolve implements [store.Journal].
func (s *Store) Resolve(ctx context.Context, key store.Key, op store.OpID) (store.Head, bool, error) {
	o := &resolving{key: key, op: op}
	if err := s.committer.Do(ctx, o); err != nil {
		return store.Head{}, false, fmt.Errorf("resolve an append to %v: %w", key, err)
	}
	return o.head, o.stored, nil
}

// A resolving finds out what became of an append. It is an operation so that it comes after
// the append.
type resolving struct {
	key store.Key
	op  store.OpID

	head   store.Head
	stored bool
}

// run implements [operation].
func (o *resolving) run(ctx context.Context, w *writer) error {
	o.head, o.stored = store.Head{}, false
	// Newest first, because what is asked for is new. There is no index on operations.
	err := w.row(ctx, `SELECT seq FROM events WHERE type = ? AND entity = ? AND op = ? ORDER BY seq DESC LIMIT 1`,
		[]any{o.key.Type, o.key.ID, o.op[:]}, &o.head.Seq)
	o.stored = err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return w.settle(ctx)
}

// Load implements [store.Journal].
func (r *Reader) Load(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error) {
	head, snapshot, err := r.newest(ctx, key)
	if err != nil {
		return store.Head{}, fmt.Errorf("load %v: %w", key, r.file.explain(err))
	}
	if snapshot.Snapshot {
		if err := fn(snapshot); err != nil {
			return store.Head{}, err
		}
	}
	for event, err := range r.events(ctx, key, snapshot.Seq+1, head.Seq) {
		if err != nil {
			return store.Head{}, fmt.Errorf("load %v: %w", key, err)
		}
		if err := fn(store.Record{Seq: event.Seq, Data: event.Data}); err != nil {
			return store.Head{}, err
		}
	}
	return head, nil
}

// newest returns the head and the newest snapshot of an entity, as they are at one moment.
func (r *Reader) newest(ctx context.Context, key store.Key) (head store.Head, snapshot store.Record, err error) {
	var seq sql.Null[uint64]
	err = r.row(ctx, `
		SELECT (SELECT coalesce(max(seq), 0) FROM events WHERE type = ?1 AND entity = ?2), snapshots.seq, snapshots.data
		FROM (SELECT 1) LEFT JOIN snapshots ON snapshots.type = ?1 AND snapshots.entity = ?2`,
		[]any{key.Type, key.ID}, &head.Seq, &seq, &snapshot.Data)
	snapshot.Seq, snapshot.Snapshot = seq.V, seq.Valid
	return head, snapshot, err
}
