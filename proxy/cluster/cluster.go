// Package cluster connects proxies, so that they replicate CRDT entities: it has the
// interface that a network between them must satisfy, and one that exists in memory.
//
// A proxy without a cluster is alone, and keeps its entities for itself. All proxies of a
// cluster must serve the same user function.
package cluster

// A Transport is a network that proxies can join. It may be joined several times, by one
// proxy each.
type Transport interface {
	// Join adds a member. receive is called with every message for it, and who has sent
	// it, possibly concurrently, until Leave returns; it returns soon, and may keep the
	// message.
	Join(receive func(from string, message []byte)) (Member, error)
}

// A Member is a place in a cluster. Its methods may be called concurrently.
type Member interface {
	// ID is the name of the member. It is never used again for another member, nor for a
	// later life of this one: its writes would be confused with those of a former life, of
	// which others may know more than it does, even if it has kept its CRDTs.
	ID() string
	// Peers are the names of all other members that there should be, whether they can be
	// reached or not. The slice belongs to the caller.
	Peers() []string
	// Send sends a message, which must not be changed afterwards, and does not wait.
	// Messages may get lost, arrive late, in another order, or more than once.
	Send(to string, message []byte)
	// Leave ends the membership. Nothing is received when it has returned.
	Leave()
}
