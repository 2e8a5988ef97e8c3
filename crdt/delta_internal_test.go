package crdt

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// str returns a string as the protocol writes it (protocol section 4.2).
func str(s string) *anypb.Any {
	a := &anypb.Any{TypeUrl: "p.cloudstate.io/string"}
	if s != "" {
		a.Value = protowire.AppendString([]byte{0x0a}, s)
	}
	return a
}

func strs(all ...string) []*anypb.Any {
	anys := make([]*anypb.Any, 0, len(all))
	for _, s := range all {
		anys = append(anys, str(s))
	}
	return anys
}

// An orset is a delta of an ORSet of strings, in short.
type orset struct {
	cleared        bool
	removed, added []string
}

func (d orset) delta() *crdtpb.CrdtDelta {
	return orsetDelta(&crdtpb.ORSetDelta{Cleared: d.cleared, Removed: strs(d.removed...), Added: strs(d.added...)})
}

// An ormap is a delta of an ORMap with strings as keys, in short.
type ormap struct {
	cleared        bool
	removed        []string
	updated, added []*crdtpb.ORMapEntryDelta
}

func (d ormap) delta() *crdtpb.CrdtDelta {
	return ormapDelta(&crdtpb.ORMapDelta{Cleared: d.cleared, Removed: strs(d.removed...), Updated: d.updated, Added: d.added})
}

func at(key string, delta *crdtpb.CrdtDelta) *crdtpb.ORMapEntryDelta {
	return &crdtpb.ORMapEntryDelta{Key: str(key), Delta: delta}
}

func entries(all ...*crdtpb.ORMapEntryDelta) []*crdtpb.ORMapEntryDelta { return all }

func written(value string, clock crdtpb.CrdtClock, custom int64) *crdtpb.CrdtDelta {
	return lwwregisterDelta(&crdtpb.LWWRegisterDelta{Value: str(value), Clock: clock, CustomClockValue: custom})
}

// take returns what a reply to the proxy would have, and nil if there is nothing to send.
func take(d Data) *crdtpb.CrdtDelta {
	delta := pendingDelta(d)
	d.reset()
	return delta
}

// requireDelta compares whole deltas.
func requireDelta(tb testing.TB, want, got *crdtpb.CrdtDelta, place ...any) {
	tb.Helper()
	require.Equal(tb, prototext.Format(want), prototext.Format(got), place...)
}

// requireTaken checks what the next reply to the proxy has, and that the one after it has
// nothing.
func requireTaken(tb testing.TB, want *crdtpb.CrdtDelta, d Data) {
	tb.Helper()
	requireDelta(tb, want, take(d))
	require.Nil(tb, take(d), "the second time")
}
