package replication

import (
	"maps"
	"slices"
	"strings"
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
		}
	}
}

// Exchange lets other nodes compare their states with those of this one, and so get and
// send what is missing; all of them if none is named. It does not wait.
func (n *Node) Exchange(peers ...string) {
	if len(peers) == 0 {
		peers = n.peers()
	}
	for digests := range slices.Chunk(n.digests(), maxDigests) {
		n.send(peers, &message{op: opDigest, digests: digests})
	}
}

// digests returns those of all entities, in order.
func (n *Node) digests() []digest {
	n.mu.Lock()
	entities := slices.Collect(maps.Values(n.entities))
	n.mu.Unlock()
	digests := make([]digest, 0, len(entities))
	for _, e := range entities {
		digests = append(digests, digest{key: e.key, sum: e.digest()})
	}
	slices.SortFunc(digests, func(a, b digest) int {
		if c := strings.Compare(a.key.Type, b.key.Type); c != 0 {
			return c
		}
		return strings.Compare(a.key.ID, b.key.ID)
	})
	return digests
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
	if err := e.merge(m.state); err != nil {
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
	for _, d := range n.digests() {
		prints[d.key] = d.sum
	}
	maps.DeleteFunc(prints, func(_ Key, d replica.Digest) bool { return d == empty })
	return prints
}
