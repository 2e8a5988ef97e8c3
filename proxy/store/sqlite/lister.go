package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// Types implements [store.Lister].
func (r *Reader) Types(ctx context.Context) ([]string, error) {
	rows, err := r.rows(ctx, `SELECT DISTINCT type FROM journals UNION SELECT DISTINCT type FROM entity_values ORDER BY type`)
	types, err := scan(rows, err, func(rows *sql.Rows, typ *string) (int, error) {
		return 0, rows.Scan(typ)
	})
	if err != nil {
		return nil, fmt.Errorf("list types: %w", r.file.explain(err))
	}
	return types, nil
}

// scan reads the rows of a query whose error is err until they end, or their sizes add up to
// a page.
func scan[T any](rows *sql.Rows, err error, row func(*sql.Rows, *T) (size int, err error)) (_ []T, _ error) {
	if err != nil {
		return nil, err
	}
	var all []T
	for size := 0; size < pageBytes && rows.Next(); {
		var none T
		all = append(all, none)
		n, err := row(rows, &all[len(all)-1])
		if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		size += n
	}
	return all, errors.Join(rows.Close(), rows.Err())
}

// Journals implements [store.Lister].
func (r *Reader) Journals(ctx context.Context, typ, from string) iter.Seq2[store.JournalInfo, error] {
	return paged(func(after *store.JournalInfo) ([]store.JournalInfo, error) {
		if after != nil {
			from = next(after.Key.ID)
		}
		rows, err := r.rows(ctx, `
			SELECT entity, events.seq, events.time, coalesce(snapshots.seq, 0)
			FROM journals
			JOIN events ON events.journal = journals.id AND events.seq = (SELECT max(seq) FROM events WHERE journal = journals.id)
			LEFT JOIN snapshots ON snapshots.journal = journals.id
			WHERE journals.type = ? AND entity >= ? ORDER BY entity LIMIT ?`,
			typ, from, pageRows)
		infos, err := scan(rows, err, func(rows *sql.Rows, info *store.JournalInfo) (int, error) {
			info.Key.Type = typ
			return len(info.Key.ID), rows.Scan(&info.Key.ID, &info.Seq, (*millis)(&info.Updated), &info.Snapshot)
		})
		if err != nil {
			return nil, fmt.Errorf("list journals of %s: %w", typ, r.file.explain(err))
		}
		return infos, nil
	})
}

// next returns the least id that is greater than another one.
func next(id string) string {
	return id + "\x00"
}

// millis is a time that is stored as Unix time in milliseconds.
type millis time.Time

// Scan implements [sql.Scanner].
func (m *millis) Scan(value any) error {
	n, isInt := value.(int64)
	if !isInt {
		return fmt.Errorf("the time is a %T, want an integer", value)
	}
	*m = millis(time.UnixMilli(n))
	return nil
}

// ListValues implements [store.Lister].
func (r *Reader) ListValues(ctx context.Context, typ, from string) iter.Seq2[store.ValueInfo, error] {
	return paged(func(after *store.ValueInfo) ([]store.ValueInfo, error) {
		if after != nil {
			from = next(after.Key.ID)
		}
		rows, err := r.rows(ctx, `
			SELECT entity, version, data IS NOT NULL, time FROM entity_values
			WHERE type = ? AND entity >= ? ORDER BY entity LIMIT ?`,
			typ, from, pageRows)
		infos, err := scan(rows, err, func(rows *sql.Rows, info *store.ValueInfo) (int, error) {
			info.Key.Type = typ
			return len(info.Key.ID), rows.Scan(&info.Key.ID, &info.Version, &info.Exists, (*millis)(&info.Updated))
		})
		if err != nil {
			return nil, fmt.Errorf("list values of %s: %w", typ, r.file.explain(err))
		}
		return infos, nil
	})
}

// Events implements [store.Lister].
func (r *Reader) Events(ctx context.Context, key store.Key, from uint64) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		last, _, err := r.newest(ctx, key)
		if err != nil {
			yield(store.Event{}, fmt.Errorf("list events of %v: %w", key, r.file.explain(err)))
			return
		}
		r.events(ctx, key, last, max(from, 1))(yield)
	}
}

// events returns the events of an entity from a number on until the last.
func (r *Reader) events(ctx context.Context, key store.Key, last head, from uint64) iter.Seq2[store.Event, error] {
	return paged(func(after *store.Event) ([]store.Event, error) {
		want := from
		if after != nil {
			want = after.Seq + 1
		}
		if want > last.seq {
			return nil, nil
		}
		rows, err := r.rows(ctx, `SELECT seq, time, data FROM events WHERE journal = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?`,
			last.journal, want, last.seq, pageRows)
		events, err := scan(rows, err, func(rows *sql.Rows, event *store.Event) (int, error) {
			err := rows.Scan(&event.Seq, (*millis)(&event.Time), &event.Data)
			return len(event.Data), err
		})
		if err != nil {
			return nil, r.file.explain(err)
		}
		for i, event := range events {
			if event.Seq != want+uint64(i) {
				return nil, r.missing(key, want+uint64(i))
			}
		}
		if len(events) == 0 {
			return nil, r.missing(key, want)
		}
		return events, nil
	})
}

// missing says that an event is not where it should be.
func (r *Reader) missing(key store.Key, seq uint64) error {
	return r.file.explain(fmt.Errorf("the journal of %v has later events, but not %d: it has been tampered with; restore a backup", key, seq))
}
