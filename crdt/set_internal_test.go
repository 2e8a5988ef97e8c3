package crdt

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

func addAll[T any](tb testing.TB, s interface{ Add(element T) error }, elements ...T) {
	tb.Helper()
	for _, e := range elements {
		require.NoError(tb, s.Add(e))
	}
}

// setOf returns a set of which the proxy knows the elements.
func setOf(tb testing.TB, elements ...string) *ORSet[string] {
	tb.Helper()
	s := NewORSet[string]()
	require.NoError(tb, applyDelta(s, orset{added: elements}.delta()))
	return s
}

// P-142.
func TestGSet_SendsNewElementsOnly(t *testing.T) {
	t.Parallel()
	s := NewGSet[string]()
	require.Nil(t, take(s))
	addAll(t, s, "b", "a", "b")
	requireTaken(t, gsetDelta(strs("a", "b")), s)
	addAll(t, s, "a", "c", "b")
	requireTaken(t, gsetDelta(strs("c")), s)
	addAll(t, s, "c")
	require.Nil(t, take(s))
}

// P-142.
func TestGSet_TakesTheElementsOfOthers(t *testing.T) {
	t.Parallel()
	s := NewGSet[string]()
	addAll(t, s, "a")
	require.NoError(t, applyDelta(s, gsetDelta(strs("b", "a", "b"))))
	require.Equal(t, 2, s.Len())
	require.True(t, s.Contains("b"))
	require.False(t, s.Contains("c"))
	addAll(t, s, "b")
	requireTaken(t, gsetDelta(strs("a")), s)
	requireDelta(t, gsetDelta(strs("a", "b")), s.state())
}

// P-143.
func TestORSet_SendsAsLittleAsPossible(t *testing.T) {
	t.Parallel()
	type set = *ORSet[string]
	add := func(e string) func(set) { return func(s set) { addAll(t, s, e) } }
	remove := func(e string) func(set) { return func(s set) { s.Remove(e) } }
	empty := set.Clear
	tests := map[string]struct {
		before []string
		ops    []func(set)
		want   *crdtpb.CrdtDelta
		after  []string
	}{
		"nothing":                             {[]string{"a"}, nil, nil, []string{"a"}},
		"removals, also of what is not there": {[]string{"a", "b", "c"}, []func(set){remove("b"), remove("d")}, orset{removed: []string{"b"}}.delta(), []string{"a", "c"}},
		"removals that are taken back":        {[]string{"a", "c"}, []func(set){remove("c"), remove("d"), add("b"), add("c")}, orset{added: []string{"b"}}.delta(), []string{"a", "b", "c"}},
		"additions that are taken back":       {[]string{"a"}, []func(set){add("b"), remove("b")}, nil, []string{"a"}},
		"back and forth":                      {[]string{"a", "b"}, []func(set){remove("b"), add("b"), remove("b")}, orset{removed: []string{"b"}}.delta(), []string{"a"}},
		"an addition of what is there":        {[]string{"a"}, []func(set){add("a")}, nil, []string{"a"}},
		"all is cleared":                      {[]string{"a", "b"}, []func(set){empty}, orset{cleared: true}.delta(), nil},
		"the removal of the last element":     {[]string{"a", "b"}, []func(set){remove("a"), remove("b")}, orset{cleared: true}.delta(), nil},
		"cleared, then added":                 {nil, []func(set){add("a"), empty, add("x")}, orset{cleared: true, added: []string{"x"}}.delta(), []string{"x"}},
		"cleared, then added again":           {[]string{"a"}, []func(set){empty, add("b"), add("a"), remove("b")}, orset{cleared: true, added: []string{"a"}}.delta(), []string{"a"}},
		"an empty set is cleared (A-17)":      {nil, []func(set){empty, remove("a")}, nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setOf(t, tt.before...)
			for _, op := range tt.ops {
				op(s)
			}
			require.Equal(t, tt.after, slices.Collect(s.All()))
			requireTaken(t, tt.want, s)
		})
	}
}

// P-144.
func TestORSet_AppliesDeltas(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		delta *crdtpb.CrdtDelta
		want  []string
	}{
		"cleared":              {orset{cleared: true}.delta(), nil},
		"cleared and added":    {orset{cleared: true, added: []string{"b", "x"}}.delta(), []string{"b", "x"}},
		"removed and added":    {orset{removed: []string{"a"}, added: []string{"x"}}.delta(), []string{"b", "x"}},
		"removed, then added":  {orset{removed: []string{"a"}, added: []string{"a"}}.delta(), []string{"a", "b"}},
		"absent and present":   {orset{removed: []string{"y", "y"}, added: []string{"b", "b"}}.delta(), []string{"a", "b"}},
		"all that can be sent": {orset{cleared: true, removed: []string{"a"}, added: []string{"a"}}.delta(), []string{"a"}},
		"nothing":              {orset{}.delta(), []string{"a", "b"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setOf(t, "a", "b")
			require.NoError(t, applyDelta(s, tt.delta))
			require.Equal(t, tt.want, slices.Collect(s.All()))
			require.Equal(t, len(tt.want), s.Len())
			require.Nil(t, take(s))
		})
	}
}

// Section 4.4: what others have sent is sent back as they wrote it.
func TestORSet_KeepsTheBytesOfOthers(t *testing.T) {
	t.Parallel()
	foreign := []*anypb.Any{
		{TypeUrl: "type.example.com/google.protobuf.Duration", Value: []byte{0x08, 1}},
		{TypeUrl: "type.googleapis.com/google.protobuf.Duration", Value: []byte{0x10, 0, 0x08, 2}},
	}
	s := NewORSet[*durationpb.Duration]()
	require.NoError(t, applyDelta(s, orsetDelta(&crdtpb.ORSetDelta{Added: foreign})))
	requireDelta(t, orsetDelta(&crdtpb.ORSetDelta{Added: foreign}), s.state())
	require.False(t, s.Contains(&durationpb.Duration{Seconds: 1}), "it is another element")

	addAll(t, s, &durationpb.Duration{Seconds: 3})
	require.NoError(t, applyDelta(s, orsetDelta(&crdtpb.ORSetDelta{Removed: foreign[1:]})))
	require.Equal(t, 2, s.Len())
	require.True(t, s.Contains(&durationpb.Duration{Seconds: 3}))
}

func TestSets_KeepCopies(t *testing.T) {
	t.Parallel()
	s := NewGSet[*durationpb.Duration]()
	d := &durationpb.Duration{Seconds: 1}
	addAll(t, s, d)
	d.Seconds = 2
	require.False(t, s.Contains(d))
	for kept := range s.All() {
		require.Equal(t, int64(1), kept.GetSeconds())
	}

	o := NewORSet[*durationpb.Duration]()
	addAll(t, o, d)
	d.Seconds = 3
	require.False(t, o.Contains(d))
}

var errBrittle = errors.New("brittle")

type point struct {
	X int `json:"x"`
	Y int `json:"y"`
}

// brittle is JSON that its type does not read back.
type brittle struct{ Name string }

func (*brittle) UnmarshalJSON([]byte) error { return errBrittle }

func TestSets_ReturnErrorsAboutElements(t *testing.T) {
	t.Parallel()
	g, o := NewGSet[string](), NewORSet[string]()
	require.ErrorContains(t, g.Add("\xff"), "add to a GSet: encode p.cloudstate.io/string: the string is not valid UTF-8")
	require.ErrorContains(t, o.Add("\xff"), "add to an ORSet: encode p.cloudstate.io/string: the string is not valid UTF-8")
	require.False(t, g.Contains("\xff"))
	o.Remove("\xff")
	require.Zero(t, g.Len()+o.Len())
	require.Nil(t, take(g))
	require.Nil(t, take(o))

	b := entity.JSON("brittle")
	require.ErrorIs(t, NewGSet[brittle](b).Add(brittle{}), errBrittle)
	require.ErrorContains(t, NewORSet[brittle](b).Add(brittle{}), "it was encoded, but cannot be read back")
}

func TestORSet_TakesJSON(t *testing.T) {
	t.Parallel()
	s := NewORSet[point](entity.JSON("point"))
	require.NoError(t, s.check())
	addAll(t, s, point{X: 2}, point{Y: 1}, point{X: 2})
	require.Equal(t, []point{{Y: 1}, {X: 2}}, slices.Collect(s.All()))
	require.True(t, s.Contains(point{Y: 1}))
}

// The order does not depend on who added what when.
func TestSets_IterateInTheOrderOfTheBytes(t *testing.T) {
	t.Parallel()
	s, want := NewORSet[string](), []string{"", "a", "b", "m", "x", "aa"} // a length comes first
	addAll(t, s, "x", "b")
	require.Equal(t, []string{"b", "x"}, slices.Collect(s.All()))
	addAll(t, s, "m", "zz", "aa")
	s.Remove("zz")
	addAll(t, s, "", "a")
	require.Equal(t, want, slices.Collect(s.All()))
	require.Equal(t, want, slices.Collect(setOf(t, "aa", "", "m", "a", "x", "b").All()))
}

func TestORSet_MayChangeInALoop(t *testing.T) {
	t.Parallel()
	s := setOf(t, "a", "b", "c", "d")
	var visited []string
	for e := range s.All() {
		visited = append(visited, e)
		switch e {
		case "a":
			s.Remove("a")
			s.Remove("b")
			addAll(t, s, "bb", "e")
			require.Equal(t, []string{"c", "d", "e", "bb"}, slices.Collect(s.All()), "a loop in the loop")
			addAll(t, s, "b") // another one than the one that was there
		case "c":
			s.Clear()
			addAll(t, s, "d")
		}
	}
	require.Equal(t, []string{"a", "c"}, visited)
	require.Equal(t, []string{"d"}, slices.Collect(s.All()))
}

func TestORSet_LoopsMayEndEarly(t *testing.T) {
	t.Parallel()
	for e := range setOf(t, "a", "b").All() {
		require.Equal(t, "a", e)
		break
	}
}

// What is added and removed again and again leaves nothing behind.
func TestORSet_DoesNotGrowWithoutElements(t *testing.T) {
	t.Parallel()
	s := setOf(t, "a")
	for range 10_000 {
		addAll(t, s, "b")
		s.Remove("b")
		s.reset()
	}
	require.Less(t, cap(s.order), 1000)
	require.Less(t, cap(s.touched), 1000)
	require.Equal(t, []string{"a"}, slices.Collect(s.All()))
}
