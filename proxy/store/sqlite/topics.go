package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// Publish implements [store.Topics].
func (s *Store) Publish(ctx context.Context, topic string, message []byte) error {
	if err := s.committer.Do(ctx, &publishing{topic: topic, message: clone(message)}); err != nil {
		return fmt.Errorf("publish to %q: %w", topic, err)
	}
	return nil
}

// A publishing is a message that is being published.
type publishing struct {
	topic   string
	message []byte
}

// run implements [operation].
func (o *publishing) run(ctx context.Context, w *writer) error {
	w.changes(log{topic: true, name: o.topic})
	_, err := w.exec(ctx, `INSERT INTO messages (topic, time, data) VALUES (?, ?, ?)`, o.topic, time.Now().UnixMilli(), o.message)
	return err
}

// ReadTopic implements [store.Topics].
func (r *Reader) ReadTopic(ctx context.Context, topic string, after uint64, limit int) ([]store.TopicMessage, error) {
	rows, err := r.rows(ctx, `SELECT id, data FROM messages WHERE topic = ? AND id > ? ORDER BY id LIMIT ?`, topic, after, limit)
	messages, err := scan(rows, err, func(rows *sql.Rows, message *store.TopicMessage) (int, error) {
		err := rows.Scan(&message.Offset, &message.Data)
		return len(message.Data), err
	})
	if err != nil {
		return nil, fmt.Errorf("read topic %q: %w", topic, r.file.explain(err))
	}
	return messages, nil
}

// WatchTopic implements [store.Topics].
func (s *Store) WatchTopic(topic string) <-chan struct{} {
	return s.writer.watchers.watch(log{topic: true, name: topic})
}
