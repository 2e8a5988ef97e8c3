package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// ReadEvents implements [store.EventLog]. Numbers are given by the one who writes, so an
// event never appears below another one.
func (r *Reader) ReadEvents(ctx context.Context, persistenceID string, after uint64, limit int) ([]store.LoggedEvent, error) {
	rows, err := r.rows(ctx, `
		SELECT events.id, entity, data FROM events JOIN journals ON journals.id = journal
		WHERE events.type = ? AND events.id > ? ORDER BY events.id LIMIT ?`,
		persistenceID, after, limit)
	events, err := scan(rows, err, func(rows *sql.Rows, event *store.LoggedEvent) (int, error) {
		err := rows.Scan(&event.Offset, &event.EntityID, &event.Data)
		return len(event.Data), err
	})
	if err != nil {
		return nil, fmt.Errorf("read the events of %s: %w", persistenceID, r.file.explain(err))
	}
	return events, nil
}

// WatchEvents implements [store.EventLog].
func (s *Store) WatchEvents(persistenceID string) <-chan struct{} {
	return s.writer.watchers.watch(log{name: persistenceID})
}
