package memory

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

var (
	_ store.Lister      = (*Store)(nil)
	_ store.Descriptors = (*Store)(nil)
)

// Types implements [store.Lister].
func (s *Store) Types(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	types := map[string]bool{}
	for key := range s.journals {
		types[key.Type] = true
	}
	for key := range s.values {
		types[key.Type] = true
	}
	return slices.Sorted(maps.Keys(types)), nil
}

// Journals implements [store.Lister].
func (s *Store) Journals(ctx context.Context, typ, from string) iter.Seq2[store.JournalInfo, error] {
	return list(ctx, func() []store.JournalInfo {
		s.mu.Lock()
		defer s.mu.Unlock()
		var infos []store.JournalInfo
		for key, j := range s.journals {
			if key.Type == typ && key.ID >= from {
				infos = append(infos, store.JournalInfo{Key: key, Seq: j.head.Seq, Snapshot: j.snapshotSeq, Updated: j.times[len(j.times)-1]})
			}
		}
		slices.SortFunc(infos, func(a, b store.JournalInfo) int { return strings.Compare(a.Key.ID, b.Key.ID) })
		return infos
	})
}

// Events implements [store.Lister].
func (s *Store) Events(ctx context.Context, key store.Key, from uint64) iter.Seq2[store.Event, error] {
	return list(ctx, func() []store.Event {
		s.mu.Lock()
		defer s.mu.Unlock()
		j := s.journals[key]
		if j == nil {
			return nil
		}
		var events []store.Event
		for seq := max(from, 1); seq <= j.head.Seq; seq++ {
			events = append(events, store.Event{Seq: seq, Time: j.times[seq-1], Data: bytes.Clone(j.events[seq-1])})
		}
		return events
	})
}

// ListValues implements [store.Lister].
func (s *Store) ListValues(ctx context.Context, typ, from string) iter.Seq2[store.ValueInfo, error] {
	return list(ctx, func() []store.ValueInfo {
		s.mu.Lock()
		defer s.mu.Unlock()
		var infos []store.ValueInfo
		for key, v := range s.values {
			if key.Type == typ && key.ID >= from {
				infos = append(infos, store.ValueInfo{Key: key, Exists: v.Exists, Version: v.Version, Updated: v.updated})
			}
		}
		slices.SortFunc(infos, func(a, b store.ValueInfo) int { return strings.Compare(a.Key.ID, b.Key.ID) })
		return infos
	})
}

// list returns the sequence of what gather returns each time that it is used.
func list[T any](ctx context.Context, gather func() []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := ctx.Err(); err != nil {
			yield(none, err)
			return
		}
		for _, element := range gather() {
			if err := ctx.Err(); err != nil {
				yield(none, err)
				return
			}
			if !yield(element, nil) {
				return
			}
		}
	}
}

// SaveDescriptors implements [store.Descriptors].
func (s *Store) SaveDescriptors(ctx context.Context, spec []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.descriptors = append([]byte{}, spec...)
	return nil
}

// Descriptors implements [store.Descriptors].
func (s *Store) Descriptors(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.descriptors), nil
}
