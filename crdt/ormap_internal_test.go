package crdt

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// get returns a value of a map, which it creates if need be.
func get[D Data](tb testing.TB, m *ORMap[string, Data], key string) D {
	tb.Helper()
	v, err := m.GetOrCreate(key)
	require.NoError(tb, err)
	d, ok := v.(D)
	require.True(tb, ok, "%T", v)
	return d
}

// mixed returns a map of which the proxy knows the entries.
func mixed(tb testing.TB, entries ...*crdtpb.ORMapEntryDelta) *ORMap[string, Data] {
	tb.Helper()
	m := NewORMap(newValue)
	require.NoError(tb, applyDelta(m, ormap{added: entries}.delta()))
	return m
}

// P-148: that is how the proxy learns the types.
func TestORMap_SendsNewEntriesEvenIfTheyAreEmpty(t *testing.T) {
	t.Parallel()
	m := NewORMap(newValue)
	require.Nil(t, take(m))
	for i := range len(letters) {
		_, err := m.GetOrCreate(letters[i : i+1])
		require.NoError(t, err)
	}
	requireTaken(t, ormap{added: entries(
		at("c", gcounterDelta(0)),
		at("f", flagDelta(false)),
		at("g", gsetDelta(nil)),
		at("m", ormap{}.delta()),
		at("p", pncounterDelta(0)),
		at("r", written("", crdtpb.CrdtClock_DEFAULT, 0)),
		at("s", orset{}.delta()),
		at("v", voteDelta(&crdtpb.VoteDelta{})),
	)}.delta(), m)
}

// P-148.
func TestORMap_SendsTheChangesOfNewEntries(t *testing.T) {
	t.Parallel()
	m := NewORMap(newValue)
	require.NoError(t, get[*GCounter](t, m, "c").Increment(42))
	require.NoError(t, get[*LWWRegister[string]](t, m, "r").SetWithClock("x", ClockCustom, 3))
	addAll(t, get[*ORSet[string]](t, m, "s"), "e")
	requireTaken(t, ormap{added: entries(
		at("c", gcounterDelta(42)),
		at("r", written("x", crdtpb.CrdtClock_CUSTOM, 3)),
		at("s", orset{added: []string{"e"}}.delta()),
	)}.delta(), m)
}

// P-148.
func TestORMap_SendsNestedUpdates(t *testing.T) {
	t.Parallel()
	m := mixed(t, at("c", gcounterDelta(1)), at("p", pncounterDelta(1)),
		at("m", ormap{added: entries(at("m", ormap{added: entries(at("v", voteDelta(&crdtpb.VoteDelta{VotesFor: 1, TotalVoters: 3})))}.delta()))}.delta()))
	require.Nil(t, take(m))
	inner := get[*ORMap[string, Data]](t, get[*ORMap[string, Data]](t, m, "m"), "m")
	get[*Vote](t, inner, "v").Set(true)
	require.Equal(t, 2, get[*Vote](t, inner, "v").VotesFor())
	get[*Flag](t, inner, "f").Enable()
	require.NoError(t, get[*PNCounter](t, m, "p").Decrement(3))
	require.NoError(t, get[*GCounter](t, m, "c").Increment(0))
	requireTaken(t, ormap{updated: entries(
		at("m", ormap{updated: entries(at("m", ormap{
			updated: entries(at("v", voteDelta(&crdtpb.VoteDelta{SelfVote: true}))),
			added:   entries(at("f", flagDelta(true))),
		}.delta()))}.delta()),
		at("p", pncounterDelta(-3)),
	)}.delta(), m)

	require.NoError(t, get[*PNCounter](t, m, "p").Increment(1))
	require.NoError(t, get[*PNCounter](t, m, "p").Decrement(1))
	require.Nil(t, take(m), "changes that cancel out")
}

// P-148.
func TestORMap_SendsRemovals(t *testing.T) {
	t.Parallel()
	type mapOf = *ORMap[string, Data]
	create := func(key string) func(mapOf) { return func(m mapOf) { get[Data](t, m, key) } }
	remove := func(key string) func(mapOf) { return func(m mapOf) { m.Remove(key) } }
	empty := mapOf.Clear
	none := at("f", flagDelta(false))
	tests := map[string]struct {
		ops  []func(mapOf) // on a map with the counters c and p
		want *crdtpb.CrdtDelta
	}{
		"removed":                           {[]func(mapOf){remove("c"), remove("x")}, ormap{removed: []string{"c"}}.delta()},
		"removed, then added":               {[]func(mapOf){remove("c"), create("c")}, ormap{removed: []string{"c"}, added: entries(at("c", gcounterDelta(0)))}.delta()},
		"removed, then added, then removed": {[]func(mapOf){remove("c"), create("c"), remove("c")}, ormap{removed: []string{"c"}}.delta()},
		"added, then removed":               {[]func(mapOf){create("f"), remove("f")}, nil},
		"the last ones removed (A-16)":      {[]func(mapOf){remove("p"), remove("c")}, ormap{removed: []string{"c", "p"}}.delta()},
		"cleared":                           {[]func(mapOf){create("f"), remove("c"), empty}, ormap{cleared: true}.delta()},
		"cleared, then created":             {[]func(mapOf){empty, create("f"), create("c")}, ormap{cleared: true, added: entries(at("c", gcounterDelta(0)), none)}.delta()},
		"cleared, then back and forth":      {[]func(mapOf){empty, create("f"), remove("f")}, ormap{cleared: true}.delta()},
		"all removed, then cleared":         {[]func(mapOf){remove("c"), remove("p"), empty}, ormap{cleared: true}.delta()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mixed(t, at("c", gcounterDelta(1)), at("p", pncounterDelta(1)))
			for _, op := range tt.ops {
				op(m)
			}
			requireTaken(t, tt.want, m)
		})
	}
}

//
func TestORMap_ClearingNothingIsNothing(t *testing.T) {
	t.Parallel()
	m := NewORMap(newValue)
	m.Clear()
	m.Remove("c")
	require.Nil(t, take(m))
}

// P-149, A-15.
func TestORMap_ReplacesEntriesThatTheProxyAdds(t *testing.T) {
	t.Parallel()
	m := NewORMap(newValue)
	c := get[*GCounter](t, m, "c")
	requireTaken(t, ormap{added: entries(at("c", gcounterDelta(0)))}.delta(), m)
	require.NoError(t, applyDelta(m, ormap{added: entries(at("c", gcounterDelta(42)))}.delta()))
	require.Equal(t, uint64(42), get[*GCounter](t, m, "c").Value())
	require.Equal(t, 1, m.Len())
	require.PanicsWithValue(t, removedValue, func() { _ = c.Increment(1) })
	require.Nil(t, take(m))
}

// P-149.
func TestORMap_AppliesDeltas(t *testing.T) {
	t.Parallel()
	c, p := at("c", gcounterDelta(1)), at("p", pncounterDelta(1))
	tests := map[string]struct {
		delta *crdtpb.CrdtDelta
		want  []*crdtpb.ORMapEntryDelta // of a map with the counters c and p
	}{
		"updated":                         {ormap{updated: entries(c)}.delta(), entries(at("c", gcounterDelta(2)), p)},
		"updated, though missing":         {ormap{updated: entries(at("f", flagDelta(true)))}.delta(), entries(c, p)},
		"updated after removal":           {ormap{removed: []string{"c"}, updated: entries(at("c", orset{}.delta()))}.delta(), entries(p)},
		"updated after clearing":          {ormap{cleared: true, updated: entries(at("c", orset{}.delta()))}.delta(), nil},
		"removed":                         {ormap{removed: []string{"c", "x"}}.delta(), entries(p)},
		"removed and added":               {ormap{removed: []string{"c"}, added: entries(at("c", gcounterDelta(7)))}.delta(), entries(at("c", gcounterDelta(7)), p)},
		"cleared":                         {ormap{cleared: true}.delta(), nil},
		"cleared and added":               {ormap{cleared: true, added: entries(p)}.delta(), entries(p)},
		"updated and added":               {ormap{updated: entries(p), added: entries(at("f", flagDelta(false)))}.delta(), entries(c, at("f", flagDelta(false)), at("p", pncounterDelta(2)))},
		"nothing":                         {ormap{}.delta(), entries(c, p)},
		"added twice: the last one is it": {ormap{added: entries(at("f", flagDelta(true)), at("f", flagDelta(false)))}.delta(), entries(c, at("f", flagDelta(false)), p)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mixed(t, c, p)
			require.NoError(t, applyDelta(m, tt.delta))
			requireDelta(t, ormap{added: tt.want}.delta(), m.state())
			require.Nil(t, take(m))
		})
	}
}

// What the proxy has added is changed like everything else.
func TestORMap_SendsChangesOfEntriesOfOthers(t *testing.T) {
	t.Parallel()
	m := mixed(t, at("m", ormap{added: entries(at("c", gcounterDelta(1)))}.delta()))
	require.NoError(t, get[*GCounter](t, get[*ORMap[string, Data]](t, m, "m"), "c").Increment(1))
	requireTaken(t, ormap{updated: entries(at("m", ormap{updated: entries(at("c", gcounterDelta(1)))}.delta()))}.delta(), m)
}

// The key was given another type on another node, so that it is removed and added.
func TestORMap_TypesOfEntriesAreThoseOfNewValue(t *testing.T) {
	t.Parallel()
	kind := "c"
	m := NewORMap(func(string) Data { return newValue(kind) })
	require.NoError(t, get[*GCounter](t, m, "k").Increment(1))
	m.reset()
	kind = "s"
	require.NoError(t, applyDelta(m, ormap{removed: []string{"k"}, added: entries(at("k", orset{added: []string{"e"}}.delta()))}.delta()))
	require.True(t, get[*ORSet[string]](t, m, "k").Contains("e"))

	err := applyDelta(m, ormap{added: entries(at("l", gcounterDelta(1)))}.delta())
	require.ErrorContains(t, err, "ORMap entry l: received a delta of type GCounter, but it doesn't match the CRDT that this entity has: ORSet")
	require.False(t, m.Contains("l"))
}

func TestORMap_ReadsByKey(t *testing.T) {
	t.Parallel()
	m := mixed(t, at("c", gcounterDelta(1)), at("s", orset{}.delta()), at("f", flagDelta(true)))
	v, ok := m.Get("c")
	require.True(t, ok)
	requireDelta(t, gcounterDelta(1), v.state())
	v, ok = m.Get("x")
	require.False(t, ok)
	require.Nil(t, v)
	require.True(t, m.Contains("s"))
	require.False(t, m.Contains("\xff"))
	require.Equal(t, []string{"c", "f", "s"}, slices.Collect(m.Keys()))
	require.Equal(t, []string{"c", "f", "s"}, slices.Sorted(maps.Keys(maps.Collect(m.All()))))
	require.Len(t, slices.Collect(m.Values()), 3)
}

func TestORMap_MayChangeInALoop(t *testing.T) {
	t.Parallel()
	m := mixed(t, at("c", gcounterDelta(1)), at("f", flagDelta(false)), at("p", pncounterDelta(1)), at("s", orset{}.delta()))
	var visited []string
	for key := range m.All() {
		visited = append(visited, key)
		m.Remove("f")
		get[Data](t, m, "v")
		if key == "p" {
			break
		}
	}
	for v := range m.Values() {
		m.Clear()
		require.IsType(t, &GCounter{}, v)
	}
	require.Equal(t, []string{"c", "p"}, visited)
	require.Zero(t, m.Len())
}

func TestORMap_ReturnsErrorsAboutKeys(t *testing.T) {
	t.Parallel()
	m := NewORMap(newValue)
	_, err := m.GetOrCreate("\xff")
	require.ErrorContains(t, err, "create an ORMap entry: encode p.cloudstate.io/string: the string is not valid UTF-8")
	m.Remove("\xff")
	err = applyDelta(m, ormapDelta(&crdtpb.ORMapDelta{Added: []*crdtpb.ORMapEntryDelta{{Key: &anypb.Any{TypeUrl: "p.cloudstate.io/int64"}, Delta: gcounterDelta(1)}}}))
	require.ErrorContains(t, err, `ORMap key: decode p.cloudstate.io/string: found "p.cloudstate.io/int64"`)
	require.Zero(t, m.Len())
	require.Nil(t, take(m))
}

// A function for new values that does not do as it should.
func TestORMap_RefusesValuesThatAreNotNew(t *testing.T) {
	t.Parallel()
	counter := NewGCounter()
	tests := map[string]struct {
		newValue func(string) Data
		want     string
	}{
		"no value":        {func(string) Data { return nil }, "newValue returned nil"},
		"a nil pointer":   {func(string) Data { return (*GCounter)(nil) }, "newValue returned nil"},
		"the same value":  {func(string) Data { return counter }, "a value that is in use"},
		"a broken value":  {func(string) Data { return NewGSet[point]() }, `entity.JSON("a-stable-name")`},
		"a changed value": {func(string) Data { f := NewFlag(); f.Enable(); return f }, "a value with changes"},
		"a zero value":    {func(string) Data { return &ORSet[string]{} }, "make it with a constructor"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := NewORMap(tt.newValue)
			err := applyDelta(m, ormap{added: entries(at("a", gcounterDelta(1)), at("b", gcounterDelta(1)))}.delta())
			require.ErrorContains(t, err, tt.want)
			require.Zero(t, m.Len())
			_, err = m.GetOrCreate("c")
			require.ErrorContains(t, err, "ORMap entry c: ")
			require.ErrorContains(t, err, tt.want)
			require.Zero(t, m.Len())
			require.Nil(t, take(m))
		})
	}
}

func TestPNCounterMap_CountsByKey(t *testing.T) {
	t.Parallel()
	m := NewPNCounterMap[string]()
	require.NoError(t, checkData(m))
	require.Nil(t, take(m))
	require.NoError(t, m.Increment("b", 5))
	require.NoError(t, m.Decrement("b", 2))
	require.NoError(t, m.Increment("a", 0))
	requireTaken(t, ormap{added: entries(at("a", pncounterDelta(0)), at("b", pncounterDelta(3)))}.delta(), m)
	require.NoError(t, m.Decrement("b", 1))
	requireTaken(t, ormap{updated: entries(at("b", pncounterDelta(-1)))}.delta(), m)

	require.NoError(t, applyDelta(m, ormap{updated: entries(at("b", pncounterDelta(10)))}.delta()))
	value, ok := m.Get("b")
	require.True(t, ok)
	require.Equal(t, int64(12), value)
	_, ok = m.Get("c")
	require.False(t, ok)
	require.True(t, m.Contains("a"))
	require.Equal(t, map[string]int64{"a": 0, "b": 12}, maps.Collect(m.All()))
	require.Equal(t, []string{"a", "b"}, slices.Collect(m.Keys()))
	for key := range m.All() {
		require.Equal(t, "a", key)
		break
	}

	m.Remove("a")
	requireTaken(t, ormap{removed: []string{"a"}}.delta(), m)
	m.Clear()
	require.Zero(t, m.Len())
	requireTaken(t, ormap{cleared: true}.delta(), m)
}

func TestPNCounterMap_IsAsBeforeAfterAnError(t *testing.T) {
	t.Parallel()
	m := NewPNCounterMap[string]()
	require.ErrorContains(t, m.Increment("\xff", 1), "not valid UTF-8")
	require.ErrorContains(t, m.Decrement("a", math.MinInt64), "does not fit")
	require.Zero(t, m.Len())
	require.Nil(t, take(m))
	require.NoError(t, m.Increment("a", 1))
	require.Error(t, m.Increment("a", math.MaxInt64))
	require.Equal(t, map[string]int64{"a": 1}, maps.Collect(m.All()))
	require.ErrorContains(t, checkData(NewPNCounterMap[point]()), "entity.JSON")
}
