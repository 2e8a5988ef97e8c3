package replication

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// compare lets one other node after another compare its states with those of this one.
func (n *Node) compare() {
	tick := time.NewTicker(compareEvery)
	defer tick.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-tick.C:
		case <-n.closed:
			return
		}
		if peers := n.peers(); len(peers) > 0 {
			n.Exchange(peers[turn%len(peers)])
			n.catchUp(peers)
		}
	}
}

// catchUp lets other nodes send what is missing before the parts that have come early.
func (n *Node) catchUp(peers []string) {
	n.mu.Lock()
	entities := slices.Collect(maps.Keys(n.lagging))
	clear(n.lagging)
	n.mu.Unlock()
	entities = slices.DeleteFunc(entities, func(e *Entity) bool { return !e.lags() })
	n.compareWith(peers, entities)
}

// Exchange lets other nodes compare their states with those of this one, and so get and
// send what is missing; all of them if none is named. It does not wait.
//
// They get a summary. If they have another one, they ask for the digests of the entities which
// that concerns, and send or ask for those that differ.
func (n *Node) Exchange(peers ...string) {
	if len(peers) == 0 {
		peers = n.peers()
	}
	n.send(peers, &message{op: opSummary, state: encodeSummary(n.summary.update())})
}

// summarized compares a summary of another node with that of this one.
func (n *Node) summarized(from string, data []byte) error {
	different, err := differing(n.summary.update(), data)
	if different != 0 {
		n.send([]string{from}, &message{op: opDiffer, state: binary.BigEndian.AppendUint64(nil, different)})
	}
	return err
}

// differ sends a node the digests of entities in buckets in which its summary differs.
func (n *Node) differ(from string, data []byte) error {
	if len(data) != 8 {
		return fmt.Errorf("the buckets that differ have %d bytes, want 8", len(data))
	}
	different := binary.BigEndian.Uint64(data)
	entities := slices.DeleteFunc(n.all(), func(e *Entity) bool { return !e.in(different) })
	n.compareWith([]string{from}, entities)
	return nil
}

// compareWith sends peers the digests of entities.
func (n *Node) compareWith(peers []string, entities []*Entity) {
	for some := range slices.Chunk(entities, maxDigests) {
		m := &message{op: opDigest}
		for _, e := range some {
			if sum := e.digest(); sum != empty {
				m.digests = append(m.digests, digest{key: e.key, sum: sum})
			}
		}
		n.send(peers, m)
	}
}

// all returns all entities.
func (n *Node) all() []*Entity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Values(n.entities))
}

// compared offers a node the states that differ from its own, and asks for those that
// are missing here.
func (n *Node) compared(from string, digests []digest) {
	for _, d := range digests {
		e := n.known(d.key)
		if e == nil {
			n.send([]string{from}, &message{op: opRead, key: d.key})
			continue
		}
		if e.digest() != d.sum {
			n.send([]string{from}, &message{op: opOffer, key: d.key, state: e.encode()})
		}
	}
}

// offered merges the state of another node, which gets the result if it lacks something.
func (n *Node) offered(from string, m *message) error {
	e := n.Entity(m.key)
	defer n.Release(e)
	state, err := e.merge(m.state)
	if err == nil && e.digest() != state.Digest() {
		n.send([]string{from}, &message{op: opState, key: m.key, state: e.encode()})
	}
	return err
}

// Fingerprints returns the hash of every state that is not empty, by entity. Nodes with
// the same ones have the same states.
func (n *Node) Fingerprints() map[Key]replica.Digest {
	prints := map[Key]replica.Digest{}
	for _, e := range n.all() {
		prints[e.key] = e.digest()
	}
	maps.DeleteFunc(prints, func(_ Key, d replica.Digest) bool { return d == empty })
	return prints
}
