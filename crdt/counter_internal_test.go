package crdt

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// P-140.
func TestGCounter_SendsTheSumOfItsIncrements(t *testing.T) {
	t.Parallel()
	c := NewGCounter()
	require.Nil(t, take(c))
	for _, n := range []uint64{1, 2, 3, 0} {
		require.NoError(t, c.Increment(n))
	}
	require.Equal(t, uint64(6), c.Value())
	requireTaken(t, gcounterDelta(6), c)

	require.NoError(t, applyDelta(c, gcounterDelta(10)))
	require.Equal(t, uint64(16), c.Value())
	require.Nil(t, take(c))
	requireDelta(t, gcounterDelta(16), c.state())
}

// P-140, P-152: negative increments do not compile, and what a proxy would take for one is
// refused.
func TestGCounter_RefusesMoreThanProxiesCanCount(t *testing.T) {
	t.Parallel()
	c := NewGCounter()
	require.NoError(t, c.Increment(5))
	for _, n := range []uint64{math.MaxInt64 - 4, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		require.ErrorContains(t, c.Increment(n), "GCounter: 5 and an increment of")
		require.Equal(t, uint64(5), c.Value())
	}
	require.NoError(t, c.Increment(math.MaxInt64-5))
	require.Error(t, c.Increment(1))
	requireTaken(t, gcounterDelta(math.MaxInt64), c)

	// Other nodes may have made the counter wrap around.
	require.NoError(t, applyDelta(c, gcounterDelta(2)))
	require.Error(t, c.Increment(1))
	require.NoError(t, applyDelta(c, gcounterDelta(math.MaxInt64)))
	require.Zero(t, c.Value())
	require.NoError(t, c.Increment(math.MaxInt64))
	require.NoError(t, applyDelta(c, gcounterDelta(math.MaxInt64+2)))
	require.Zero(t, c.Value())
	require.Error(t, c.Increment(1), "there are too many increments that were not sent")
}

// P-141.
func TestPNCounter_SendsWhatItsChangesAddUpTo(t *testing.T) {
	t.Parallel()
	c := NewPNCounter()
	require.NoError(t, c.Increment(1))
	require.NoError(t, c.Decrement(2))
	require.NoError(t, c.Increment(3))
	require.Equal(t, int64(2), c.Value())
	requireTaken(t, pncounterDelta(2), c)

	require.NoError(t, c.Increment(-4))
	require.NoError(t, c.Decrement(-4))
	require.Nil(t, take(c))

	require.NoError(t, applyDelta(c, pncounterDelta(-10)))
	require.Equal(t, int64(-8), c.Value())
	require.Nil(t, take(c))
	requireDelta(t, pncounterDelta(-8), c.state())
}

func TestPNCounter_RefusesToOverflow(t *testing.T) {
	t.Parallel()
	increment, decrement := (*PNCounter).Increment, (*PNCounter).Decrement
	tests := map[string]struct {
		value  int64
		change func(*PNCounter, int64) error
		n      int64
		ok     bool
	}{
		"up to the maximum":                   {1, increment, math.MaxInt64 - 1, true},
		"over the maximum":                    {2, increment, math.MaxInt64 - 1, false},
		"down to the minimum":                 {-1, increment, math.MinInt64 + 1, true},
		"under the minimum":                   {-2, increment, math.MinInt64 + 1, false},
		"decrement to the minimum":            {-1, decrement, math.MaxInt64, true},
		"decrement under the minimum":         {-2, decrement, math.MaxInt64, false},
		"decrement by the minimum":            {-1, decrement, math.MinInt64, false}, // no delta can say so
		"decrement by the minimum, from zero": {0, decrement, math.MinInt64, false},
		"decrement to the maximum":            {0, decrement, -math.MaxInt64, true},
		"decrement over the maximum":          {1, decrement, -math.MaxInt64, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewPNCounter()
			require.NoError(t, applyDelta(c, pncounterDelta(tt.value)))
			err := tt.change(c, tt.n)
			if tt.ok {
				require.NoError(t, err)
				require.NotNil(t, take(c))
				return
			}
			require.ErrorContains(t, err, "does not fit into an int64")
			require.Equal(t, tt.value, c.Value())
			require.Nil(t, take(c))
		})
	}
}

// The value may have room for a change for which the delta has none.
func TestPNCounter_RefusesDeltasThatOverflow(t *testing.T) {
	t.Parallel()
	c := NewPNCounter()
	require.NoError(t, applyDelta(c, pncounterDelta(math.MinInt64)))
	require.NoError(t, c.Increment(math.MaxInt64))
	require.ErrorContains(t, c.Increment(1), "changed by 9223372036854775807 in this command")
	requireTaken(t, pncounterDelta(math.MaxInt64), c)
	require.NoError(t, c.Increment(1))
}

// P-147.
func TestFlag_IsSentOnce(t *testing.T) {
	t.Parallel()
	f := NewFlag()
	require.Nil(t, take(f))
	f.Enable()
	f.Enable()
	require.True(t, f.Enabled())
	requireTaken(t, flagDelta(true), f)
	f.Enable()
	require.Nil(t, take(f))
}

// P-147.
func TestFlag_IsNeverReset(t *testing.T) {
	t.Parallel()
	f := NewFlag()
	require.NoError(t, applyDelta(f, flagDelta(false)))
	require.False(t, f.Enabled())
	require.NoError(t, applyDelta(f, flagDelta(true)))
	require.NoError(t, applyDelta(f, flagDelta(false)))
	require.True(t, f.Enabled())
	require.Nil(t, take(f))
	requireDelta(t, flagDelta(true), f.state())
}

// P-151.
func TestVote_SendsTheVoteOfItsNode(t *testing.T) {
	t.Parallel()
	v := NewVote()
	require.Equal(t, []any{false, 0, 1}, []any{v.SelfVote(), v.VotesFor(), v.TotalVoters()})
	v.Set(false)
	require.Nil(t, take(v))
	v.Set(true)
	v.Set(true)
	require.Equal(t, []any{true, 1, 1}, []any{v.SelfVote(), v.VotesFor(), v.TotalVoters()})
	requireTaken(t, voteDelta(&crdtpb.VoteDelta{SelfVote: true}), v)
	v.Set(false)
	v.Set(true)
	require.Nil(t, take(v), "changes that cancel out")
	v.Set(false)
	require.Zero(t, v.VotesFor())
	requireTaken(t, voteDelta(&crdtpb.VoteDelta{}), v)
}

// P-151.
func TestVote_IsOverwrittenByTheProxy(t *testing.T) {
	t.Parallel()
	v := NewVote()
	delta := voteDelta(&crdtpb.VoteDelta{SelfVote: true, VotesFor: 2, TotalVoters: 5})
	require.NoError(t, applyDelta(v, delta))
	require.Equal(t, []any{true, 2, 5}, []any{v.SelfVote(), v.VotesFor(), v.TotalVoters()})
	require.Nil(t, take(v))
	requireDelta(t, delta, v.state())
	v.Set(false)
	require.Equal(t, 1, v.VotesFor())
}

func TestVote_Counts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		votesFor, voters          int32
		atLeastOne, majority, all bool
	}{
		"nobody":         {0, 3, false, false, false},
		"one of three":   {1, 3, true, false, false},
		"two of three":   {2, 3, true, true, false},
		"half":           {2, 4, true, false, false},
		"more than half": {3, 4, true, true, false},
		"all":            {4, 4, true, true, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := NewVote()
			require.NoError(t, applyDelta(v, voteDelta(&crdtpb.VoteDelta{VotesFor: tt.votesFor, TotalVoters: tt.voters})))
			require.Equal(t, tt.atLeastOne, v.AtLeastOne())
			require.Equal(t, tt.majority, v.Majority())
			require.Equal(t, tt.all, v.All())
		})
	}
}
