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

// run implements [operation].
func (o *appending) run(ctx context.Context, w *writer) error {
	o.head, o.conflict = store.Head{}, nil
	current, err := w.heads.get(ctx, &w.statements, o.Key)
	if err != nil {
		return err
	}
	if current.seq != o.Expected.Seq {
		o.conflict = &store.ConflictError{Key: o.Key, Expected: o.Expected, Actual: store.Head{Seq: current.seq}}
		return nil
	}
	if current.journal == 0 {
		if err := w.row(ctx, `INSERT INTO journals (type, entity) VALUES (?, ?) RETURNING id`, []any{o.Key.Type, o.Key.ID}, &current.journal); err != nil {
			return err
		}
	}
	now := time.Now().UnixMilli()
	for i, event := range o.Events {
		current.seq++
		var op any // NULL
		if i == len(o.Events)-1 {
			op = o.OpID[:]
		}
		if _, err := w.exec(ctx, `INSERT INTO events (type, journal, seq, time, op, data) VALUES (?, ?, ?, ?, ?, ?)`,
			o.Key.Type, current.journal, current.seq, now, op, event); err != nil {
			return err
		}
	}
	if o.Snapshot != nil {
		if _, err := w.exec(ctx, `INSERT OR REPLACE INTO snapshots (journal, seq, time, data) VALUES (?, ?, ?, ?)`,
			current.journal, current.seq, now, o.Snapshot); err != nil {
			return err
		}
	}
	w.heads.set(o.Key, current)
	w.changes(log{name: o.Key.Type})
	o.head.Seq = current.seq
	return nil
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
	err := w.row(ctx, `
		SELECT seq FROM journals JOIN events ON journal = journals.id
		WHERE journals.type = ? AND entity = ? AND op = ? ORDER BY seq DESC LIMIT 1`,
		[]any{o.key.Type, o.key.ID, o.op[:]}, &o.head.Seq)
	o.stored = err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return w.settle(ctx)
}

// Load implements [store.Journal].
func (r *Reader) Load(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error) {
	last, snapshot, err := r.newest(ctx, key)
	if err != nil {
		return store.Head{}, fmt.Errorf("load %v: %w", key, r.file.explain(err))
	}
	if snapshot.Snapshot {
		if err := fn(snapshot); err != nil {
			return store.Head{}, err
		}
	}
	for event, err := range r.events(ctx, key, last, snapshot.Seq+1) {
		if err != nil {
			return store.Head{}, fmt.Errorf("load %v: %w", key, err)
		}
		if err := fn(store.Record{Seq: event.Seq, Data: event.Data}); err != nil {
			return store.Head{}, err
		}
	}
	return store.Head{Seq: last.seq}, nil
}

// newest returns the head and the newest snapshot of an entity, as they are at one moment.
func (r *Reader) newest(ctx context.Context, key store.Key) (last head, snapshot store.Record, err error) {
	var seq sql.Null[uint64]
	err = r.row(ctx, `
		SELECT id, (SELECT max(seq) FROM events WHERE journal = journals.id), snapshots.seq, snapshots.data
		FROM journals LEFT JOIN snapshots ON snapshots.journal = journals.id
		WHERE type = ? AND entity = ?`,
		[]any{key.Type, key.ID}, &last.journal, &last.seq, &seq, &snapshot.Data)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	snapshot.Seq, snapshot.Snapshot = seq.V, seq.Valid
	return last, snapshot, err
}
