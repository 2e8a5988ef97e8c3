package replication

import (
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
func (n *Node) Exchange(peers ...string) {
	if len(peers) == 0 {
		peers = n.peers()
	}
	n.compareWith(peers, n.all())
}

// compareWith sends peers the digests of entities.
func (n *Node) compareWith(peers []string, entities []*Entity) {
	for some := range slices.Chunk(entities, maxDigests) {
		m := &message{op: opDigest}
		for _, e := range some {
			m.digests = append(m.digests, digest{key: e.key, sum: e.digest()})
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
	if _, err := e.merge(m.state); err != nil {
		return err
	}
	if state := e.encode(); string(state) != string(m.state) {
		n.send([]string{from}, &message{op: opState, key: m.key, state: state})
	}
	return nil
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
