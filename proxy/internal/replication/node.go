package replication

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// Time limits of the protocol (section 10.1), and how often things are tried again.
const (
	readTimeout  = 3 * time.Second
	writeTimeout = 5 * time.Second
	resendEvery  = 500 * time.Millisecond
	compareEvery = time.Second
)

// alone is the name of a node without a cluster.
const alone = "node"

// maxDigests is how many entities one message compares.
const maxDigests = 1000

// ErrConsistency says that not enough nodes have got a write in time. Its text is for
// clients (protocol section 3.5.3).
var ErrConsistency = errors.New("Failed to update CRDT at requested write consistency") //nolint:staticcheck // the text of the protocol

// A Node has the replicas of one proxy. Its methods may be called concurrently.
type Node struct {
	id     string
	member cluster.Member // nil if the node is alone
	warn   func(error)

	closed  chan struct{}
	running sync.WaitGroup

	mu       sync.Mutex
	entities map[Key]*Entity
	requests map[uint64]*request
	last     uint64 // request
}

// NewNode returns a node that has joined a cluster, or is alone if transport is nil. warn
// is called with messages that make no sense. The node must be closed.
func NewNode(transport cluster.Transport, warn func(error)) (*Node, error) {
	n := &Node{id: alone, warn: warn, closed: make(chan struct{}), entities: map[Key]*Entity{}, requests: map[uint64]*request{}}
	if transport == nil {
		return n, nil
	}
	n.mu.Lock() // no message before there is a member
	defer n.mu.Unlock()
	member, err := transport.Join(n.receive)
	if err != nil {
		return nil, fmt.Errorf("join the cluster: %w", err)
	}
	n.id, n.member = member.ID(), member
	n.running.Go(n.compare)
	return n, nil
}

// Close leaves the cluster, and forgets nothing.
func (n *Node) Close() {
	close(n.closed)
	n.running.Wait()
	if n.member != nil {
		n.member.Leave()
	}
}

// ID returns the name of the node.
func (n *Node) ID() string { return n.id }

// Entity returns the replica of an entity.
func (n *Node) Entity(key Key) *Entity {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.entities[key]
	if e == nil {
		e = &Entity{node: n, key: key, state: replica.NewState()}
		n.entities[key] = e
	}
	return e
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

// Publish sends a change to all other nodes. If the consistency is LOCAL, or there is no
// other node, it returns nil; otherwise what waits until enough of them have got it, or
// returns an error that is [ErrConsistency].
func (n *Node) Publish(change Change, consistency crdtpb.CrdtWriteConsistency) (wait func(context.Context) error) {
	peers := n.peers()
	write := &message{op: opWrite, key: change.key, state: change.state}
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
		return nil
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, writeTimeout)
		defer cancel()
		if err := n.ask(ctx, write, peers, needed); err != nil {
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
	m, err := decode(data)
	if err == nil {
		err = n.handle(from, m)
	}
	if err != nil {
		n.warn(fmt.Errorf("message from %s: %w", from, err))
	}
}

func (n *Node) handle(from string, m *message) error {
	switch m.op {
	case opWrite:
		if err := n.Entity(m.key).merge(m.state); err != nil {
			return err
		}
		if m.request != 0 {
			n.send([]string{from}, &message{op: opAck, request: m.request, key: m.key})
		}
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
			if err := n.Entity(m.key).merge(m.state); err != nil {
				return err
			}
		}
		n.answered(m.request, from)
	case opOffer:
		return n.offered(from, m)
	case opDigest:
		n.compared(from, m.digests)
	}
	return nil
}
