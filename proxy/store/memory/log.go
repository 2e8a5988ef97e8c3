package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

var (
	_ store.EventLog = (*Store)(nil)
	_ store.Topics   = (*Store)(nil)
)

// An entry is an event or a message in the order in which they were stored. Its data never
// changes.
type entry struct {
	offset   uint64
	entityID string // of an event
	data     []byte
}

// A log is the events of all entities of a type, or the messages of a topic.
type log struct {
	entries []entry
	changed chan struct{} // closed with the next entry; nil if nobody waits
}

// logs are logs by name. They belong to a store, whose lock protects them.
type logs map[string]*log

func (l logs) named(name string) *log {
	if l[name] == nil {
		l[name] = &log{}
	}
	return l[name]
}

// add adds an entry at the end.
func (l *log) add(e entry) {
	l.entries = append(l.entries, e)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// watch returns a channel that is closed with the next entry.
func (l *log) watch() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// after returns up to limit entries after an offset.
func (l *log) after(offset uint64, limit int) []entry {
	first, found := slices.BinarySearchFunc(l.entries, offset, func(e entry, offset uint64) int { return cmp.Compare(e.offset, offset) })
	if found {
		first++
	}
	return l.entries[first:][:min(limit, len(l.entries)-first)]
}

// ReadEvents implements [store.EventLog].
func (s *Store) ReadEvents(ctx context.Context, persistenceID string, after uint64, limit int) ([]store.LoggedEvent, error) {
	entries, err := s.read(ctx, s.eventLogs, persistenceID, after, limit)
	if err != nil {
		return nil, err
	}
	events := make([]store.LoggedEvent, len(entries))
	for i, e := range entries {
		events[i] = store.LoggedEvent{Offset: e.offset, EntityID: e.entityID, Data: bytes.Clone(e.data)}
	}
	return events, nil
}

// WatchEvents implements [store.EventLog].
func (s *Store) WatchEvents(persistenceID string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.eventLogs.named(persistenceID).watch()
}

// Publish implements [store.Topics].
func (s *Store) Publish(ctx context.Context, topic string, message []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topics.named(topic)
	t.add(entry{offset: uint64(len(t.entries)) + 1, data: bytes.Clone(message)})
	return nil
}

// ReadTopic implements [store.Topics].
func (s *Store) ReadTopic(ctx context.Context, topic string, after uint64, limit int) ([]store.TopicMessage, error) {
	entries, err := s.read(ctx, s.topics, topic, after, limit)
	if err != nil {
		return nil, err
	}
	messages := make([]store.TopicMessage, len(entries))
	for i, e := range entries {
		messages[i] = store.TopicMessage{Offset: e.offset, Data: bytes.Clone(e.data)}
	}
	return messages, nil
}

// WatchTopic implements [store.Topics].
func (s *Store) WatchTopic(topic string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics.named(topic).watch()
}

// read returns up to limit entries of one of some logs, which may not exist.
func (s *Store) read(ctx context.Context, from logs, name string, after uint64, limit int) ([]entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if from[name] == nil {
		return nil, nil
	}
	return from[name].after(after, limit), nil
}
