// Package replica has the data types of CRDT entities as a proxy sees them (protocol
// section 5).
//
// A [State] is what the nodes of a cluster replicate. It merges: in whatever order, and
// however often, nodes exchange states and parts of states, they end up with the same.
// [State.Apply] puts a change of the user function into it, and returns the part of the
// state that other nodes need to know.
//
// A [View] is the plain value that a user function holds. [View.Apply] does what the user
// function has done, and [View.Follow] says what it has to be told. That costs as much as has
// changed, however large the CRDT is, because [Touched] knows where.
//
// # How states merge
//
// Every write gets a dot: a node, and a number that this node has never used before. A
// state has the dots that it contains, each with what was written, and the context: all
// dots that it knows of. A dot that is in the context but not contained was overwritten or
// removed. So removed values leave nothing behind but the context, which is a number per
// node; and what was added, and what was removed without having been seen, can be told
// apart, at any depth of nested maps (Almeida, Shoker, Baquero: Delta State Replicated
// Data Types).
//
// A state also knows which changes it consists of, each named by a dot of its own. So it is
// quickly found out whether a state has anything new for another one, and whether two are the
// same: see [State.Digest]. And a part of a state knows which changes it builds on, so that
// nodes can wait for these: see [State.Ready].
package replica
