package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// statements prepares each statement once, and keeps it.
type statements struct {
	on interface {
		PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	}

	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

// close closes the statements. A connection that has open ones stays open.
func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for _, statement := range s.prepared {
		err = errors.Join(err, statement.Close())
	}
	s.prepared = nil
	return err
}

// get returns a statement, prepared.
func (s *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if statement := s.prepared[query]; statement != nil {
		return statement, nil
	}
	statement, err := s.on.PrepareContext(ctx, query) //nolint:sqlclosecheck // it is kept
	if err != nil {
		return nil, err
	}
	if s.prepared == nil {
		s.prepared = map[string]*sql.Stmt{}
	}
	s.prepared[query] = statement
	return statement, nil
}

// exec runs a statement that has no result, and returns how many rows it has changed.
func (s *statements) exec(ctx context.Context, query string, args ...any) (int64, error) {
	statement, err := s.get(ctx, query) //nolint:sqlclosecheck // it is kept
	if err != nil {
		return 0, err
	}
	result, err := statement.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row runs a query and stores the columns of its first row. If there is none, it returns
// sql.ErrNoRows.
func (s *statements) row(ctx context.Context, query string, args []any, columns ...any) error {
	statement, err := s.get(ctx, query) //nolint:sqlclosecheck // it is kept
	if err != nil {
		return err
	}
	return statement.QueryRowContext(ctx, args...).Scan(columns...)
}

// rows runs a query.
func (s *statements) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := s.get(ctx, query) //nolint:sqlclosecheck // it is kept
	if err != nil {
		return nil, err
	}
	return statement.QueryContext(ctx, args...)
}
