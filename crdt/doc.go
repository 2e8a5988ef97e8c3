// Package crdt implements replicated entities: values that every node changes on its own
// and that converge without coordination.
//
// # Values
//
// There are eight replicated data types, and two maps that make frequent uses of them
// convenient:
//
//	[GCounter]        a counter that only grows
//	[PNCounter]       a counter that grows and shrinks
//	[GSet]            a set that only grows
//	[ORSet]           a set with removal; an element that is added and removed at the same time stays
//	[LWWRegister]     a value of which the last write wins
//	[Flag]            a bool that can only be set
//	[Vote]            one yes or no per node, and how many nodes said yes
//	[ORMap]           a map whose values are replicated themselves
//	[PNCounterMap]    an ORMap of counters
//	[LWWRegisterMap]  an ORMap of registers
//
// They are ordinary Go types: a command handler reads and changes a value through its
// methods. Each value notes what has changed since it was last sent, and that is all that
// is sent. What a command costs does not depend on the size of the value, but on what the
// command does.
//
//	tags := crdt.NewORSet[string]()
//	if err := tags.Add("go"); err != nil {
//		return err
//	}
//	for tag := range tags.All() { ... }
//
// # Elements and keys
//
// Elements of sets, keys of maps and values of registers may be strings and other
// primitives, pointers to protobuf messages, or anything that is stored as JSON by
// [entity.JSON].
//
// Two elements are the same if they have the same serialized form, type URL and bytes,
// because proxies compare nothing else. The library encodes deterministically, and it keeps
// what other nodes have sent as they have sent it. But whatever changes the bytes makes
// another element: a new field that is set, another name, another language that writes the
// same value differently. Prefer primitives and small messages of which all writers agree.
// A message with a map field, in itself or in a message inside it, is refused as an element
// and as a key, because protobuf does not say in which order to write a map.
//
// Values keep copies of what they are given. What they return belongs to them and must not
// be changed.
//
// Iteration is in the order of the serialized form, which is the same on every node. A loop
// may change what it iterates over: it visits what was there when it began, without what is
// removed before the loop gets there.
//
// # Concurrency
//
// A value belongs to its entity. It must not be used by other goroutines, nor after the
// handler that received it has returned.
package crdt
