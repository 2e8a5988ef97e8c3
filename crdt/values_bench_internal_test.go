package crdt

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// sizes are how many elements or entries the benchmarks have. What changes one of them must
// cost the same at each size, but for what the memory takes.
var sizes = []int{10, 1_000, 100_000}

func sized(b *testing.B, run func(b *testing.B, n int)) {
	b.Helper()
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			run(b, n)
		})
	}
}

func elements(n int) []string {
	all := make([]string, 0, n)
	for i := range n {
		all = append(all, fmt.Sprintf("element-%d", i))
	}
	return all
}

// countersOf returns a map of counters of which the proxy knows n.
func countersOf(tb testing.TB, n int) *ORMap[string, *PNCounter] {
	tb.Helper()
	m := NewORMap(func(string) *PNCounter { return NewPNCounter() })
	d := &crdtpb.ORMapDelta{}
	for _, key := range elements(n) {
		d.Added = append(d.Added, at(key, pncounterDelta(1)))
	}
	require.NoError(tb, applyDelta(m, ormapDelta(d)))
	return m
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil { // require would dominate what is measured
		tb.Fatal(err)
	}
}

// A command that adds an element, then one that removes it.
func BenchmarkORSet_AddAndRemove(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		s := setOf(b, elements(n)...)
		for b.Loop() {
			must(b, s.Add("x"))
			take(s)
			s.Remove("x")
			take(s)
		}
	})
}

func BenchmarkORSet_Apply(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		s := setOf(b, elements(n)...)
		added, removed := orset{added: []string{"x"}}.delta(), orset{removed: []string{"x"}}.delta()
		for b.Loop() {
			must(b, applyDelta(s, added))
			must(b, applyDelta(s, removed))
		}
	})
}

func BenchmarkORSet_Contains(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		s := setOf(b, elements(n)...)
		for b.Loop() {
			s.Contains("element-7")
		}
	})
}

// The activation of an entity: the proxy sends everything.
func BenchmarkORSet_Load(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		all := orset{added: elements(n)}.delta()
		for b.Loop() {
			must(b, applyDelta(NewORSet[string](), all))
		}
	})
}

// This one is about all elements, so it may cost more for more of them.
func BenchmarkORSet_AddAndIterate(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		s := setOf(b, elements(n)...)
		for b.Loop() {
			must(b, s.Add("x"))
			count := 0
			for range s.All() {
				count++
			}
			s.Remove("x")
			s.reset()
		}
	})
}

// A set that only grows gets one element per operation, which is new each time.
func BenchmarkGSet_Add(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		s := NewGSet[string]()
		require.NoError(b, applyDelta(s, gsetDelta(strs(elements(n)...))))
		for i := n; b.Loop(); i++ {
			must(b, s.Add(strconv.Itoa(i)))
			take(s)
		}
	})
}

func BenchmarkGSet_AddPresent(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		s := NewGSet[string]()
		require.NoError(b, applyDelta(s, gsetDelta(strs(elements(n)...))))
		for b.Loop() {
			must(b, s.Add("element-7"))
			take(s)
		}
	})
}

func BenchmarkGSet_Apply(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		s := NewGSet[string]()
		require.NoError(b, applyDelta(s, gsetDelta(strs(elements(n)...))))
		delta := gsetDelta(strs("element-7"))
		for b.Loop() {
			must(b, applyDelta(s, delta))
		}
	})
}

// A command that changes one entry.
func BenchmarkORMap_Update(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		m := countersOf(b, n)
		for b.Loop() {
			c, err := m.GetOrCreate("element-7")
			must(b, err)
			must(b, c.Increment(1))
			take(m)
		}
	})
}

func BenchmarkORMap_AddAndRemove(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		m := countersOf(b, n)
		for b.Loop() {
			_, err := m.GetOrCreate("x")
			must(b, err)
			take(m)
			m.Remove("x")
			take(m)
		}
	})
}

func BenchmarkORMap_Apply(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		m := countersOf(b, n)
		delta := ormap{updated: entries(at("element-7", pncounterDelta(1)))}.delta()
		for b.Loop() {
			must(b, applyDelta(m, delta))
		}
	})
}

func BenchmarkORMap_Load(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		all := countersOf(b, n).state()
		for b.Loop() {
			m := NewORMap(func(string) *PNCounter { return NewPNCounter() })
			must(b, applyDelta(m, all))
		}
	})
}

func BenchmarkLWWRegisterMap_Set(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		m := NewLWWRegisterMap[string, string](nil)
		for _, key := range elements(n) {
			require.NoError(b, m.Set(key, "a"))
		}
		m.reset()
		for b.Loop() {
			must(b, m.Set("element-7", "b"))
			take(m)
		}
	})
}

func BenchmarkPNCounterMap_Increment(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		m := NewPNCounterMap[string]()
		for _, key := range elements(n) {
			require.NoError(b, m.Increment(key, 1))
		}
		m.reset()
		for b.Loop() {
			must(b, m.Increment("element-7", 1))
			take(m)
		}
	})
}

func BenchmarkGCounter(b *testing.B) {
	c, delta := NewGCounter(), gcounterDelta(1)
	b.ReportAllocs()
	for b.Loop() {
		must(b, c.Increment(1))
		take(c)
		must(b, applyDelta(c, delta))
	}
}

func BenchmarkPNCounter(b *testing.B) {
	c, delta := NewPNCounter(), pncounterDelta(-1)
	b.ReportAllocs()
	for b.Loop() {
		must(b, c.Increment(1))
		take(c)
		must(b, applyDelta(c, delta))
	}
}

func BenchmarkFlag(b *testing.B) {
	delta := flagDelta(true)
	b.ReportAllocs()
	for b.Loop() {
		f := NewFlag()
		f.Enable()
		take(f)
		must(b, applyDelta(f, delta))
	}
}

func BenchmarkVote(b *testing.B) {
	v, delta := NewVote(), voteDelta(&crdtpb.VoteDelta{TotalVoters: 1})
	b.ReportAllocs()
	for b.Loop() {
		v.Set(true)
		take(v)
		must(b, applyDelta(v, delta))
	}
}

func BenchmarkLWWRegister(b *testing.B) {
	r, delta := NewLWWRegister("a"), written("b", crdtpb.CrdtClock_DEFAULT, 0)
	b.ReportAllocs()
	for b.Loop() {
		must(b, r.Set("c"))
		take(r)
		must(b, applyDelta(r, delta))
	}
}

// Not parallel: testing.AllocsPerRun counts the allocations of all goroutines.
func TestValues_StayInTheirBudget(t *testing.T) {
	s, m, c := setOf(t, elements(1_000)...), countersOf(t, 1_000), NewGCounter()
	pm := NewPNCounterMap[string]()
	require.NoError(t, applyDelta(pm, m.state()))
	var received setDelta
	added, err := proto.Marshal(orset{added: []string{"y"}}.delta())
	require.NoError(t, err)
	removed, err := proto.Marshal(orset{removed: []string{"y"}}.delta())
	require.NoError(t, err)
	tests := map[string]struct {
		budget float64
		run    func()
	}{
		"reading sets and maps": {0, func() {
			s.Contains("element-7")
			m.Contains("element-7")
			pm.Get("element-7")
			for range s.All() {
				break
			}
		}},
		"changes that are none": {0, func() {
			must(t, s.Add("element-7"))
			s.Remove("x")
			must(t, c.Increment(0))
			take(s)
			take(m)
		}},
		"a change of a counter":         {0, func() { must(t, c.Increment(1)) }},
		"the delta of a counter":        {3, func() { must(t, c.Increment(1)); take(c) }},
		"a change of an entry":          {0, func() { must(t, pm.Increment("element-7", 1)) }},
		"the delta of an entry":         {10, func() { must(t, pm.Increment("element-7", 1)); take(pm) }},
		"an element, added and removed": {14, func() { must(t, s.Add("x")); take(s); s.Remove("x"); take(s) }},
		"an element of another node": {5, func() {
			for _, data := range [][]byte{added, removed} {
				received.read(data)
				must(t, applyReceived(s, &received.message, &received))
			}
		}},
		"a new counter":                  {1, func() { NewGCounter() }},
		"a new set, as entries may have": {2, func() { NewORSet[string]() }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.LessOrEqual(t, testing.AllocsPerRun(100, tt.run), tt.budget)
		})
	}
}

// What comes from the proxy, from its bytes on.
func BenchmarkORSet_Receive(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		s := setOf(b, elements(n)...)
		added, removed := encoded(b, orset{added: []string{"x"}}), encoded(b, orset{removed: []string{"x"}})
		for b.Loop() {
			receive(b, s, added)
			receive(b, s, removed)
		}
	})
}

// The activation of an entity, from the bytes of its value on.
func BenchmarkORSet_ReceiveAll(b *testing.B) {
	sized(b, func(b *testing.B, n int) {
		b.Helper()
		all := encoded(b, orset{added: elements(n)})
		for b.Loop() {
			receive(b, NewORSet[string](), all)
		}
	})
}

func encoded(tb testing.TB, d orset) []byte {
	tb.Helper()
	data, err := proto.Marshal(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: d.delta()}})
	require.NoError(tb, err)
	return data
}

func receive(tb testing.TB, d Data, data []byte) {
	tb.Helper()
	in := wire.Incoming[*received]{Pool: &receivedMessages}
	must(tb, in.UnmarshalWire(data))
	must(tb, applyReceived(d, in.Buffer.message.GetDelta(), in.Buffer.undecoded()))
	in.Free()
}
