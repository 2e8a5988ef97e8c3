package replication

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// sum is a hash of a state.
type sum [16]byte

func sumOf(state []byte) (s sum) {
	full := sha256.Sum256(state)
	copy(s[:], full[:])
	return s
}

// An Entity is the replica of an entity on a node. Its methods may be called
// concurrently.
type Entity struct {
	node *Node
	key  Key

	mu      sync.Mutex
	state   *replica.State
	encoded []byte // nil if the state has changed since
	changes uint64 // by other nodes
	changed func() // may be nil
}

// Watch lets changed be called after other nodes have changed the replica, possibly
// concurrently; it must not block. There is one watcher; nil ends that.
func (e *Entity) Watch(changed func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changed = changed
}

// Deleted reports whether the entity was deleted.
func (e *Entity) Deleted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Deleted()
}

// View returns the value for the user function of this node, or nil if there is none,
// and how many changes by other nodes are in it.
func (e *Entity) View() (value *replica.View, changes uint64) {
	members := 1 + len(e.node.peers())
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.View(e.node.id, members), e.changes
}

// Changes returns how often other nodes have changed the replica.
func (e *Entity) Changes() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changes
}

// A Change is a write to a replica that other nodes have to get.
type Change struct {
	key   Key
	state []byte
}

// Update applies a delta of the user function of this node. lost is as for
// [replica.State.Apply].
func (e *Entity) Update(delta *crdtpb.CrdtDelta) (change Change, lost bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	part, lost := e.state.Apply(delta, replica.Writer{Node: e.node.id, Now: time.Now()})
	e.encoded = nil
	return Change{key: e.key, state: part.Encode()}, lost
}

// Delete deletes the entity.
func (e *Entity) Delete() Change {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state.Merge(replica.Tombstone())
	e.encoded = nil
	return Change{key: e.key, state: e.state.Encode()}
}

// Read asks other nodes for the entity, until a majority of the cluster is known to have
// nothing more, or the time limit of the protocol is over.
func (e *Entity) Read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	peers := e.node.peers()
	// Without a majority, what this node knows has to do.
	_ = e.node.ask(ctx, &message{op: opRead, key: e.key}, peers, majority(peers))
}

// merge merges an encoded state.
func (e *Entity) merge(encoded []byte) error {
	state, err := replica.Decode(encoded)
	if err != nil {
		return err
	}
	e.mu.Lock()
	var changed func()
	if e.state.Merge(state) {
		e.encoded, changed = nil, e.changed
		e.changes++
	}
	e.mu.Unlock()
	if changed != nil {
		changed()
	}
	return nil
}

// encode returns the state.
func (e *Entity) encode() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.encoded == nil {
		e.encoded = e.state.Encode()
	}
	return e.encoded
}

// empty is the hash of the state of an entity that nobody has written to.
var empty = sumOf(replica.NewState().Encode())
