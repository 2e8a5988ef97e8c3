package replica

import "slices"

// A write is a dot with what was written. What that means depends on the type.
type write struct {
	dot

	// number is a part of a counter, a vote (1 is for), or the timestamp of a register.
	number wide
	// value is that of a register.
	value Element
}

// writes are those to the same place that are not overwritten: usually one, and more
// after concurrent ones.
type writes []write

func (w writes) has(d dot) bool {
	return slices.ContainsFunc(w, func(x write) bool { return x.dot == d })
}

// merge returns the writes that two states have in common or have not seen of each other. It
// reuses the memory of w.
func (w writes) merge(other writes, mine, theirs *context) writes {
	merged := slices.DeleteFunc(w, func(x write) bool { return theirs.contains(x.dot) && !other.has(x.dot) })
	for _, x := range other {
		if !mine.contains(x.dot) {
			merged = append(merged, x)
		}
	}
	return merged
}

// A slot holds a CRDT of one type. It exists while it is alive; what it has besides
// was written by nodes which did not know that it was removed, or arrived out of order.
type slot struct {
	alive    writes             // of nothing
	cells    map[Element]writes // by element; all but sets have only that of no element; nil for none
	children map[Element]entry  // of maps; nil for none
}

// An entry is a place for a CRDT: of the entity itself, or at the key of a map. There may be
// several types after nodes have created different ones concurrently.
type entry map[Kind]*slot

// slot returns the slot of a type, and makes one if there is none.
func (e entry) slot(kind Kind) *slot {
	s := e[kind]
	if s == nil {
		s = &slot{}
		e[kind] = s
	}
	return s
}

// put sets the writes of a cell.
func (s *slot) put(at Element, cell writes) {
	if s.cells == nil {
		s.cells = map[Element]writes{}
	}
	s.cells[at] = cell
}

// child returns the entry at a key, and makes one if there is none.
func (s *slot) child(key Element) entry {
	e := s.children[key]
	if e == nil {
		if s.children == nil {
			s.children = map[Element]entry{}
		}
		e = entry{}
		s.children[key] = e
	}
	return e
}

// kind returns the type of what is there, the first one if there are several, or 0.
func (e entry) kind() Kind {
	for kind := GCounter; kind <= Vote; kind++ {
		if s := e[kind]; s != nil && len(s.alive) > 0 {
			return kind
		}
	}
	return 0
}

func (s *slot) empty() bool {
	return len(s.alive) == 0 && len(s.cells) == 0 && len(s.children) == 0
}

// clone returns a deep copy.
func (e entry) clone() entry {
	c := make(entry, len(e))
	for kind, s := range e {
		copied := c.slot(kind)
		copied.alive = slices.Clone(s.alive)
		for at, cell := range s.cells {
			copied.put(at, slices.Clone(cell))
		}
		if s.children != nil {
			copied.children = make(map[Element]entry, len(s.children))
		}
		for key, child := range s.children {
			copied.children[key] = child.clone()
		}
	}
	return c
}
