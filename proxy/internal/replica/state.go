package replica

import (
	"slices"
)

// A State is the replicated state of an entity on one node, or a part of it. It must be
// made by [NewState], [Tombstone], [State.Apply] or [Decode], and must not be used concurrently.
type State struct {
	context context
	root    entry
	// part says that the state has only what a few writes have changed: it names each
	// place that its context is about, also those where nothing is left.
	part    bool
	deleted bool
}

// NewState returns the state of an entity that nobody has written to.
func NewState() *State {
	return &State{context: newContext(), root: entry{}}
}

// Tombstone returns the state of an entity that was deleted. It prevails over all
// others.
func Tombstone() *State {
	s := NewState()
	s.deleted = true
	return s
}

// Deleted reports whether the entity was deleted.
func (s *State) Deleted() bool { return s.deleted }

// Exists reports whether there is a CRDT.
func (s *State) Exists() bool { return !s.deleted && s.root.kind() != 0 }

// Clone returns a copy that shares nothing with the state.
func (s *State) Clone() *State {
	return &State{context: s.context.clone(), root: s.root.clone(), part: s.part, deleted: s.deleted}
}

// Merge brings what another state knows into this one, and returns whether that was
// anything new. The other one is not changed, and nothing of it is shared. Merge is
// commutative, associative and idempotent.
func (s *State) Merge(other *State) bool {
	switch {
	case s.deleted:
		return false
	case other.deleted:
		*s = *Tombstone()
		return true
	}
	m := merger{mine: &s.context, theirs: &other.context, keepEmpty: s.part && other.part}
	if !other.part {
		m.all, s.part = true, false
	}
	changed := m.entry(s.root, other.root)
	// After the writes: they are told apart by what was known before.
	return s.context.merge(&other.context) || changed
}

// A merger merges the parts of two states.
type merger struct {
	mine, theirs *context
	// all says that what their state does not name was removed if it is in their context;
	// otherwise it is not concerned.
	all bool
	// keepEmpty keeps places where nothing is left.
	keepEmpty bool
}

func (m *merger) entry(mine, theirs entry) bool {
	changed := false
	for kind := GCounter; kind <= Vote; kind++ {
		s, other := mine[kind], theirs[kind]
		if other == nil && (s == nil || !m.all) {
			continue
		}
		if other == nil {
			other = newSlot()
		}
		if s == nil {
			s = mine.slot(kind)
		}
		changed = m.slot(s, other) || changed
		if s.empty() && !m.keepEmpty {
			delete(mine, kind)
		}
	}
	return changed
}

func (m *merger) slot(mine, theirs *slot) bool {
	alive, changed := mine.alive.merge(theirs.alive, m.mine, m.theirs)
	mine.alive = alive
	for _, at := range names(mine.cells, theirs.cells, m.all) {
		cell, different := mine.cells[at].merge(theirs.cells[at], m.mine, m.theirs)
		changed = changed || different
		if len(cell) == 0 && !m.keepEmpty {
			delete(mine.cells, at)
		} else {
			mine.cells[at] = cell
		}
	}
	for _, key := range names(mine.children, theirs.children, m.all) {
		child := mine.child(key)
		changed = m.entry(child, theirs.children[key]) || changed
		if len(child) == 0 && !m.keepEmpty {
			delete(mine.children, key)
		}
	}
	return changed
}

// names returns the places to merge: those that they name, and all of mine if they name
// everything that there is.
func names[V any](mine, theirs map[Element]V, all bool) []Element {
	places := make([]Element, 0, len(theirs))
	for at := range theirs {
		places = append(places, at)
	}
	if all {
		for at := range mine {
			if _, found := theirs[at]; !found {
				places = append(places, at)
			}
		}
	}
	return slices.Clip(places)
}
