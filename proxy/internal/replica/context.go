package replica

import "maps"

// A dot names a write: a node, and a number that it has used for nothing else.
type dot struct {
	node string
	seq  uint64
}

// A context is a set of dots: of each node all up to a number, and some later ones where
// those between have not arrived yet.
type context struct {
	upTo  map[string]uint64
	loose map[dot]struct{}
}

func newContext() context {
	return context{upTo: map[string]uint64{}, loose: map[dot]struct{}{}}
}

func (c *context) contains(d dot) bool {
	if d.seq <= c.upTo[d.node] {
		return true
	}
	_, found := c.loose[d]
	return found
}

// covers returns whether all dots of another context are in this one.
func (c *context) covers(other *context) bool {
	for node, seq := range other.upTo {
		if seq > c.upTo[node] {
			return false
		}
	}
	for d := range other.loose {
		if !c.contains(d) {
			return false
		}
	}
	return true
}

// next returns the number for the next write of a node, which must never have used it in
// anything that the context does not know of.
func (c *context) next(node string) uint64 {
	last := c.upTo[node]
	for d := range c.loose {
		if d.node == node {
			last = max(last, d.seq)
		}
	}
	return last + 1
}

// add adds a dot.
func (c *context) add(d dot) {
	if c.contains(d) {
		return
	}
	c.loose[d] = struct{}{}
	c.compact(d.node)
}

// merge adds all dots of another context.
func (c *context) merge(other *context) {
	later := false
	for node, seq := range other.upTo {
		if seq > c.upTo[node] {
			c.upTo[node], later = seq, true
		}
	}
	for d := range other.loose {
		c.add(d)
	}
	if !later || len(c.loose) == 0 {
		return
	}
	maps.DeleteFunc(c.loose, func(d dot, _ struct{}) bool { return d.seq <= c.upTo[d.node] })
	for node := range other.upTo {
		c.compact(node)
	}
}

// mergeNew adds the dots of another context that are not in known.
func (c *context) mergeNew(other, known *context) {
	for node, seq := range other.upTo {
		if seq > known.upTo[node] {
			c.upTo[node] = max(c.upTo[node], seq)
		}
	}
	for d := range other.loose {
		if !known.contains(d) {
			c.add(d)
		}
	}
}

// compact removes loose dots of a node that follow directly on those before.
func (c *context) compact(node string) {
	for len(c.loose) > 0 {
		next := dot{node, c.upTo[node] + 1}
		if _, found := c.loose[next]; !found {
			return
		}
		delete(c.loose, next)
		c.upTo[node] = next.seq
	}
}

func (c *context) clone() context {
	return context{upTo: maps.Clone(c.upTo), loose: maps.Clone(c.loose)}
}
