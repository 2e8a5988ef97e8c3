package crdt

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// everything returns a value of each type, with something in it that was sent and something
// that was not.
func everything(tb testing.TB) map[string]Data {
	tb.Helper()
	values := map[string]Data{}
	for i := range len(letters) {
		letter := letters[i : i+1]
		s := &script{data: []byte{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9}}
		values[letter] = newValue(letter)
		change(tb, values[letter], s)
		values[letter].reset()
		change(tb, values[letter], s)
	}
	return values
}

// Bad input of issue 4: a delta of another type, an empty delta.
func TestApply_RefusesDeltasOfOtherTypes(t *testing.T) {
	t.Parallel()
	for letter, value := range everything(t) {
		for other := range everything(t) {
			if letter == other {
				continue
			}
			err := applyDelta(value, newValue(other).state())
			require.ErrorContains(t, err, "received a delta of type "+variant(newValue(other).state()))
			require.ErrorContains(t, err, "it doesn't match the CRDT that this entity has: "+variant(value.state()))
		}
		for _, empty := range []*crdtpb.CrdtDelta{nil, {}} {
			require.ErrorContains(t, applyDelta(value, empty), "received an empty delta")
		}
	}
}

// A delta is applied as a whole or not at all.
func TestApply_LeavesTheValueAloneIfItFails(t *testing.T) {
	t.Parallel()
	number := &anypb.Any{TypeUrl: "p.cloudstate.io/int64", Value: []byte{0x08, 1}}
	bad := gsetDelta([]*anypb.Any{str("z"), number})
	tests := map[string]struct {
		letter string
		delta  *crdtpb.CrdtDelta
		want   string
	}{
		"an element":       {"g", bad, `GSet: decode p.cloudstate.io/string: found "p.cloudstate.io/int64"`},
		"no element":       {"g", gsetDelta([]*anypb.Any{nil}), `found ""`},
		"after a clear":    {"s", orsetDelta(&crdtpb.ORSetDelta{Cleared: true, Added: []*anypb.Any{str("z"), number}}), "ORSet: decode p.cloudstate.io/string"},
		"a register":       {"r", lwwregisterDelta(&crdtpb.LWWRegisterDelta{Value: number}), "LWWRegister: decode p.cloudstate.io/string"},
		"no value":         {"r", lwwregisterDelta(&crdtpb.LWWRegisterDelta{}), "LWWRegister: the delta has no value"},
		"an entry":         {"m", ormap{cleared: true, added: entries(at("c", gcounterDelta(1)), at("g", bad))}.delta(), "ORMap entry g: GSet: decode"},
		"an entry's delta": {"m", ormap{removed: []string{"c"}, added: entries(at("f", nil))}.delta(), "ORMap entry f: received an empty delta"},
		"an update":        {"m", ormap{updated: entries(at("c", gcounterDelta(1)), at("s", flagDelta(true)))}.delta(), "ORMap entry s: received a delta of type Flag"},
		"a nested update":  {"m", ormap{updated: entries(at("c", gcounterDelta(1)), at("m", ormap{updated: entries(at("p", flagDelta(true)))}.delta()))}.delta(), "ORMap entry m: ORMap entry p: received a delta of type Flag"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value := newValue(tt.letter)
			if m, ok := value.(*ORMap[string, Data]); ok {
				require.NoError(t, get[*GCounter](t, m, "c").Increment(1))
				addAll(t, get[*ORSet[string]](t, m, "s"), "a")
				require.NoError(t, get[*PNCounter](t, get[*ORMap[string, Data]](t, m, "m"), "p").Increment(1))
			} else {
				change(t, value, &script{})
			}
			state, pending := value.state(), pendingDelta(value)
			require.ErrorContains(t, applyDelta(value, tt.delta), tt.want)
			requireDelta(t, state, value.state())
			requireDelta(t, pending, pendingDelta(value))
		})
	}
}

// FuzzApply_TakesAnything applies whatever bytes make a delta. It never panics; it applies a
// delta as a whole or not at all; and it touches nothing of what was not sent, except the
// write of a register.
func FuzzApply_TakesAnything(f *testing.F) {
	for letter, value := range everything(f) {
		for _, delta := range []*crdtpb.CrdtDelta{value.state(), value.delta(), newValue(letter).state()} {
			data, err := proto.Marshal(delta)
			require.NoError(f, err)
			f.Add(letter, data)
		}
	}
	data, err := proto.Marshal(orsetDelta(&crdtpb.ORSetDelta{Cleared: true, Removed: strs("a"), Added: []*anypb.Any{{TypeUrl: "json.cloudstate.io/x"}}}))
	require.NoError(f, err)
	f.Add("s", data)
	f.Fuzz(func(t *testing.T, letter string, data []byte) {
		delta := &crdtpb.CrdtDelta{}
		if proto.Unmarshal(data, delta) != nil {
			return
		}
		value := newValue(letter)
		change(t, value, &script{data: data})
		state, pending := value.state(), pendingDelta(value)
		if err := applyDelta(value, delta); err != nil {
			requireDelta(t, state, value.state())
			requireDelta(t, pending, pendingDelta(value))
			return
		}
		again := newValue(letter)
		require.NoError(t, applyDelta(again, value.state()))
		requireDelta(t, value.state(), again.state())
		pendingDelta(value)
		value.reset()
		require.Nil(t, pendingDelta(value))
	})
}
