package replication

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// An Entity is the replica of an entity on a node. Its methods may be called
// concurrently.
type Entity struct {
	node *Node
	key  Key

	holders    int // of whom the lock of the node protects the number
	summarized summarized

	mu      sync.Mutex
	state   *replica.State
	changes uint64          // by other nodes
	changed func()          // may be nil
	touched replica.Touched // since the user function was told; nothing if nobody watches
	early   []early         // at most maxEarly
	kept    kept
}

// early is a part of the state that has come before others that it builds on.
type early struct {
	state   *replica.State
	encoded []byte
}

// maxEarly limits how many parts are kept that have come early. What is dropped comes with the
// whole state, which the nodes will find to be different.
const maxEarly = 64

// Watch lets changed be called after other nodes have changed the replica, possibly
// concurrently; it must not block. There is one watcher; nil ends that.
func (e *Entity) Watch(changed func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changed, e.touched = changed, replica.Touched{}
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
	in := e.node.cluster()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.touched = replica.Touched{}
	return e.state.View(in), e.changes
}

// Tell brings the value that the user function holds up to date, which is that of View with
// what the user function has done since, and returns the delta for it, or nil if there is no
// difference; and how many changes by other nodes are in it. The cost is that of what has
// changed, as long as there is a watcher. The error is that of [replica.View.Follow].
func (e *Entity) Tell(held *replica.View) (delta *crdtpb.CrdtDelta, changes uint64, err error) {
	in := e.node.cluster()
	e.mu.Lock()
	defer e.mu.Unlock()
	delta, err = held.Follow(e.state, &e.touched, in)
	e.touched = replica.Touched{}
	return delta, e.changes, err
}

// Doubt lets the next Tell compare everything, because the user function has done something
// that does not count.
func (e *Entity) Doubt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.touched.All()
}

// Differs reports whether Tell may have something to tell.
func (e *Entity) Differs() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.touched.Any()
}

// Changes returns how often other nodes have changed the replica.
func (e *Entity) Changes() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changes
}

// A Change is a write to a replica that has to be kept, and that other nodes have to get.
type Change struct {
	entity *Entity
	state  *replica.State // what has changed
}

// whole returns the message with all that a change led to.
func (c Change) whole() *message {
	return &message{op: opWrite, key: c.entity.key, state: c.entity.encode()}
}

// Update applies a delta of the user function of this node.
func (e *Entity) Update(delta *crdtpb.CrdtDelta) Change {
	e.mu.Lock()
	defer e.mu.Unlock()
	part, differs := e.state.Apply(delta, replica.Writer{Node: e.node.id, Now: time.Now()})
	if differs {
		e.touch(part)
	}
	e.node.summary.changed(e)
	return Change{entity: e, state: part}
}

// touch notes what a state that is merged may have changed. The caller holds the lock.
func (e *Entity) touch(merged *replica.State) {
	if e.changed != nil {
		e.touched.Add(merged)
	}
}

// Delete deletes the entity.
func (e *Entity) Delete() Change {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state.Merge(replica.Tombstone())
	e.node.summary.changed(e)
	return Change{entity: e, state: replica.Tombstone()}
}

// Read asks other nodes for the entity, until a majority of the cluster is known to have
// nothing more, or the time limit of the protocol is over.
func (e *Entity) Read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	peers := e.node.peers()
	// Without a majority, what this node knows has to do.
	read := &message{op: opRead, key: e.key}
	_ = e.node.ask(ctx, read, func() *message { return read }, peers, majority(peers))
}

// merge merges an encoded state that a node has sent, and has it kept. It returns the state. If
// that is a part, it may come before others that it builds on, and wait.
func (e *Entity) merge(encoded []byte) (*replica.State, error) {
	state, err := replica.Decode(encoded)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	before := e.changes
	e.early = append(e.early, early{state, encoded})
	e.mergeReady()
	if len(e.early) > maxEarly {
		e.early = slices.Delete(e.early, 0, 1)
	}
	lags := len(e.early) > 0
	changed := e.changed
	if e.changes == before {
		changed = nil
	}
	e.mu.Unlock()
	if changed != nil {
		changed()
	}
	if lags {
		e.node.mu.Lock()
		e.node.lagging[e] = struct{}{}
		e.node.mu.Unlock()
	}
	return state, nil
}

// has reports whether the replica has all of a state.
func (e *Entity) has(state *replica.State) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Has(state)
}

// mergeReady merges what has come and can be merged. The caller holds the lock.
func (e *Entity) mergeReady() {
	for i := 0; i < len(e.early); {
		next := e.early[i]
		if !e.state.Ready(next.state) {
			i++
			continue
		}
		e.early, i = slices.Delete(e.early, i, i+1), 0 // others may be ready now
		if e.state.Merge(next.state) {
			e.changes++
			e.touch(next.state)
			e.node.summary.changed(e)
			e.keep(next.state, next.encoded, nil)
		}
	}
}

// blank reports whether nobody has written to the entity.
func (e *Entity) blank() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Digest() == empty && len(e.early) == 0
}

// lags reports whether something is missing before what has come.
func (e *Entity) lags() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.early) > 0
}

// encode returns the state.
func (e *Entity) encode() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Encode()
}

// digest returns the digest of the state.
func (e *Entity) digest() replica.Digest {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Digest()
}

// empty is the digest of an entity that nobody has written to.
var empty = replica.NewState().Digest()
