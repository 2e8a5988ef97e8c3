package crdt

import (
	"fmt"
	"iter"

	"github.com/cloudstate-go/cloudstate/entity"
)

// An LWWRegisterMap is an [ORMap] of registers. Make it with [NewLWWRegisterMap].
type LWWRegisterMap[K, V any] struct {
	replicated // entries

	entries *ORMap[K, *LWWRegister[V]]
	values  *elementCodec[V]
}

// NewLWWRegisterMap returns an empty map. The keys are stored as the first options say, as
// those of [NewORMap], and the values as the other ones say, as those of [NewLWWRegister].
//
//	prices := crdt.NewLWWRegisterMap[string, int64](nil)
//	profiles := crdt.NewLWWRegisterMap[string, profile](nil, entity.JSON("profile"))
func NewLWWRegisterMap[K, V any](keys []entity.CodecOption, values ...entity.CodecOption) *LWWRegisterMap[K, V] {
	m := &LWWRegisterMap[K, V]{values: newElementCodec[V](values)}
	m.entries = NewORMap(func(K) *LWWRegister[V] { return newUnsetRegister(m.values) }, keys...)
	m.replicated = m.entries
	return m
}

// Len returns how many registers the map has.
func (m *LWWRegisterMap[K, V]) Len() int { return m.entries.Len() }

// Contains reports whether there is a register for a key.
func (m *LWWRegisterMap[K, V]) Contains(key K) bool { return m.entries.Contains(key) }

// Get returns the value of the register of a key, and whether there is one. The value
// belongs to the register and must not be changed.
func (m *LWWRegisterMap[K, V]) Get(key K) (V, bool) {
	register, ok := m.entries.Get(key)
	if !ok {
		var none V
		return none, false
	}
	return register.Value(), true
}

// Set writes a copy of a value to the register of a key, which it creates if there is none.
// It fails, and the map is as before, if the key or the value cannot be encoded.
func (m *LWWRegisterMap[K, V]) Set(key K, value V) error {
	return m.SetWithClock(key, value, ClockDefault, 0)
}

// SetWithClock is Set with a clock, as [LWWRegister.SetWithClock].
func (m *LWWRegisterMap[K, V]) SetWithClock(key K, value V, clock Clock, custom int64) error {
	size := m.Len()
	register, err := m.entries.GetOrCreate(key)
	if err != nil {
		return fmt.Errorf("LWWRegisterMap: %w", err)
	}
	err = register.SetWithClock(value, clock, custom)
	if err != nil && m.Len() > size {
		m.Remove(key)
	}
	return err
}

// Remove removes the register of a key, if there is one.
func (m *LWWRegisterMap[K, V]) Remove(key K) { m.entries.Remove(key) }

// Clear removes all registers.
func (m *LWWRegisterMap[K, V]) Clear() { m.entries.Clear() }

// All returns the keys and the values of their registers, as [ORMap.All] does.
func (m *LWWRegisterMap[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for key, register := range m.entries.All() {
			if !yield(key, register.Value()) {
				return
			}
		}
	}
}

// Keys returns the keys of All.
func (m *LWWRegisterMap[K, V]) Keys() iter.Seq[K] { return m.entries.Keys() }
