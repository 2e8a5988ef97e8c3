package replica

import (
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A Writer is on whose behalf a state changes.
type Writer struct {
	// Node is the node of the state. No other one may ever have the same name, not even
	// an earlier life of this one, whose memory is lost.
	Node string
	// Now is the time, for registers.
	Now time.Time
}

// Apply puts a delta of the user function, which [View.Apply] has accepted, into the state,
// which must not be a part of one. It returns the part of the state that has changed, for
// other nodes to merge. differs says that the user function does not hold what is in the
// places of that part: a register has kept its value, because that has a later clock, or a
// vote was created, of which only the proxy knows how many nodes take part.
//
// Of a deleted entity, nothing changes.
func (s *State) Apply(delta *crdtpb.CrdtDelta, by Writer) (part *State, differs bool) {
	part = NewState()
	part.part = true
	if s.deleted {
		return Tombstone(), false
	}
	this := dot{by.Node, s.changes.next(by.Node)}
	part.after, s.after = s.after, newContext()
	if this.seq > 1 {
		part.after.add(dot{by.Node, this.seq - 1})
	}
	s.changes.add(this)
	part.changes.add(this)
	c := &change{state: s, part: part, by: by}
	kind := KindOf(delta)
	mine, theirs := s.root.slot(kind), part.root.slot(kind)
	if len(mine.alive) == 0 {
		c.keep(mine, theirs) // with what other nodes have written, if that has arrived first
		c.differs = kind == Vote
	}
	// Whoever gets this part first has to know that there is a CRDT.
	theirs.alive = slices.Clone(mine.alive)
	for _, w := range mine.alive {
		part.context.add(w.dot)
	}
	c.apply(mine, theirs, delta)
	return part, c.differs
}

// A change writes to a state, and to the part of it that tells other nodes. Its methods
// take a place in both.
type change struct {
	state, part *State
	by          Writer
	differs     bool
}

// forget takes a write out of the state: it is overwritten, or removed.
func (c *change) forget(w write) { c.part.context.add(w.dot) }

// overwrite replaces the writes of a place by one.
func (c *change) overwrite(old writes, w write) writes {
	for _, x := range old {
		c.forget(x)
	}
	w.dot = dot{c.by.Node, c.state.context.next(c.by.Node)}
	c.state.context.add(w.dot)
	c.part.context.add(w.dot)
	return writes{w}
}

// set replaces the writes of a cell by one.
func (c *change) set(mine, theirs *slot, at Element, w write) {
	cell := c.overwrite(mine.cells[at], w)
	mine.put(at, cell)
	theirs.put(at, slices.Clone(cell))
}

// unset removes what a cell has.
func (c *change) unset(mine, theirs *slot, at Element) {
	for _, w := range mine.cells[at] {
		c.forget(w)
	}
	delete(mine.cells, at)
	theirs.put(at, nil)
}

// keep lets a CRDT exist, even if it is removed concurrently.
func (c *change) keep(mine, theirs *slot) {
	mine.alive = c.overwrite(mine.alive, write{})
	theirs.alive = slices.Clone(mine.alive)
}

// revive lets a CRDT exist that does not, without what may be left of former ones.
func (c *change) revive(mine, theirs *slot) {
	c.clear(mine, theirs)
	c.keep(mine, theirs)
}

// clear removes what a CRDT contains.
func (c *change) clear(mine, theirs *slot) {
	for at := range mine.cells {
		c.unset(mine, theirs, at)
	}
	for key := range mine.children {
		c.remove(mine, theirs, key)
	}
}

// remove removes a key.
func (c *change) remove(mine, theirs *slot, key Element) {
	for kind, s := range mine.children[key] {
		gone := theirs.child(key).slot(kind)
		for _, w := range s.alive {
			c.forget(w)
		}
		s.alive, gone.alive = nil, nil
		c.clear(s, gone)
	}
	delete(mine.children, key)
}

func (c *change) apply(mine, theirs *slot, delta *crdtpb.CrdtDelta) {
	switch d := delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		c.count(mine, theirs, d.Gcounter.GetIncrement())
	case *crdtpb.CrdtDelta_Pncounter:
		c.count(mine, theirs, uint64(d.Pncounter.GetChange())) //nolint:gosec // modulo 2^64
	case *crdtpb.CrdtDelta_Gset:
		c.addAll(mine, theirs, d.Gset.GetAdded())
	case *crdtpb.CrdtDelta_Orset:
		c.orset(mine, theirs, d.Orset)
	case *crdtpb.CrdtDelta_Lwwregister:
		c.register(mine, theirs, d.Lwwregister)
	case *crdtpb.CrdtDelta_Flag:
		if d.Flag.GetValue() {
			c.set(mine, theirs, Element{}, write{})
		}
	case *crdtpb.CrdtDelta_Ormap:
		c.ormap(mine, theirs, d.Ormap)
	case *crdtpb.CrdtDelta_Vote:
		vote := wide{}
		if d.Vote.GetSelfVote() {
			vote.low = 1
		}
		c.own(mine, theirs, vote)
	}
}

// own replaces what this node has written to the only cell.
func (c *change) own(mine, theirs *slot, number wide) {
	var others, own writes
	for _, w := range mine.cells[Element{}] {
		if w.node == c.by.Node {
			own = append(own, w)
		} else {
			others = append(others, w)
		}
	}
	now := c.overwrite(own, write{number: number})
	theirs.put(Element{}, now)
	mine.put(Element{}, append(others, now...))
}

// count adds to what this node has counted.
func (c *change) count(mine, theirs *slot, by uint64) {
	if by == 0 {
		return
	}
	sum := wide{low: by}
	for _, w := range mine.cells[Element{}] {
		if w.node == c.by.Node {
			sum = sum.plus(w.number)
		}
	}
	c.own(mine, theirs, sum)
}

func (c *change) addAll(mine, theirs *slot, added []*anypb.Any) {
	for _, e := range added {
		c.set(mine, theirs, ElementOf(e), write{})
	}
}

func (c *change) orset(mine, theirs *slot, delta *crdtpb.ORSetDelta) {
	if delta.GetCleared() {
		c.clear(mine, theirs)
	}
	for _, e := range delta.GetRemoved() {
		c.unset(mine, theirs, ElementOf(e))
	}
	c.addAll(mine, theirs, delta.GetAdded())
}

// register sets a register, unless what is there is later.
func (c *change) register(mine, theirs *slot, delta *crdtpb.LWWRegisterDelta) {
	cell := mine.cells[Element{}]
	timestamp := clock(delta, cell.latest().timestamp(), c.by.Now.UnixMilli())
	w := write{dot: dot{node: c.by.Node}, number: wide{low: uint64(timestamp)}, value: ElementOf(delta.GetValue())} //nolint:gosec // the bits of it
	if latest := cell.latest(); len(cell) > 0 && !w.later(latest) {
		c.differs = true
		// Written again, the value goes wherever the register does, even if that is removed
		// concurrently.
		w.number, w.value = latest.number, latest.value
	}
	c.set(mine, theirs, Element{}, w)
}

// clock returns the timestamp of a write to a register with the timestamp t, or 0 if it
// has none (protocol section 5.6, and ).
func clock(delta *crdtpb.LWWRegisterDelta, t, now int64) int64 {
	custom := delta.GetCustomClockValue()
	switch delta.GetClock() {
	case crdtpb.CrdtClock_REVERSE:
		if t == math.MinInt64 {
			return t
		}
		return min(-now, t-1)
	case crdtpb.CrdtClock_CUSTOM:
		return custom
	case crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT:
		if custom > t {
			return custom
		}
	default:
		t = max(now-1, t)
	}
	if t == math.MaxInt64 {
		return t
	}
	return t + 1
}

// timestamp returns that of a write to a register.
func (w write) timestamp() int64 { return int64(w.number.low) } //nolint:gosec // the bits of it

// later says whether a write to a register prevails over another one: of two at the same
// time, that of the first node does, and of a node's own the former.
func (w write) later(than write) bool {
	if w.timestamp() != than.timestamp() {
		return w.timestamp() > than.timestamp()
	}
	return w.node < than.node
}

// latest returns the write to a register that prevails.
func (w writes) latest() write {
	var latest write
	for i, x := range w {
		if i == 0 || x.later(latest) || x.node == latest.node && x.timestamp() == latest.timestamp() && x.seq > latest.seq {
			latest = x
		}
	}
	return latest
}

func (c *change) ormap(mine, theirs *slot, delta *crdtpb.ORMapDelta) {
	if delta.GetCleared() {
		c.clear(mine, theirs)
	}
	for _, key := range delta.GetRemoved() {
		c.remove(mine, theirs, ElementOf(key))
	}
	for _, updated := range delta.GetUpdated() {
		key, kind := ElementOf(updated.GetKey()), KindOf(updated.GetDelta())
		if kind == 0 || mine.children[key].kind() != kind {
			continue // it was removed, or became something else
		}
		child, told := mine.child(key).slot(kind), theirs.child(key).slot(kind)
		c.keep(child, told)
		c.apply(child, told, updated.GetDelta())
	}
	for _, added := range delta.GetAdded() {
		key, kind := ElementOf(added.GetKey()), KindOf(added.GetDelta())
		child, told := mine.child(key).slot(kind), theirs.child(key).slot(kind)
		if len(child.alive) == 0 {
			c.revive(child, told)
			c.differs = c.differs || kind == Vote
		} else {
			c.keep(child, told)
		}
		c.apply(child, told, added.GetDelta())
	}
}
