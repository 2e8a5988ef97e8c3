package crdt

import (
	"iter"

	"github.com/cloudstate-go/cloudstate/entity"
)

// A PNCounterMap is an [ORMap] of counters. Make it with [NewPNCounterMap].
type PNCounterMap[K any] struct {
	replicated // entries

	entries *ORMap[K, *PNCounter]
}

// NewPNCounterMap returns an empty map of keys that are stored as the options say, as those
// of [NewORMap].
func NewPNCounterMap[K any](options ...entity.CodecOption) *PNCounterMap[K] {
	entries := NewORMap(func(K) *PNCounter { return NewPNCounter() }, options...)
	return &PNCounterMap[K]{replicated: entries, entries: entries}
}

// Len returns how many counters the map has.
func (m *PNCounterMap[K]) Len() int { return m.entries.Len() }

// Contains reports whether there is a counter for a key.
func (m *PNCounterMap[K]) Contains(key K) bool { return m.entries.Contains(key) }

// Get returns the value of the counter of a key, and whether there is one.
func (m *PNCounterMap[K]) Get(key K) (int64, bool) {
	counter, ok := m.entries.Get(key)
	if !ok {
		return 0, false
	}
	return counter.Value(), true
}

// Increment adds n to the counter of a key, which it creates if there is none. It fails, and
// the map is as before, if the key cannot be encoded or [PNCounter.Increment] fails.
func (m *PNCounterMap[K]) Increment(key K, n int64) error {
	return m.change(key, n, (*PNCounter).Increment)
}

// Decrement subtracts n from the counter of a key, which it creates if there is none. It
// fails, and the map is as before, if the key cannot be encoded or [PNCounter.Decrement]
// fails.
func (m *PNCounterMap[K]) Decrement(key K, n int64) error {
	return m.change(key, n, (*PNCounter).Decrement)
}

func (m *PNCounterMap[K]) change(key K, n int64, change func(*PNCounter, int64) error) error {
	size := m.Len()
	counter, err := m.entries.GetOrCreate(key)
	if err != nil {
		return err
	}
	err = change(counter, n)
	if err != nil && m.Len() > size {
		m.Remove(key)
	}
	return err
}

// Remove removes the counter of a key, if there is one.
func (m *PNCounterMap[K]) Remove(key K) { m.entries.Remove(key) }

// Clear removes all counters.
func (m *PNCounterMap[K]) Clear() { m.entries.Clear() }

// All returns the keys and the values of their counters, as [ORMap.All] does.
func (m *PNCounterMap[K]) All() iter.Seq2[K, int64] {
	return func(yield func(K, int64) bool) {
		for key, counter := range m.entries.All() {
			if !yield(key, counter.Value()) {
				return
			}
		}
	}
}

// Keys returns the keys of All.
func (m *PNCounterMap[K]) Keys() iter.Seq[K] { return m.entries.Keys() }
