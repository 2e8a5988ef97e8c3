package replica

// A State is the replicated state of an entity on one node, or a part of it. It must be
// made by [NewState], [Tombstone], [State.Apply] or [Decode], and must not be used concurrently.
type State struct {
	// changes names all changes that are in the state, each by a dot of its own. So states with
	// the same changes are the same.
	changes context
	context context
	root    entry
	// part says that the state has only what one change has done: it names each place that its
	// context is about, also those where nothing is left.
	part bool
	// after names the changes that a part builds on, apart from those that they build on. Of a
	// whole state, it has what has been merged since the last change here.
	after   context
	deleted bool
}

// NewState returns the state of an entity that nobody has written to.
func NewState() *State {
	return &State{changes: newContext(), context: newContext(), after: newContext(), root: entry{}}
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

// IsPart reports whether the state is a part of one, of what a few writes have changed.
func (s *State) IsPart() bool { return s.part }

// Knows reports whether a node of that name has contributed to the state.
func (s *State) Knows(node string) bool { return s.changes.next(node) > 1 || s.context.next(node) > 1 }

// Clone returns a copy that shares nothing with the state.
func (s *State) Clone() *State {
	return &State{changes: s.changes.clone(), context: s.context.clone(), root: s.root.clone(), part: s.part, after: s.after.clone(), deleted: s.deleted}
}

// Ready reports whether another state can be merged without a strange sight. A part that
// comes before others that it builds on cannot: what these have overwritten or removed would
// be seen beside it, or once more, until they come as well.
func (s *State) Ready(other *State) bool {
	return s.deleted || !other.part || s.changes.covers(&other.after)
}

// Has reports whether everything that another state knows is in this one.
func (s *State) Has(other *State) bool {
	return s.deleted || !other.deleted && s.changes.covers(&other.changes)
}

// Merge brings what another state knows into this one, and returns whether that was
// anything new. The other one is not changed, and nothing of it is shared. Merge is
// commutative, associative and idempotent. The state itself must not be a part. Where
// it matters that nothing strange is seen in between, ask Ready before.
func (s *State) Merge(other *State) bool {
	switch {
	case s.Has(other):
		return false
	case other.deleted:
		*s = *Tombstone()
		return true
	}
	m := merger{mine: &s.context, theirs: &other.context, all: !other.part}
	m.entry(s.root, other.root)
	// After the writes: they are told apart by what was known before.
	s.context.merge(&other.context)
	s.after.mergeNew(&other.changes, &s.changes)
	s.changes.merge(&other.changes)
	return true
}

// A merger merges the parts of two states.
type merger struct {
	mine, theirs *context
	// all says that what their state does not name was removed if it is in their context;
	// otherwise it is not concerned.
	all bool
}

func (m *merger) entry(mine, theirs entry) {
	for kind := GCounter; kind <= Vote; kind++ {
		s, other := mine[kind], theirs[kind]
		if other == nil && (s == nil || !m.all) {
			continue
		}
		if other == nil {
			other = &slot{}
		}
		if s == nil {
			s = mine.slot(kind)
		}
		m.slot(s, other)
		if s.empty() {
			delete(mine, kind)
		}
	}
}

func (m *merger) slot(mine, theirs *slot) {
	mine.alive = mine.alive.merge(theirs.alive, m.mine, m.theirs)
	for at, cell := range theirs.cells {
		m.cell(mine, at, cell)
	}
	for key, child := range theirs.children {
		m.child(mine, key, child)
	}
	if !m.all {
		return
	}
	for at := range mine.cells {
		if _, named := theirs.cells[at]; !named {
			m.cell(mine, at, nil)
		}
	}
	for key := range mine.children {
		if _, named := theirs.children[key]; !named {
			m.child(mine, key, nil)
		}
	}
}

func (m *merger) cell(mine *slot, at Element, theirs writes) {
	cell := mine.cells[at].merge(theirs, m.mine, m.theirs)
	if len(cell) > 0 {
		mine.put(at, cell)
	} else {
		delete(mine.cells, at)
	}
}

func (m *merger) child(mine *slot, key Element, theirs entry) {
	child := mine.child(key)
	m.entry(child, theirs)
	if len(child) == 0 {
		delete(mine.children, key)
	}
}
