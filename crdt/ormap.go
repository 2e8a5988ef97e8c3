package crdt

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/cloudstate-go/cloudstate/entity"
)

// An ORMap is a map whose values are replicated themselves. If one node removes an entry
// while another changes it, the entry stays. Make it with [NewORMap].
//
// A value belongs to its entry. When the entry is removed, here or by another node, changing
// the value panics; so get values from the map each time, and do not keep them.
type ORMap[K any, V Data] struct {
	table[K, V]

	newValue func(key K) V

	// What was done since the last reset, besides what the items know.
	cleared bool
	removed ids
}

// NewORMap returns an empty map of keys that are stored as the options say: none for
// messages and primitives, [entity.JSON] for anything else.
//
// newValue returns a new, empty value for a key, whenever an entry is made: by GetOrCreate,
// or because another node has made it. So its type must be the same on all nodes. A map has
// values of several types if V is [Data] and newValue decides by the key; it may return nil
// for keys that must not exist.
//
//	likes := crdt.NewORMap(func(string) *crdt.GCounter { return crdt.NewGCounter() })
//
// If K cannot be a key, the declaration of the entity does not validate, and the methods
// that need to encode a key panic.
func NewORMap[K any, V Data](newValue func(key K) V, options ...entity.CodecOption) *ORMap[K, V] {
	m := &ORMap[K, V]{newValue: newValue}
	m.init(options)
	return m
}

// Len returns how many entries the map has.
func (m *ORMap[K, V]) Len() int { return m.items.len() }

// Contains reports whether the map has an entry for a key with the serialized form of key.
func (m *ORMap[K, V]) Contains(key K) bool { return m.find(key) != nil }

// Get returns the value of a key, and whether there is one.
func (m *ORMap[K, V]) Get(key K) (V, bool) {
	if it := m.find(key); it != nil {
		return it.value, true
	}
	var none V
	return none, false
}

// GetOrCreate returns the value of a key. If there is none it makes an empty one, which is
// sent as a new entry, even if it stays empty.
//
// It fails, and the map is as before, if the key cannot be encoded, such as a string that is
// not UTF-8, or if newValue has not returned a new, empty value.
func (m *ORMap[K, V]) GetOrCreate(key K) (V, error) {
	var none V
	encoded, err := m.encode(key)
	if err != nil {
		return none, fmt.Errorf("create an ORMap entry: %w", err)
	}
	if it := m.findEncoded(encoded); it != nil {
		return it.value, nil
	}
	m.permit()
	kept, i, err := m.codec.keep(encoded)
	if err != nil {
		return none, fmt.Errorf("create an ORMap entry: %w", err)
	}
	value, err := m.create(kept)
	if err != nil {
		return none, err
	}
	m.add(i, kept, value)
	return value, nil
}

// add makes an entry that the proxy does not know.
func (m *ORMap[K, V]) add(i id, key K, value V) {
	it := m.insert(i, key, value)
	value.base().parent = it
	it.added = true
	it.touch()
}

// All returns the keys and their values in the order of the serialized form of the keys. A
// loop may create and remove entries; it visits those that were there when it began and have
// not been removed.
func (m *ORMap[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for it := range m.all() {
			if !yield(it.key, it.value) {
				return
			}
		}
	}
}

// Keys returns the keys of All.
func (m *ORMap[K, V]) Keys() iter.Seq[K] { return m.keys() }

// Values returns the values of All.
func (m *ORMap[K, V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		for it := range m.all() {
			if !yield(it.value) {
				return
			}
		}
	}
}

// Remove removes the entry of a key, if there is one.
func (m *ORMap[K, V]) Remove(key K) {
	m.permit()
	it := m.find(key)
	if it == nil {
		return
	}
	if !it.added {
		m.removed.add(it.id)
	}
	m.remove(it)
	m.touch()
}

// Clear removes all entries.
func (m *ORMap[K, V]) Clear() {
	m.permit()
	if m.items.len() == 0 && m.removed.len() == 0 {
		return
	}
	m.clear()
	m.cleared = true
	m.removed.reset()
	m.touch()
}

// create returns a new, empty value for a key.
func (m *ORMap[K, V]) create(key K) (V, error) {
	value := m.newValue(key)
	if isNil(value) {
		return value, fmt.Errorf("ORMap entry %v: newValue returned nil, so there is no type for the entry; return a new value for each key that may exist", key)
	}
	if value.base().claimed {
		return value, fmt.Errorf("ORMap entry %v: newValue returned a value that is in use; return a new value each time", key)
	}
	if err := value.usable(); err != nil {
		return value, fmt.Errorf("ORMap entry %v: %w", key, err)
	}
	if value.changed() && !isRegister(value) { // the initial value of a register is a change
		return value, fmt.Errorf("ORMap entry %v: newValue returned a value with changes, which would be made once by each node; return an empty value", key)
	}
	value.base().claimed = true
	return value, nil
}

// check looks at the value of an empty key as well, because nothing else is known about the
// values before there are any.
func (m *ORMap[K, V]) check() error { return m.probe(0) }

// maxProbe limits how deep maps are checked, as they may be nested without end.
const maxProbe = 8

// prober is a map that knows how deep it is nested.
type prober interface{ probe(depth int) error }

func (m *ORMap[K, V]) probe(depth int) error {
	if err := m.usable(); err != nil || depth == maxProbe {
		return err
	}
	value, ok := m.sample()
	if !ok {
		return nil
	}
	if nested, ok := any(value).(prober); ok {
		return nested.probe(depth + 1)
	}
	return value.check()
}

func (m *ORMap[K, V]) stored(depth int) []string {
	names := m.table.stored(depth)
	if value, ok := m.sample(); ok && depth < maxProbe {
		names = append(names, value.stored(depth+1)...)
	}
	return names
}

// sample returns what newValue returns for an empty key, which it need not expect.
func (m *ORMap[K, V]) sample() (value V, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	value = m.newValue(m.codec.codec.New())
	return value, !isNil(value)
}

func (m *ORMap[K, V]) usable() error {
	if err := m.table.usable(); err != nil {
		return err
	}
	if m.newValue == nil {
		return errors.New("an ORMap has no function that makes its values; pass one to crdt.NewORMap")
	}
	return nil
}

func (m *ORMap[K, V]) changed() bool {
	return m.cleared || m.removed.len() > 0 || slices.ContainsFunc(m.touched, func(it *item[K, V]) bool {
		return !it.gone && (it.added || it.value.changed())
	})
}

// reset looks at what was touched only. Values that are gone do not matter any more.
func (m *ORMap[K, V]) reset() {
	for _, it := range m.touched {
		if !it.gone {
			it.value.reset()
		}
	}
	m.settle()
	m.cleared = false
	m.removed.reset()
}
