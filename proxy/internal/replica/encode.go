package replica

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// version is that of the encoding, and its first byte.
const version = 1

// Bits of the second byte.
const (
	flagDeleted = 1 << iota
	flagPart
)

// Encode returns the state as bytes that [Decode] takes. Equal states have equal bytes.
//
// All numbers are varints. After version and flags come the names: each text once, sorted,
// to which the rest refers by number; then the changes, those before if it is a part, the
// context, and the root.
func (s *State) Encode() []byte {
	e := newEncoder(s.flags(), s.names())
	e.context(&s.changes)
	if s.part {
		e.context(&s.after)
	}
	e.context(&s.context)
	e.entry(s.root)
	return e.data
}

// A Digest tells states apart: those with the same one are the same.
type Digest [16]byte

// Digest returns the digest of the state, which costs as much as there are nodes that have
// written to it.
func (s *State) Digest() Digest {
	names := map[string]uint64{}
	s.changes.names(names)
	e := newEncoder(s.flags(), names)
	e.context(&s.changes)
	sum := sha256.Sum256(e.data)
	return Digest(sum[:len(Digest{})])
}

func (s *State) flags() byte {
	flags := byte(0)
	if s.deleted {
		flags |= flagDeleted
	}
	if s.part {
		flags |= flagPart
	}
	return flags
}

// Equal reports whether two states are the same, and not only have the same value.
func (s *State) Equal(other *State) bool {
	return bytes.Equal(s.Encode(), other.Encode())
}

// names returns the nodes and types that a state mentions.
func (s *State) names() map[string]uint64 {
	names := map[string]uint64{}
	s.changes.names(names)
	if s.part {
		s.after.names(names)
	}
	s.context.names(names)
	s.root.names(names)
	return names
}

func (c *context) names(names map[string]uint64) {
	for node := range c.upTo {
		names[node] = 0
	}
	for d := range c.loose {
		names[d.node] = 0
	}
}

func (e entry) names(names map[string]uint64) {
	add := func(list writes) {
		for _, w := range list {
			names[w.node], names[w.value.TypeURL] = 0, 0
		}
	}
	for _, s := range e {
		add(s.alive)
		for at, cell := range s.cells {
			names[at.TypeURL] = 0
			add(cell)
		}
		for key, child := range s.children {
			names[key.TypeURL] = 0
			child.names(names)
		}
	}
}

type encoder struct {
	data  []byte
	names map[string]uint64
}

// newEncoder returns an encoder that has begun with version, flags and names.
func newEncoder(flags byte, names map[string]uint64) *encoder {
	e := &encoder{data: []byte{version, flags}, names: names}
	e.number(uint64(len(names)))
	for i, name := range slices.Sorted(maps.Keys(names)) {
		names[name] = uint64(i)
		e.data = protowire.AppendString(e.data, name)
	}
	return e
}

func (e *encoder) number(n uint64) { e.data = protowire.AppendVarint(e.data, n) }

func (e *encoder) count(n int) { e.number(uint64(n)) } //nolint:gosec // not negative

func (e *encoder) name(name string) { e.number(e.names[name]) }

func (e *encoder) element(of Element) {
	e.name(of.TypeURL)
	e.data = protowire.AppendString(e.data, of.Value)
}

func (e *encoder) dot(d dot) {
	e.name(d.node)
	e.number(d.seq)
}

func (e *encoder) context(c *context) {
	e.count(len(c.upTo))
	for _, node := range slices.Sorted(maps.Keys(c.upTo)) {
		e.dot(dot{node, c.upTo[node]})
	}
	e.count(len(c.loose))
	for _, d := range slices.SortedFunc(maps.Keys(c.loose), dot.compare) {
		e.dot(d)
	}
}

func (d dot) compare(other dot) int {
	return cmp.Or(strings.Compare(d.node, other.node), cmp.Compare(d.seq, other.seq))
}

func (e *encoder) entry(of entry) {
	e.count(len(of))
	for _, kind := range slices.Sorted(maps.Keys(of)) {
		e.number(uint64(kind))
		s := of[kind]
		e.writes(s.alive)
		e.count(len(s.cells))
		for _, at := range sorted(s.cells) {
			e.element(at)
			e.writes(s.cells[at])
		}
		e.count(len(s.children))
		for _, key := range sorted(s.children) {
			e.element(key)
			e.entry(s.children[key])
		}
	}
}

func (e *encoder) writes(list writes) {
	e.count(len(list))
	if len(list) > 1 { // of concurrent ones; the order matters to nobody
		slices.SortFunc(list, func(a, b write) int { return a.compare(b.dot) })
	}
	for _, w := range list {
		e.dot(w.dot)
		e.number(w.number.low)
		e.number(w.number.high)
		e.element(w.value)
	}
}
