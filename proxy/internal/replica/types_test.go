package replica_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// pair returns two nodes with the same CRDT.
func pair(t *testing.T, first *crdtpb.CrdtDelta) (a, b *node) {
	t.Helper()
	a, b = newNode(t, "a"), newNode(t, "b")
	a.write(first)
	b.merge(a.state)
	b.tell()
	return a, b
}

// P-140 to P-151: concurrent changes of every type, merged, and what the user function of
// the first node is told then.
func TestState_MergesConcurrentChanges(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		first, left, right *crdtpb.CrdtDelta
		told, value        *crdtpb.CrdtDelta // of the left one
	}{
		"P-140: counters add up": {gcounter(1), gcounter(2), gcounter(3), gcounter(3), gcounter(6)},
		"P-141: counters subtract as well": {
			pncounter(1), pncounter(2), pncounter(-5), pncounter(-5), pncounter(-2),
		},
		"P-142: only new elements of a GSet are told": {
			gset("x"), gset("a", "b"), gset("b", "c"), gset("c"), gset("a", "b", "c", "x"),
		},
		"P-144: an ORSet keeps what is added while it is removed": {
			added("x", "y", "z", "w"), removed("x", "y"), added("x"), added("x"), added("w", "x", "z"),
		},
		"P-144: an ORSet loses only what the remover has seen": {
			added("x"), added("y"), orset(&crdtpb.ORSetDelta{Cleared: true}), removed("x"), added("y"),
		},
		"P-146: the later value of a register wins": {
			register("first", crdtpb.CrdtClock_CUSTOM, 1), register("left", crdtpb.CrdtClock_CUSTOM, 5), register("right", crdtpb.CrdtClock_CUSTOM, 6),
			register("right", 0, 0), register("right", 0, 0),
		},
		"P-146: at the same time, the first node wins": {
			register("first", crdtpb.CrdtClock_CUSTOM, 1), register("left", crdtpb.CrdtClock_CUSTOM, 5), register("right", crdtpb.CrdtClock_CUSTOM, 5),
			nil, register("left", 0, 0),
		},
		"P-147: a flag stays enabled": {flag(false), gone, flag(true), flag(true), flag(true)},
		"P-148: maps merge their values": {
			ormapOf("k", pncounter(1)),
			ormap(&crdtpb.ORMapDelta{Updated: at("k", pncounter(2))}), ormap(&crdtpb.ORMapDelta{Updated: at("k", pncounter(4))}),
			ormap(&crdtpb.ORMapDelta{Updated: at("k", pncounter(4))}), ormapOf("k", pncounter(7)),
		},
		"P-148: an entry that changes while it is removed keeps that change": {
			ormapOf("k", pncounter(1)),
			ormap(&crdtpb.ORMapDelta{Removed: texts("k")}), ormap(&crdtpb.ORMapDelta{Updated: at("k", pncounter(4))}),
			ormapOf("k", pncounter(4)), ormapOf("k", pncounter(4)),
		},
		"P-150: an entry of another type is removed and added": {
			ormapOf("k", pncounter(1)),
			ormap(&crdtpb.ORMapDelta{Added: at("l", flag(true))}),
			ormap(&crdtpb.ORMapDelta{Removed: texts("k"), Added: at("k", flag(true))}),
			ormap(&crdtpb.ORMapDelta{Removed: texts("k"), Added: at("k", flag(true))}),
			ormap(&crdtpb.ORMapDelta{Added: append(at("k", flag(true)), at("l", flag(true))...)}),
		},
		"P-148: a map that is emptied is cleared": {
			ormapOf("k", flag(true)), gone, ormap(&crdtpb.ORMapDelta{Cleared: true}),
			ormap(&crdtpb.ORMapDelta{Cleared: true}), ormap(&crdtpb.ORMapDelta{}),
		},
		"P-151: votes of all nodes are told": {
			vote(true, 0, 0), vote(false, 0, 0), vote(true, 0, 0), vote(false, 1, 3), vote(false, 1, 3),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t, tt.first)
			a.tell()
			var parts []*replica.State
			if tt.left != gone {
				parts = append(parts, a.write(tt.left))
			}
			a.merge(b.write(tt.right))
			for _, part := range parts {
				b.merge(part)
			}
			require.Equal(t, a.state.Encode(), b.state.Encode())
			a.requireValue(tt.value)
			requireDelta(t, tt.told, a.tell())
			require.Nil(t, a.tell())
		})
	}
}

// gone stands for no change.
var gone *crdtpb.CrdtDelta

// P-110: an existing CRDT that is empty is told as such.
func TestView_FullOfWhatIsEmpty(t *testing.T) {
	t.Parallel()
	for _, delta := range []*crdtpb.CrdtDelta{gcounter(0), pncounter(0), gset(), added(), flag(false), ormap(&crdtpb.ORMapDelta{})} {
		n := newNode(t, "a")
		require.Nil(t, n.tell())
		n.write(delta)
		require.True(t, n.state.Exists())
		n.requireValue(delta)
		n.held = nil
		requireDelta(t, delta, n.tell())
	}
	n := newNode(t, "a")
	n.write(vote(false, 0, 0))
	n.requireValue(vote(false, 0, 3))
}

// P-152 and P-153: what makes no sense is refused, and says why.
func TestView_RefusesDeltas(t *testing.T) {
	t.Parallel()
	nested := flag(true)
	for range 66 {
		nested = ormapOf("k", nested)
	}
	tests := map[string]struct {
		first, then *crdtpb.CrdtDelta
		want        string
	}{
		"an increment that is negative":   {gcounter(1), gcounter(math.MaxUint64), "Cannot decrement a GCounter, requested amount was -1"},
		"no delta":                        {gcounter(1), &crdtpb.CrdtDelta{}, "Empty delta"},
		"another type":                    {added("x"), gcounter(1), "GCounterDelta is incompatible with CRDT ORSet"},
		"a flag that is switched off":     {flag(true), flag(false), "Cannot switch off already enabled flag"},
		"an entry without a delta":        {ormap(&crdtpb.ORMapDelta{}), ormap(&crdtpb.ORMapDelta{Added: at("k", nil)}), "Empty delta"},
		"an added entry of another type":  {ormapOf("k", flag(true)), ormapOf("k", gcounter(1)), "GCounterDelta is incompatible with CRDT Flag"},
		"an update that makes no sense":   {ormapOf("k", flag(true)), ormap(&crdtpb.ORMapDelta{Updated: at("k", flag(false))}), "Cannot switch off already enabled flag"},
		"maps that are nested too deeply": {ormap(&crdtpb.ORMapDelta{}), nested, "ORMapDelta is nested more than 64 levels deep"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "a")
			n.write(tt.first)
			_, err := n.try(tt.then)
			require.EqualError(t, err, tt.want)
		})
	}
}

// Updates of what is not there, or is something else, are ignored.
func TestMap_IgnoresUpdatesOfMissingEntries(t *testing.T) {
	t.Parallel()
	n := newNode(t, "a")
	n.write(ormapOf("k", flag(true)))
	n.write(ormap(&crdtpb.ORMapDelta{Updated: at("missing", flag(true))}))
	n.write(ormap(&crdtpb.ORMapDelta{Updated: at("k", gcounter(1))}))
	n.requireValue(ormapOf("k", flag(true)))
	require.Nil(t, n.tell())
}

// Added onto an entry that exists, a delta changes that.
func TestMap_AddsOntoExistingEntries(t *testing.T) {
	t.Parallel()
	n := newNode(t, "a")
	n.write(ormapOf("k", gcounter(2)))
	n.write(ormapOf("k", gcounter(3)))
	n.requireValue(ormapOf("k", gcounter(5)))
	n.write(ormap(&crdtpb.ORMapDelta{Removed: texts("k"), Added: at("k", gcounter(1))}))
	n.requireValue(ormapOf("k", gcounter(1)))
	n.write(ormap(&crdtpb.ORMapDelta{Cleared: true, Added: at("l", gcounter(0))}))
	n.requireValue(ormapOf("l", gcounter(0)))
	require.Nil(t, n.tell())
}

// P-146: the four clocks of registers.
func TestRegister_Clocks(t *testing.T) {
	t.Parallel()
	type step = struct {
		clock  crdtpb.CrdtClock
		custom int64
	}
	tests := map[string]struct {
		steps []step
		wins  bool
	}{
		"DEFAULT follows":                               {[]step{{0, 0}, {0, 0}}, true},
		"DEFAULT follows a clock in the future":         {[]step{{crdtpb.CrdtClock_CUSTOM, 1 << 60}, {0, 0}}, true},
		"an unknown clock is DEFAULT":                   {[]step{{0, 0}, {9, 0}}, true},
		"REVERSE keeps the first value":                 {[]step{{crdtpb.CrdtClock_REVERSE, 0}, {crdtpb.CrdtClock_REVERSE, 0}}, false},
		"CUSTOM wins with a later clock":                {[]step{{crdtpb.CrdtClock_CUSTOM, 5}, {crdtpb.CrdtClock_CUSTOM, 6}}, true},
		"CUSTOM loses with an earlier clock":            {[]step{{crdtpb.CrdtClock_CUSTOM, 5}, {crdtpb.CrdtClock_CUSTOM, 4}}, false},
		"CUSTOM loses with the same clock":              {[]step{{crdtpb.CrdtClock_CUSTOM, 5}, {crdtpb.CrdtClock_CUSTOM, 5}}, false},
		"A-14: CUSTOM_AUTO_INCREMENT never loses":       {[]step{{crdtpb.CrdtClock_CUSTOM, 5}, {crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT, 3}}, true},
		"A-13: CUSTOM_AUTO_INCREMENT begins at its own": {[]step{{crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT, 7}, {crdtpb.CrdtClock_CUSTOM, 8}}, true},
		"the last moment of all stays":                  {[]step{{crdtpb.CrdtClock_CUSTOM, math.MaxInt64}, {0, 0}}, false},
		"and so does the first":                         {[]step{{crdtpb.CrdtClock_CUSTOM, math.MinInt64}, {crdtpb.CrdtClock_REVERSE, 0}}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "a")
			n.write(register("first", tt.steps[0].clock, tt.steps[0].custom))
			n.write(register("second", tt.steps[1].clock, tt.steps[1].custom))
			if tt.wins {
				n.requireValue(register("second", 0, 0))
				require.Nil(t, n.tell())
			} else {
				n.requireValue(register("first", 0, 0))
				requireDelta(t, register("first", 0, 0), n.tell()) // a correction
			}
		})
	}
}

// P-154: a delta of an ORSet is never longer than the set.
func TestDiff_ClearsAnORSetWhenThatIsShorter(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		right, want *crdtpb.CrdtDelta
	}{
		"a few changes":    {orset(&crdtpb.ORSetDelta{Removed: texts("a"), Added: texts("d")}), orset(&crdtpb.ORSetDelta{Removed: texts("a"), Added: texts("d")})},
		"many changes":     {removed("a", "b"), orset(&crdtpb.ORSetDelta{Cleared: true, Added: texts("c")})},
		"nothing is left":  {orset(&crdtpb.ORSetDelta{Cleared: true}), orset(&crdtpb.ORSetDelta{Cleared: true})},
		"other things are": {orset(&crdtpb.ORSetDelta{Cleared: true, Added: texts("x")}), orset(&crdtpb.ORSetDelta{Cleared: true, Added: texts("x")})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := pair(t, added("a", "b", "c"))
			a.merge(b.write(tt.right))
			requireDelta(t, tt.want, a.tell())
		})
	}
}

// A part of a state is good for something without those before it, and what has arrived
// in the wrong order is not taken for something removed.
func TestState_TakesPartsInAnyOrder(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a"), newNode(t, "b")
	first := a.write(gcounter(1))
	second := a.write(gcounter(2))
	b.merge(second)
	b.requireValue(gcounter(3))
	b.write(gcounter(4))
	b.merge(first)
	b.requireValue(gcounter(7))
	a.merge(b.state)
	a.requireValue(gcounter(7))
}

// A part is ready when all that it builds on is there, by whichever node: only then, nothing
// is counted twice, and nothing comes back that was removed.
func TestState_KnowsWhichPartsAreReady(t *testing.T) {
	t.Parallel()
	a, b, c := newNode(t, "a"), newNode(t, "b"), newNode(t, "c")
	first := a.write(added("x"))
	second := a.write(added("x", "y"))
	require.True(t, b.state.Ready(first))
	require.False(t, b.state.Ready(second))
	b.merge(first)
	require.True(t, b.state.Ready(second))
	b.merge(second)
	b.tell()
	third := b.write(removed("x"))
	fourth := b.write(added("z"))

	require.False(t, c.state.Ready(third), "it builds on what the first node has done")
	require.False(t, c.state.Ready(fourth), "it builds on the third")
	require.True(t, c.state.Ready(b.state), "everything is")
	for _, part := range []*replica.State{first, second, third, fourth} {
		require.False(t, c.state.Has(part))
		require.True(t, c.state.Ready(part))
		c.merge(part)
		require.True(t, c.state.Has(part))
	}
	c.requireValue(added("y", "z"))
	c.merge(replica.Tombstone())
	require.True(t, c.state.Ready(third))
	require.True(t, c.state.Has(third))
	require.False(t, b.state.Has(replica.Tombstone()))
}

// Counters show their low 64 bits, and go on counting (protocol section 5.2).
func TestGCounter_DoesNotOverflow(t *testing.T) {
	t.Parallel()
	a, b := pair(t, gcounter(math.MaxInt64))
	a.write(gcounter(math.MaxInt64))
	a.write(gcounter(3))
	a.requireValue(gcounter(0 + 1))
	b.merge(a.state)
	requireDelta(t, gcounter(1<<63+2), b.tell())
}

// What nodes have created concurrently of different types becomes one of them, the same
// everywhere.
func TestState_SettlesOnOneType(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a"), newNode(t, "b")
	part := a.write(flag(true))
	b.write(gcounter(2))
	a.merge(b.state)
	b.merge(part)
	require.Equal(t, a.state.Encode(), b.state.Encode())
	a.requireValue(gcounter(2))
	_, err := a.held.Follow(a.state, &a.since, a.cluster())
	require.EqualError(t, err, "Flag has become GCounter")
}

// A deleted entity stays deleted.
func TestState_TombstonesPrevail(t *testing.T) {
	t.Parallel()
	a, b := pair(t, gcounter(1))
	part := b.write(gcounter(1))
	require.True(t, a.state.Merge(replica.Tombstone()))
	require.False(t, a.state.Merge(part))
	require.False(t, a.state.Merge(replica.Tombstone()))
	require.True(t, a.state.Deleted())
	require.False(t, a.state.Exists())
	require.Nil(t, a.view())
	require.True(t, a.write(gcounter(1)).Deleted())
	decoded, err := replica.Decode(a.state.Encode())
	require.NoError(t, err)
	require.True(t, decoded.Deleted())
}

// Removed elements and entries leave nothing behind.
func TestState_DoesNotGrowByRemoving(t *testing.T) {
	t.Parallel()
	n := newNode(t, "a")
	n.write(added())
	size := len(n.state.Encode())
	for range 100 {
		n.write(added("x"))
		n.write(removed("x"))
	}
	require.LessOrEqual(t, len(n.state.Encode()), size+2) // longer numbers
	m := newNode(t, "a")
	m.write(ormap(nil))
	size = len(m.state.Encode())
	for range 100 {
		m.write(ormapOf("k", ormapOf("l", added("x"))))
		m.write(ormap(&crdtpb.ORMapDelta{Removed: texts("k")}))
	}
	require.LessOrEqual(t, len(m.state.Encode()), size+2)
}
