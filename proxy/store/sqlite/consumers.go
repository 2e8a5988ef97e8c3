package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// LoadPosition implements [store.Consumers].
func (r *Reader) LoadPosition(ctx context.Context, consumer store.Consumer) (store.Position, error) {
	var position store.Position
	err := r.row(ctx, `SELECT last, attempts FROM positions WHERE kind = ? AND source = ? AND service = ? AND "group" = ?`,
		[]any{consumer.Kind, consumer.Source, consumer.Service, consumer.Group}, &position.Offset, &position.Attempts)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return store.Position{}, fmt.Errorf("load the position of %v: %w", consumer, r.file.explain(err))
	}
	return position, nil
}

// SavePosition implements [store.Consumers].
func (s *Store) SavePosition(ctx context.Context, consumer store.Consumer, position store.Position) error {
	if err := s.committer.Do(ctx, &savingPosition{consumer, position}); err != nil {
		return fmt.Errorf("save the position of %v: %w", consumer, err)
	}
	return nil
}

// A savingPosition is a position that is being saved.
type savingPosition struct {
	store.Consumer
	store.Position
}

// run implements [operation].
func (o *savingPosition) run(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, `INSERT OR REPLACE INTO positions (kind, source, service, "group", time, last, attempts) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		o.Kind, o.Source, o.Service, o.Group, time.Now().UnixMilli(), o.Offset, o.Attempts)
	return err
}

// AddDeadLetter implements [store.Consumers].
func (s *Store) AddDeadLetter(ctx context.Context, letter store.DeadLetter) (uint64, error) {
	letter.Event = clone(letter.Event)
	o := &addingLetter{DeadLetter: letter}
	if err := s.committer.Do(ctx, o); err != nil {
		return 0, fmt.Errorf("add a dead letter of %v: %w", letter.Consumer, err)
	}
	return o.ID, nil
}

// An addingLetter is a dead letter that is being added.
type addingLetter struct {
	store.DeadLetter
}

// run implements [operation].
func (o *addingLetter) run(ctx context.Context, w *writer) error {
	return w.row(ctx, `
		INSERT INTO dead_letters (kind, source, service, "group", time, attempts, reason, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		RETURNING id`,
		[]any{o.Consumer.Kind, o.Consumer.Source, o.Consumer.Service, o.Consumer.Group, o.Time.UnixMilli(), o.Attempts, o.Reason, o.Event}, &o.ID)
}

// DeadLetters implements [store.Consumers].
func (r *Reader) DeadLetters(ctx context.Context, after uint64, limit int) ([]store.DeadLetter, error) {
	rows, err := r.rows(ctx, `
		SELECT id, kind, source, service, "group", time, attempts, reason, data FROM dead_letters WHERE id > ? ORDER BY id LIMIT ?`,
		after, limit)
	letters, err := scan(rows, err, func(rows *sql.Rows, l *store.DeadLetter) (int, error) {
		err := rows.Scan(&l.ID, &l.Consumer.Kind, &l.Consumer.Source, &l.Consumer.Service, &l.Consumer.Group,
			(*millis)(&l.Time), &l.Attempts, &l.Reason, &l.Event)
		return len(l.Event), err
	})
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", r.file.explain(err))
	}
	return letters, nil
}

// RemoveDeadLetter implements [store.Consumers].
func (s *Store) RemoveDeadLetter(ctx context.Context, id uint64) error {
	if err := s.committer.Do(ctx, removingLetter(id)); err != nil {
		return fmt.Errorf("remove dead letter %d: %w", id, err)
	}
	return nil
}

// A removingLetter is the id of a dead letter that is being removed.
type removingLetter uint64

// run implements [operation].
func (o removingLetter) run(ctx context.Context, w *writer) error {
	_, err := w.exec(ctx, `DELETE FROM dead_letters WHERE id = ?`, uint64(o))
	return err
}
