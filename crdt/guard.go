package crdt

import "github.com/cloudstate-go/cloudstate/internal/component"

// A guard says whether the values of an entity may be changed now. The runtime opens and
// closes it; a root value is attached to it, and what is nested in the value asks its root.
// A value without a guard, as in a unit test, may be changed at any time.
type guard struct {
	refusal  string // why not; empty if changes are allowed
	released bool
	probe    *component.Probe // nil in production
}

// allow lets the values change, unless the guard was released.
func (g *guard) allow() {
	if !g.released {
		g.refusal = ""
	}
}

// refuse makes every change panic with a reason, unless the guard was released.
func (g *guard) refuse(reason string) {
	if !g.released {
		g.refusal = reason
	}
}

// release makes every change panic for ever.
func (g *guard) release() {
	g.released, g.refusal = true, releasedValue
}

const (
	releasedValue = "crdt: a value was changed after its entity had been dropped from memory, so that nobody would see the change. " +
		"Change values in command handlers only, and get them with Data each time."
	removedValue = "crdt: a value was changed after it had been removed from its ORMap, or replaced because another node created the entry anew, " +
		"so that nobody would see the change. Get values from the map each time."
)

// node is what all values have in common: where they belong.
type node struct {
	guard   *guard // of a root value
	parent  parent // of a value in a map
	claimed bool   // for an entity or the entry of a map, even if it is not there yet
}

// parent is the entry of a map, from the point of view of the value in it.
type parent interface {
	// permit panics unless the value may change now.
	permit()
	// touch notes that the value has changed.
	touch()
}

// attach makes g the guard of d and of whatever is nested in it.
func attach(d Data, g *guard) {
	n := d.base()
	n.guard, n.claimed = g, true
}

func (n *node) base() *node { return n }

func (n *node) usable() error { return nil }

func (n *node) check() error { return nil }

func (n *node) stored(int) []string { return nil }

// permit panics unless the value may change now. Every method that changes a value begins
// with it, even if the change turns out to be none.
func (n *node) permit() {
	switch {
	case n.parent != nil:
		n.parent.permit()
	case n.guard != nil && n.guard.refusal != "":
		n.guard.misused(n.guard.refusal)
	}
}

// touch tells the map around the value that it has changed, so that the map need not look
// at all of its values to find the ones that have.
func (n *node) touch() {
	if n.parent != nil {
		n.parent.touch()
	}
}
