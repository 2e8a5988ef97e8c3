package crdt

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A peer is a node of a cluster: a user function with a value, and its proxy.
type peer struct {
	t      *testing.T
	letter string
	node   *replicaNode

	value   Data
	known   *crdtpb.CrdtDelta // what the proxy believes that value is; nil if it has not been told
	replica replica           // nil if the CRDT does not exist
	history []replica         // what other nodes may receive, late and repeatedly
}

func newPeer(t *testing.T, letter string, index int) *peer {
	t.Helper()
	return &peer{t: t, letter: letter, node: &replicaNode{index: index, dots: new(uint64)}, value: newValue(letter)}
}

// command runs a command that changes the value, and what follows in the proxy.
func (p *peer) command(s *script) {
	for range 1 + s.next(3) {
		change(p.t, p.value, s)
	}
	if delta := p.send(take(p.value)); delta != nil {
		p.known = overlay(p.known, completed(p.known, delta))
		if p.replica == nil {
			p.replica = newReplica(delta)
		}
		p.replica.apply(p.node, delta)
		p.history = append(p.history, p.replica.clone())
	}
	p.requireKnown()
}

// send returns what arrives at the other side of the stream.
func (p *peer) send(delta *crdtpb.CrdtDelta) *crdtpb.CrdtDelta {
	if delta == nil {
		return nil
	}
	data, err := proto.Marshal(delta)
	require.NoError(p.t, err)
	arrived := &crdtpb.CrdtDelta{}
	require.NoError(p.t, proto.Unmarshal(data, arrived))
	require.NotNil(p.t, arrived.GetDelta())
	return arrived
}

// receive merges something that another node has sent at some time.
func (p *peer) receive(other replica) {
	if p.replica == nil {
		p.replica = other.clone()
	} else {
		p.replica.merge(other)
	}
	p.history = append(p.history, p.replica.clone())
}

// catchUp sends the user function what it does not know yet.
func (p *peer) catchUp() {
	if p.replica == nil {
		return
	}
	now := p.replica.plain(p.node.index)
	delta, ok := now, true
	if p.known != nil {
		delta, ok = difference(p.known, now)
	}
	switch {
	case !ok: // the activation crashes, and another one begins
		p.restart()
		return
	case delta != nil:
		require.NoError(p.t, applyDelta(p.value, p.send(delta)))
		require.Nil(p.t, pendingDelta(p.value))
	}
	p.known = now
	p.requireKnown()
}

// restart begins another activation.
func (p *peer) restart() {
	p.value, p.known = newValue(p.letter), nil
	p.catchUp()
}

// requireKnown checks the law: the value that a user function holds always equals what its
// proxy believes that it holds.
func (p *peer) requireKnown() {
	p.t.Helper()
	if p.known != nil {
		requireDelta(p.t, p.known, p.value.state(), "node %d", p.node.index)
	}
}

// FuzzValues_Converge lets three nodes change a value, exchange their replicas late,
// repeatedly and in any order, and restart. In the end all have seen everything, and all
// have the same.
func FuzzValues_Converge(f *testing.F) {
	addScripts(f)
	f.Fuzz(func(t *testing.T, letter string, data []byte) {
		data = data[:min(len(data), 512)] // the reference is slow
		s := &script{data: data}
		peers := make([]*peer, 0, nodes)
		for i := range nodes {
			peers = append(peers, newPeer(t, letter, i))
		}
		for now := int64(1); !s.done(); now++ {
			p := peers[s.next(nodes)]
			p.node.now = now
			switch op := s.next(16); {
			case op == 0:
				p.restart()
			case op < 4:
				p.catchUp()
			case op < 9:
				if history := peers[s.next(nodes)].history; len(history) > 0 {
					p.receive(history[len(history)-1-s.next(len(history))])
				}
			default:
				p.command(s)
			}
		}
		requireConvergence(t, peers)
	})
}

func requireConvergence(t *testing.T, peers []*peer) {
	t.Helper()
	for range 2 {
		for _, p := range peers {
			for _, other := range peers {
				if other.replica != nil {
					p.receive(other.replica)
				}
			}
		}
	}
	for _, p := range peers {
		p.catchUp()
		if p.replica == nil {
			require.Nil(t, peers[0].replica)
			continue
		}
		requireDelta(t, peers[0].replica.plain(0), p.replica.plain(0))
		requireDelta(t, p.replica.plain(p.node.index), p.value.state())
	}
}
