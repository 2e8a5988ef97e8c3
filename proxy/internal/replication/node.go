package replication

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// Time limits of the protocol (section 10.1), and how often things are tried again.
const (
	readTimeout  = 3 * time.Second
	writeTimeout = 5 * time.Second
	resendEvery  = 500 * time.Millisecond
	compareEvery = time.Second
)

// maxDigests is how many entities one message compares.
const maxDigests = 1000

// ErrConsistency says that not enough nodes have got a write in time. Its text is for
// clients (protocol section 3.5.3).
var ErrConsistency = errors.New("Failed to update CRDT at requested write consistency") //nolint:staticcheck // the text of the protocol

// A Config is what a node needs.
type Config struct {
	// Transport is the cluster; nil if the node is alone.
	Transport cluster.Transport
	// Replicas keeps the CRDTs when the node is closed; nil if nothing does.
	Replicas store.Replicas
	// Warn is called with messages of other nodes that make no sense. Required.
	Warn func(error)
	// Fault is called with what goes wrong in the store. Required.
	Fault func(error)
}

// A Node has the replicas of one proxy. Its methods may be called concurrently.
type Node struct {
	config Config
	ctx    context.Context //nolint:containedctx // of the node, for what goes on in the background
	id     string
	member cluster.Member // nil if the node is alone

	joined    chan struct{} // closed when messages can be handled
	closed    chan struct{}
	summary   summary
	comparing sync.WaitGroup
	saving    sync.WaitGroup

	mu       sync.Mutex
	entities map[Key]*Entity
	lagging  map[*Entity]struct{} // those that may have early parts
	requests map[uint64]*request
	last     uint64 // request
}

// NewNode returns a node that has not joined yet. When the context ends, what is still to be
// kept is given up. Close must be called in any case.
func NewNode(ctx context.Context, config Config) *Node {
	return &Node{
		config: config, ctx: ctx,
		// Each life of a node has a name of its own, so that what is lost of a former one cannot
		// be confused with what this one does.
		id:       "node-" + rand.Text(),
		joined:   make(chan struct{}),
		closed:   make(chan struct{}),
		entities: map[Key]*Entity{}, lagging: map[*Entity]struct{}{}, requests: map[uint64]*request{},
	}
}

// Join reads what is kept of the CRDTs, and joins the cluster, if there is one. It must be
// called once, before the node is used.
func (n *Node) Join(ctx context.Context) error {
	if err := n.load(ctx); err != nil {
		return err
	}
	if n.config.Transport == nil {
		return nil
	}
	member, err := n.config.Transport.Join(n.receive)
	if err != nil {
		return fmt.Errorf("join the cluster: %w", err)
	}
	n.id, n.member = member.ID(), member
	defer close(n.joined)
	for _, e := range n.entities {
		if e.state.Knows(n.id) {
			return fmt.Errorf("join the cluster: its name for this node is %s, but the store has writes of an earlier node of that name, want a name that was never used: writes of both would be confused", n.id)
		}
	}
	n.comparing.Go(n.compare)
	return nil
}

// Close leaves the cluster. When it returns, all that should be kept is, unless the store has
// failed.
func (n *Node) Close() {
	close(n.closed)
	n.comparing.Wait()
	if n.member != nil {
		n.member.Leave()
	}
	n.saving.Wait()
}

// ID returns the name of the node.
func (n *Node) ID() string { return n.id }

// Entity returns the replica of an entity. The caller holds it until it calls Release.
func (n *Node) Entity(key Key) *Entity {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.entities[key]
	if e == nil {
		e = &Entity{node: n, key: key, summarized: newSummarized(key), state: replica.NewState(), kept: kept{store: n.config.Replicas}}
		n.entities[key] = e
	}
	e.holders++
	return e
}

// Release says that the caller of Entity does not use the replica any more. One that nobody
// has written to is forgotten when nobody holds it, so that clients who ask for what does not
// exist leave nothing behind.
func (n *Node) Release(e *Entity) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e.holders--
	if e.holders == 0 && e.blank() {
		delete(n.entities, e.key)
	}
}

// known returns the replica of an entity, or nil if there is none.
func (n *Node) known(key Key) *Entity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.entities[key]
}

// peers returns the other nodes.
func (n *Node) peers() []string {
	if n.member == nil {
		return nil
	}
	return n.member.Peers()
}

// cluster returns what the node knows of the cluster.
func (n *Node) cluster() replica.Cluster {
	return replica.Cluster{Self: n.id, Others: n.peers()}
}

// majority returns how many of the peers make a majority of the cluster, with this node.
func majority(peers []string) int { return (len(peers) + 1) / 2 }

// Publish keeps a change in the store and sends it to all other nodes. If there is no store,
// and the consistency is LOCAL or there is no other node, it returns nil; otherwise what waits
// until the change is kept and enough of the others have got it, or returns an error that is
// [ErrConsistency].
func (n *Node) Publish(change Change, consistency crdtpb.CrdtWriteConsistency) (wait func(context.Context) error) {
	peers := n.peers()
	if len(peers) == 0 && n.config.Replicas == nil {
		return nil
	}
	encoded := change.state.Encode()
	saved := change.save(encoded)
	write := &message{op: opWrite, key: change.entity.key, state: encoded}
	needed := 0
	switch consistency {
	case crdtpb.CrdtWriteConsistency_MAJORITY:
		needed = majority(peers)
	case crdtpb.CrdtWriteConsistency_ALL:
		needed = len(peers)
	default: // LOCAL
	}
	if needed == 0 {
		n.send(peers, write)
		if saved == nil {
			return nil
		}
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		err := n.ask(ctx, write, change.whole, peers, needed)
		if err == nil && saved != nil {
			select {
			case err = <-saved:
			case <-ctx.Done():
				err = fmt.Errorf("the store takes too long: %w", context.Cause(ctx))
			}
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConsistency, err)
		}
		return nil
	}
}

// send sends a message to nodes.
func (n *Node) send(to []string, m *message) {
	if len(to) == 0 {
		return
	}
	data := m.encode()
	for _, peer := range to {
		n.member.Send(peer, data)
	}
}

// receive handles a message.
func (n *Node) receive(from string, data []byte) {
	<-n.joined
	m, err := decode(data)
	if err == nil {
		err = n.handle(from, m)
	}
	if err != nil {
		n.config.Warn(fmt.Errorf("message from %s: %w", from, err))
	}
}

func (n *Node) handle(from string, m *message) error {
	switch m.op {
	case opWrite:
		return n.written(from, m)
	case opAck:
		n.answered(m.request, from)
	case opRead:
		answer := &message{op: opState, request: m.request, key: m.key}
		if e := n.known(m.key); e != nil {
			answer.state = e.encode()
		}
		n.send([]string{from}, answer)
	case opState:
		if len(m.state) > 0 {
			e := n.Entity(m.key)
			defer n.Release(e)
			if _, err := e.merge(m.state); err != nil {
				return err
			}
		}
		n.answered(m.request, from)
	case opOffer:
		return n.offered(from, m)
	case opDigest:
		n.compared(from, m.digests)
	case opSummary:
		return n.summarized(from, m.state)
	case opDiffer:
		return n.differ(from, m.state)
	}
	return nil
}

// written merges a write, and acknowledges it when all of it is here and kept. A part that has
// come too early is not: all of it will come.
func (n *Node) written(from string, m *message) error {
	e := n.Entity(m.key)
	defer n.Release(e)
	state, err := e.merge(m.state)
	if err != nil || m.request == 0 || !e.has(state) {
		return err
	}
	e.whenSaved(func(err error) {
		if err == nil {
			n.send([]string{from}, &message{op: opAck, request: m.request, key: m.key})
		}
	})
	return nil
}
