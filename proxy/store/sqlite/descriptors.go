package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// SaveDescriptors implements [store.Descriptors].
func (s *Store) SaveDescriptors(ctx context.Context, spec []byte) error {
	if err := s.committer.Do(ctx, savingDescriptors(clone(spec))); err != nil {
		return fmt.Errorf("save descriptors: %w", err)
	}
	return nil
}

// savingDescriptors are descriptors that are being saved.
type savingDescriptors []byte

// run implements [operation].
func (o savingDescriptors) run(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, `INSERT OR REPLACE INTO descriptors (id, time, data) VALUES (1, ?, ?)`, time.Now().UnixMilli(), []byte(o))
	return err
}

// Descriptors implements [store.Descriptors].
func (r *Reader) Descriptors(ctx context.Context) ([]byte, error) {
	var spec []byte
	err := r.row(ctx, `SELECT data FROM descriptors WHERE id = 1`, nil, &spec)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read descriptors: %w", r.file.explain(err))
	default:
		return clone(spec), nil
	}
}
