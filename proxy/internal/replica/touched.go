package replica

import (
	"iter"
	"maps"
)

// Touched has the places of a state that may have changed since somebody looked. The zero
// value has none.
type Touched struct{ root *place }

// A place is where a CRDT is, of whatever type, in which something was touched.
type place struct {
	all      bool // everything; then the rest does not matter
	cells    map[Element]struct{}
	children map[Element]*place
}

var everything = &place{all: true}

// All adds every place.
func (t *Touched) All() { t.root = everything }

// Add adds the places that a state which is merged may change.
func (t *Touched) Add(merged *State) {
	if !merged.part {
		t.All()
		return
	}
	if t.root == nil {
		t.root = &place{}
	}
	t.root.add(merged.root)
}

// Any reports whether there are any.
func (t *Touched) Any() bool { return t.root != nil }

func (p *place) add(merged entry) {
	if p.all {
		return
	}
	for _, s := range merged {
		for at := range s.cells {
			if p.cells == nil {
				p.cells = map[Element]struct{}{}
			}
			p.cells[at] = struct{}{}
		}
		for key, child := range s.children {
			p.child(key).add(child)
		}
	}
}

// child returns the place at a key, and makes one if there is none.
func (p *place) child(key Element) *place {
	if p.all {
		return everything
	}
	child := p.children[key]
	if child == nil {
		if p.children == nil {
			p.children = map[Element]*place{}
		}
		child = &place{}
		p.children[key] = child
	}
	return child
}

// touched yields the names of what was touched in a place: those that are named, or, if that
// is everything, those of what was and what is there. What was there may change meanwhile.
func touched[A, B, C any](p *place, named map[Element]A, before map[Element]B, now map[Element]C) iter.Seq[Element] {
	if !p.all {
		return maps.Keys(named)
	}
	return func(yield func(Element) bool) {
		for at := range before {
			if !yield(at) {
				return
			}
		}
		for at := range now {
			if _, known := before[at]; !known && !yield(at) {
				return
			}
		}
	}
}
