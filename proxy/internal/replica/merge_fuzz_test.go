package replica_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// seeds are inputs that exercise every type for a while.
func seeds(f *testing.F) {
	f.Helper()
	for kind := range byte(8) {
		data := append(make([]byte, 0, 401), kind)
		for i := range 400 {
			data = append(data, byte(i*i*7+i*int(kind+3)+i/9))
		}
		f.Add(data)
	}
}

// run lets three replicas change, with their parts lost, late, in any order and more than
// once. It returns the replicas before they have exchanged everything.
func run(t *testing.T, d *dice) []*node {
	t.Helper()
	nodes := []*node{newNode(t, "a"), newNode(t, "b"), newNode(t, "c")}
	known := map[replica.Digest][]byte{}
	kind := replica.Kind(1 + d.roll(8))
	var parts []*replica.State
	for len(*d) > 0 {
		n := nodes[d.roll(3)]
		switch d.roll(4) {
		case 0, 1:
			delta := d.delta(kind, 0)
			if n.held == nil || n.state.Exists() {
				parts = append(parts, n.write(delta))
			}
		case 2:
			if len(parts) > 0 {
				if part := parts[d.roll(len(parts))]; n.state.Ready(part) {
					n.merge(part)
				}
			}
		default:
			n.merge(nodes[d.roll(3)].state)
		}
		encoded, digest := n.state.Encode(), n.state.Digest()
		if same, found := known[digest]; found {
			require.Equal(t, same, encoded, "different states have the same digest")
		}
		known[digest] = encoded
		if d.roll(3) > 0 {
			n.catchUp()
		}
	}
	return nodes
}

// catchUp tells the user function what has changed, and requires that it holds that then, and
// that a look at everything has the same result as one at what was touched.
func (n *node) catchUp() {
	n.t.Helper()
	now := n.view()
	if now == nil {
		return
	}
	if n.held == nil {
		n.activate()
		return
	}
	told := newModel(n.held.Kind())
	told.apply(n.held.Full())
	delta, err := n.held.Follow(n.state, &n.since, n.cluster())
	require.NoError(n.t, err)
	told.apply(delta)
	requireDelta(n.t, now.Full(), told.full())
	requireDelta(n.t, now.Full(), n.held.Full())
	n.since.All()
	again, err := n.twin.Follow(n.state, &n.since, n.cluster())
	require.NoError(n.t, err)
	requireDelta(n.t, delta, again)
	requireDelta(n.t, now.Full(), n.twin.Full())
	n.since = replica.Touched{}
}

// FuzzState_Converges lets replicas change at will. Once everybody has got the state of
// everybody, in any order, all are the same.
func FuzzState_Converges(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := dice(data[:min(len(data), 1000)])
		order := d.roll(6)
		nodes := run(t, &d)
		for range 2 {
			for i := range nodes {
				for j := range nodes {
					nodes[(i+order)%3].state.Merge(nodes[(j+order/2)%3].state)
				}
			}
		}
		for _, n := range nodes[1:] {
			require.Equal(t, nodes[0].state.Encode(), n.state.Encode())
			require.Equal(t, nodes[0].state.Digest(), n.state.Digest())
		}
	})
}

// FuzzState_MergeIsALattice checks the laws of Merge, also for parts of states.
func FuzzState_MergeIsALattice(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := dice(data[:min(len(data), 1000)])
		nodes := run(t, &d)
		merge := func(states ...*replica.State) []byte {
			merged := states[0].Clone()
			for _, s := range states[1:] {
				merged.Merge(s.Clone())
			}
			return merged.Encode()
		}
		a, b, c := nodes[0].state, nodes[1].state, nodes[2].state
		require.Equal(t, merge(a), merge(a, a), "idempotent")
		require.Equal(t, merge(a, b), merge(b, a), "commutative")
		bc := b.Clone()
		bc.Merge(c)
		require.Equal(t, merge(a, b, c), merge(a, bc), "associative")
		require.False(t, bc.Merge(c), "nothing is new the second time")
		require.True(t, slices.Equal(merge(replica.NewState(), a), merge(a)), "an empty state is neutral")
	})
}

// FuzzDecode checks that decoding never panics, and that what it accepts survives a
// round trip.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{1, 0, 0, 0, 0, 0})
	f.Add([]byte{2, 0})
	n := newNode(f, "a")
	n.write(ormap(nil))
	f.Add(n.write(ormapOf("k", added("x", "y"))).Encode())
	f.Add(n.state.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := replica.Decode(data)
		if err != nil {
			return
		}
		again, err := replica.Decode(s.Encode())
		require.NoError(t, err)
		require.Equal(t, s.Encode(), again.Encode())
		s.View(replica.Cluster{Self: "a"})
		whole := replica.NewState()
		whole.Merge(s)
		whole.Merge(again)
	})
}

// FuzzEncode_RoundTrips checks that states are the same after they have travelled.
func FuzzEncode_RoundTrips(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := dice(data[:min(len(data), 1000)])
		for _, n := range run(t, &d) {
			decoded, err := replica.Decode(n.state.Encode())
			require.NoError(t, err)
			require.Equal(t, n.state.Encode(), decoded.Encode())
			require.Equal(t, n.view(), decoded.View(n.cluster()))
			require.Equal(t, n.state.Digest(), decoded.Digest())
		}
	})
}
