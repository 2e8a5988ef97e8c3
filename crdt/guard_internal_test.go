package crdt

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// changes has every method that changes a value, each with the value that it changes.
func changes(tb testing.TB) map[string]struct {
	value  Data
	change func()
} {
	tb.Helper()
	c, p, f, v, r := NewGCounter(), NewPNCounter(), NewFlag(), NewVote(), NewLWWRegister("a")
	g, s := NewGSet[string](), setOf(tb, "a")
	m := mixed(tb, at("c", gcounterDelta(1)))
	pm, rm := NewPNCounterMap[string](), NewLWWRegisterMap[string, string](nil)
	r.reset()
	return map[string]struct {
		value  Data
		change func()
	}{
		"GCounter.Increment":          {c, func() { _ = c.Increment(0) }},
		"PNCounter.Increment":         {p, func() { _ = p.Increment(0) }},
		"PNCounter.Decrement":         {p, func() { _ = p.Decrement(1) }},
		"Flag.Enable":                 {f, f.Enable},
		"Vote.Set":                    {v, func() { v.Set(false) }},
		"LWWRegister.Set":             {r, func() { _ = r.Set("b") }},
		"LWWRegister.SetWithClock":    {r, func() { _ = r.SetWithClock("b", ClockReverse, 0) }},
		"GSet.Add":                    {g, func() { _ = g.Add("a") }},
		"ORSet.Add":                   {s, func() { _ = s.Add("a") }},
		"ORSet.Remove":                {s, func() { s.Remove("b") }},
		"ORSet.Clear":                 {s, s.Clear},
		"ORMap.GetOrCreate":           {m, func() { _, _ = m.GetOrCreate("f") }},
		"ORMap.Remove":                {m, func() { m.Remove("c") }},
		"ORMap.Clear":                 {m, m.Clear},
		"a value in an ORMap":         {m, func() { _ = get[*GCounter](tb, m, "c").Increment(1) }},
		"PNCounterMap.Increment":      {pm, func() { _ = pm.Increment("a", 1) }},
		"PNCounterMap.Decrement":      {pm, func() { _ = pm.Decrement("a", 1) }},
		"PNCounterMap.Remove":         {pm, func() { pm.Remove("a") }},
		"PNCounterMap.Clear":          {pm, pm.Clear},
		"LWWRegisterMap.Set":          {rm, func() { _ = rm.Set("a", "b") }},
		"LWWRegisterMap.SetWithClock": {rm, func() { _ = rm.SetWithClock("a", "b", ClockReverse, 0) }},
		"LWWRegisterMap.Remove":       {rm, func() { rm.Remove("a") }},
		"LWWRegisterMap.Clear":        {rm, rm.Clear},
	}
}

func TestGuard_RefusesEveryChange(t *testing.T) {
	t.Parallel()
	for name := range changes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt := changes(t)[name]
			before, g := tt.value.state(), &guard{}
			attach(tt.value, g)
			g.refuse("not now")
			require.PanicsWithValue(t, "not now", tt.change)
			requireDelta(t, before, tt.value.state())
			require.Nil(t, take(tt.value))
			g.allow()
			require.NotPanics(t, tt.change)
		})
	}
}

func TestGuard_RefusesEveryChangeAfterItsRelease(t *testing.T) {
	t.Parallel()
	for name := range changes(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt := changes(t)[name]
			g := &guard{}
			attach(tt.value, g)
			g.release()
			g.allow()
			g.refuse("not now")
			require.PanicsWithValue(t, releasedValue, tt.change)
		})
	}
}

// Reading is always allowed, and so are the deltas of the proxy.
func TestGuard_AllowsToRead(t *testing.T) {
	t.Parallel()
	m := mixed(t, at("c", gcounterDelta(1)))
	g := &guard{}
	attach(m, g)
	g.refuse("not now")
	require.Equal(t, uint64(1), get[*GCounter](t, m, "c").Value())
	require.False(t, m.Contains("f"))
	require.NoError(t, applyDelta(m, ormap{added: entries(at("f", flagDelta(true)))}.delta()))
	require.True(t, get[*Flag](t, m, "f").Enabled())
}

// A change that nobody would see is a mistake, however deep the value was nested.
func TestGuard_RefusesChangesOfRemovedValues(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(m *ORMap[string, Data]) error{
		"removed":           func(m *ORMap[string, Data]) error { m.Remove("m"); return nil },
		"cleared":           func(m *ORMap[string, Data]) error { m.Clear(); return nil },
		"removed by others": func(m *ORMap[string, Data]) error { return applyDelta(m, ormap{removed: []string{"m"}}.delta()) },
		"cleared by others": func(m *ORMap[string, Data]) error { return applyDelta(m, ormap{cleared: true}.delta()) },
		"replaced": func(m *ORMap[string, Data]) error {
			return applyDelta(m, ormap{added: entries(at("m", ormap{}.delta()))}.delta())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := NewORMap(newValue)
			inner := get[*ORMap[string, Data]](t, m, "m")
			c := get[*GCounter](t, inner, "c")
			require.NoError(t, c.Increment(1))
			require.NoError(t, remove(m))
			require.PanicsWithValue(t, removedValue, func() { _ = c.Increment(1) })
			require.PanicsWithValue(t, removedValue, inner.Clear)
			require.Equal(t, uint64(1), c.Value())
		})
	}
}

// Bad input of issue 4: a message with a map field as an element.
func TestCheck_NamesTheMistake(t *testing.T) {
	t.Parallel()
	counters := func(*structpb.Struct) *GCounter { return NewGCounter() }
	tests := map[string]struct {
		value Data
		want  string
	}{
		"nothing":                     {nil, "the CRDT is nil"},
		"a nil pointer":               {(*ORSet[string])(nil), "the CRDT is nil"},
		"a nil view":                  {(*PNCounterMap[string])(nil), "the CRDT is nil"},
		"a zero set":                  {&GSet[string]{}, "zero value"},
		"a zero map":                  {&ORMap[string, *Flag]{}, "zero value"},
		"a zero register":             {&LWWRegister[string]{}, "zero value"},
		"a zero vote":                 {&Vote{}, "crdt.NewVote"},
		"elements without a codec":    {NewGSet[point](), `entity.JSON("a-stable-name")`},
		"a value without a codec":     {NewLWWRegister(point{}), `entity.JSON("a-stable-name")`},
		"a value that is not UTF-8":   {NewLWWRegister("\xff"), "the initial value of an LWWRegister: encode p.cloudstate.io/string"},
		"elements with a map":         {NewORSet[*structpb.Struct](), "the field google.protobuf.Struct.fields is a map"},
		"elements with a nested map":  {NewGSet[*structpb.ListValue](), "google.protobuf.ListValue cannot be an element of a set or a key of a map: the field google.protobuf.Struct.fields is a map"},
		"keys with a map":             {NewORMap(counters), "google.protobuf.Struct.fields"},
		"a map without new values":    {NewORMap[string, *Flag](nil), "pass one to crdt.NewORMap"},
		"a broken set in a map":       {NewORMap(func(string) *ORSet[point] { return NewORSet[point]() }), "entity.JSON"},
		"a broken set in maps":        {NewORMap(func(string) Data { return NewORMap(func(string) Data { return NewGSet[point]() }) }), "entity.JSON"},
		"a broken register in a view": {NewORMap(func(string) Data { return NewLWWRegisterMap[string, point](nil) }), "entity.JSON"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, checkData(tt.value), tt.want)
		})
	}
}

func TestCheck_TakesWhatCanBeUsed(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]Data{
		"a counter":                     NewGCounter(),
		"messages":                      NewORSet[*durationpb.Duration](),
		"any":                           NewGSet[*anypb.Any](),
		"JSON with maps":                NewGSet[map[string]int](entity.JSON("counts")),
		"maps without end":              NewORMap(func(string) Data { return newValue("m") }),
		"no value for the empty key":    NewORMap(func(key string) Data { return map[string]Data{"a": NewFlag()}[key] }),
		"a panic for the empty key":     NewORMap(func(key string) Data { return newValue(key[:1]) }),
		"a view in a map":               NewORMap(func(int64) *PNCounterMap[bool] { return NewPNCounterMap[bool]() }),
		"a register":                    NewLWWRegister[[]byte](nil),
		"a register of a zero duration": NewLWWRegister(&durationpb.Duration{}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, checkData(value))
		})
	}
}

// The declaration reports it; whoever uses the value nevertheless is told again.
func TestValues_PanicWithoutACodec(t *testing.T) {
	t.Parallel()
	requirePanic := func(want string, use func()) {
		t.Helper()
		defer func() {
			t.Helper()
			err, ok := recover().(error)
			require.True(t, ok)
			require.ErrorContains(t, err, want)
		}()
		use()
	}
	g, s, r := NewGSet[point](), NewORSet[*structpb.Struct](), NewLWWRegister(point{})
	requirePanic("entity.JSON", func() { _ = g.Add(point{}) })
	requirePanic("is a map", func() { s.Contains(nil) })
	requirePanic("entity.JSON", func() { _ = r.Set(point{}) })
	requirePanic("zero value", func() { (&ORSet[string]{}).Remove("a") })
	requirePanic("zero value", func() { (&ORMap[string, *Flag]{}).Get("a") })

	require.ErrorContains(t, applyDelta(g, gsetDelta(nil)), "entity.JSON")
	require.ErrorContains(t, applyDelta(s, orset{}.delta()), "is a map")
	require.ErrorContains(t, applyDelta(r, written("", crdtpb.CrdtClock_DEFAULT, 0)), "entity.JSON")
	require.ErrorContains(t, applyDelta(NewORMap[string, *Flag](nil), ormap{}.delta()), "crdt.NewORMap")
}
