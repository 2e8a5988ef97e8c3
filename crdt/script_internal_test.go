package crdt

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A script is a sequence of decisions that a fuzzer makes.
type script struct {
	data []byte
}

// next returns a number less than n, and 0 at the end of the script.
func (s *script) next(n int) int {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return int(b) % n
}

func (s *script) done() bool { return len(s.data) == 0 }

// letters are the keys of maps and the elements of sets. As a key, each one stands for a type
// of value.
const letters = "cpgsrfvm"

func (s *script) letter() string {
	i := s.next(len(letters))
	return letters[i : i+1]
}

// newValue returns an empty value of a type. Maps have values of all types, and so are nested
// without end.
func newValue(letter string) Data {
	switch letter {
	case "c":
		return NewGCounter()
	case "p":
		return NewPNCounter()
	case "g":
		return NewGSet[string]()
	case "s":
		return NewORSet[string]()
	case "r":
		return NewLWWRegister("")
	case "f":
		return NewFlag()
	case "v":
		return NewVote()
	default:
		return NewORMap(newValue)
	}
}

// change changes a value as a script says.
func change(tb testing.TB, d Data, s *script) {
	tb.Helper()
	switch d := d.(type) {
	case *GCounter:
		require.NoError(tb, d.Increment(uint64(s.next(4))))
	case *PNCounter:
		require.NoError(tb, d.Increment(int64(s.next(8))))
		require.NoError(tb, d.Decrement(int64(s.next(8))))
	case *GSet[string]:
		require.NoError(tb, d.Add(s.letter()))
	case *ORSet[string]:
		changeSet(tb, d, s)
	case *LWWRegister[string]:
		require.NoError(tb, d.SetWithClock(s.letter(), Clock(s.next(4)), int64(s.next(64))))
	case *Flag:
		d.Enable()
	case *Vote:
		d.Set(s.next(2) == 1)
	case *ORMap[string, Data]:
		changeMap(tb, d, s)
	default:
		require.Fail(tb, "unknown type", "%T", d)
	}
}

func changeSet(tb testing.TB, d *ORSet[string], s *script) {
	tb.Helper()
	switch s.next(8) {
	case 0:
		d.Clear()
	case 1, 2, 3:
		d.Remove(s.letter())
	default:
		require.NoError(tb, d.Add(s.letter()))
	}
}

func changeMap(tb testing.TB, d *ORMap[string, Data], s *script) {
	tb.Helper()
	switch s.next(8) {
	case 0:
		d.Clear()
	case 1, 2:
		d.Remove(s.letter())
	case 3:
		_, err := d.GetOrCreate(s.letter())
		require.NoError(tb, err)
	default:
		child, err := d.GetOrCreate(s.letter())
		require.NoError(tb, err)
		change(tb, child, s)
	}
}

// addScripts adds seeds that between them do everything to every type.
func addScripts(f *testing.F) {
	f.Helper()
	add := func(letter string, data ...byte) {
		f.Add(letter, data)
	}
	long := make([]byte, 4096) // a fixed sequence without a short period
	state := uint32(1)
	for i := range long {
		state = state*1664525 + 1013904223
		long[i] = byte(state >> 24)
	}
	for i := range len(letters) {
		letter := letters[i : i+1]
		add(letter)
		for begin := 0; begin < len(long); begin += 256 {
			add(letter, long[begin:begin+256]...)
		}
		add(letter, long...)
	}
}
