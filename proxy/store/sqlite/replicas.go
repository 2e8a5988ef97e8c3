package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// AddParts implements [store.Replicas].
func (s *Store) AddParts(ctx context.Context, key store.Key, parts ...[]byte) error {
	if len(parts) == 0 {
		return ctx.Err()
	}
	return s.keepParts(ctx, &keepingParts{key: key, parts: cloneAll(parts)})
}

// ReplaceParts implements [store.Replicas].
func (s *Store) ReplaceParts(ctx context.Context, key store.Key, part []byte) error {
	return s.keepParts(ctx, &keepingParts{key: key, parts: [][]byte{clone(part)}, replace: true})
}

func (s *Store) keepParts(ctx context.Context, o *keepingParts) error {
	if err := s.committer.Do(ctx, o); err != nil {
		return fmt.Errorf("keep the CRDT %v: %w", o.key, err)
	}
	return nil
}

// A keepingParts is a change of the parts of a CRDT under way.
type keepingParts struct {
	key     store.Key
	parts   [][]byte
	replace bool
}

// run implements [operation].
func (o *keepingParts) run(ctx context.Context, w *writer) error {
	if o.replace {
		if _, err := w.exec(ctx, `DELETE FROM crdt_parts WHERE type = ? AND entity = ?`, o.key.Type, o.key.ID); err != nil {
			return err
		}
	}
	now := time.Now().UnixMilli()
	for _, part := range o.parts {
		if _, err := w.exec(ctx, `INSERT INTO crdt_parts (type, entity, time, data) VALUES (?, ?, ?, ?)`, o.key.Type, o.key.ID, now, part); err != nil {
			return err
		}
	}
	return nil
}

// Parts implements [store.Replicas].
func (r *Reader) Parts(ctx context.Context) iter.Seq2[store.Part, error] {
	type row struct {
		store.Part

		id int64
	}
	pages := paged(func(last *row) ([]row, error) {
		var after int64
		if last != nil {
			after = last.id
		}
		rows, err := r.rows(ctx, `SELECT id, type, entity, data FROM crdt_parts WHERE id > ? ORDER BY id LIMIT ?`, after, pageRows)
		page, err := scan(rows, err, func(rows *sql.Rows, part *row) (int, error) {
			err := rows.Scan(&part.id, &part.Key.Type, &part.Key.ID, &part.Data)
			return len(part.Data), err
		})
		if err != nil {
			return nil, fmt.Errorf("list the parts of CRDTs: %w", r.file.explain(err))
		}
		return page, nil
	})
	return func(yield func(store.Part, error) bool) {
		for part, err := range pages {
			if !yield(part.Part, err) {
				return
			}
		}
	}
}
