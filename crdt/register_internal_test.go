package crdt

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// P-145.
func TestLWWRegister_SendsItsInitialValue(t *testing.T) {
	t.Parallel()
	r := NewLWWRegister("one")
	require.Equal(t, "one", r.Value())
	requireTaken(t, written("one", crdtpb.CrdtClock_DEFAULT, 0), r)
}

// P-145.
func TestLWWRegister_DropsItsWriteForThatOfTheProxy(t *testing.T) {
	t.Parallel()
	r := NewLWWRegister("")
	require.NoError(t, applyDelta(r, written("one", crdtpb.CrdtClock_DEFAULT, 0)))
	require.Equal(t, "one", r.Value())
	require.Nil(t, take(r))

	require.NoError(t, r.SetWithClock("two", ClockCustom, 7))
	require.NoError(t, applyDelta(r, written("three", crdtpb.CrdtClock_CUSTOM, 9)))
	require.Equal(t, "three", r.Value())
	require.Nil(t, take(r))
	requireDelta(t, written("three", crdtpb.CrdtClock_DEFAULT, 0), r.state())
}

// P-145.
func TestLWWRegister_SendsClocks(t *testing.T) {
	t.Parallel()
	r := NewLWWRegister("zero")
	r.reset()
	require.NoError(t, r.Set("one"))
	requireTaken(t, written("one", crdtpb.CrdtClock_DEFAULT, 0), r)
	require.NoError(t, r.SetWithClock("two", ClockReverse, 5))
	requireTaken(t, written("two", crdtpb.CrdtClock_REVERSE, 0), r)
	require.NoError(t, r.SetWithClock("three", ClockCustom, 5))
	requireTaken(t, written("three", crdtpb.CrdtClock_CUSTOM, 5), r)
	require.NoError(t, r.SetWithClock("four", ClockCustomAutoIncrement, -5))
	requireTaken(t, written("four", crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT, -5), r)
	require.NoError(t, r.SetWithClock("five", ClockCustom, 6))
	require.NoError(t, r.Set("five"))
	requireTaken(t, written("five", crdtpb.CrdtClock_DEFAULT, 0), r)
	require.NoError(t, r.Set("five"))
	requireTaken(t, written("five", crdtpb.CrdtClock_DEFAULT, 0), r)
}

func TestLWWRegister_RefusesWhatItCannotSend(t *testing.T) {
	t.Parallel()
	r := NewLWWRegister("one")
	r.reset()
	require.ErrorContains(t, r.Set("\xff"), "LWWRegister: encode p.cloudstate.io/string: the string is not valid UTF-8")
	require.ErrorContains(t, r.SetWithClock("two", 4, 0), "there is no clock 4")
	require.ErrorContains(t, r.SetWithClock("two", -1, 0), "there is no clock -1")
	require.ErrorIs(t, NewLWWRegister(brittle{}, entity.JSON("b")).check(), errBrittle)
	require.Equal(t, "one", r.Value())
	require.Nil(t, take(r))
}

func TestLWWRegister_KeepsCopies(t *testing.T) {
	t.Parallel()
	d := &durationpb.Duration{Seconds: 1}
	r := NewLWWRegister(d)
	d.Seconds = 2
	require.Equal(t, int64(1), r.Value().GetSeconds())
	require.NoError(t, r.Set(d))
	d.Seconds = 3
	require.Equal(t, int64(2), r.Value().GetSeconds())
}

// A register is not found by its bytes, so these may have maps in them.
func TestLWWRegister_TakesMessagesWithMaps(t *testing.T) {
	t.Parallel()
	value, err := structpb.NewStruct(map[string]any{"b": 1, "a": true})
	require.NoError(t, err)
	r := NewLWWRegister(value)
	require.NoError(t, r.check())
	require.Equal(t, value.AsMap(), r.Value().AsMap())
}

func TestLWWRegisterMap_WritesByKey(t *testing.T) {
	t.Parallel()
	m := NewLWWRegisterMap[string, string](nil)
	require.NoError(t, checkData(m))
	require.Nil(t, take(m))
	require.NoError(t, m.Set("b", "one"))
	require.NoError(t, m.SetWithClock("a", "two", ClockCustom, 7))
	requireTaken(t, ormap{added: entries(
		at("a", written("two", crdtpb.CrdtClock_CUSTOM, 7)),
		at("b", written("one", crdtpb.CrdtClock_DEFAULT, 0)),
	)}.delta(), m)

	require.NoError(t, m.Set("b", "three"))
	requireTaken(t, ormap{updated: entries(at("b", written("three", crdtpb.CrdtClock_DEFAULT, 0)))}.delta(), m)

	require.NoError(t, applyDelta(m, ormap{added: entries(at("c", written("four", crdtpb.CrdtClock_DEFAULT, 0)))}.delta()))
	require.Nil(t, take(m))
	value, ok := m.Get("c")
	require.True(t, ok)
	require.Equal(t, "four", value)
	_, ok = m.Get("d")
	require.False(t, ok)
	require.True(t, m.Contains("c"))
	require.Equal(t, []string{"a", "b", "c"}, slices.Collect(m.Keys()))
	var values []string
	for _, v := range m.All() {
		values = append(values, v)
		if v == "three" {
			break
		}
	}
	require.Equal(t, []string{"two", "three"}, values)

	m.Remove("a")
	requireTaken(t, ormap{removed: []string{"a"}}.delta(), m)
	m.Clear()
	require.Zero(t, m.Len())
	requireTaken(t, ormap{cleared: true}.delta(), m)
}

func TestLWWRegisterMap_IsAsBeforeAfterAnError(t *testing.T) {
	t.Parallel()
	m := NewLWWRegisterMap[string, string](nil)
	require.ErrorContains(t, m.Set("\xff", "a"), "not valid UTF-8")
	require.ErrorContains(t, m.Set("a", "\xff"), "not valid UTF-8")
	require.ErrorContains(t, m.SetWithClock("a", "b", 9, 0), "no clock 9")
	require.Zero(t, m.Len())
	require.Nil(t, take(m))
	require.NoError(t, m.Set("a", "b"))
	require.Error(t, m.Set("a", "\xff"))
	value, ok := m.Get("a")
	require.True(t, ok)
	require.Equal(t, "b", value)

	broken := NewLWWRegisterMap[string, point](nil)
	require.ErrorContains(t, checkData(broken), "entity.JSON")
	require.ErrorContains(t, broken.Set("a", point{}), "entity.JSON")
	require.NoError(t, NewLWWRegisterMap[string, point](nil, entity.JSON("point")).Set("a", point{}))
	require.ErrorContains(t, checkData(NewLWWRegisterMap[point, string](nil)), "entity.JSON")
}
