package crdt

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

func stringElement(value string) *anypb.Any {
	return &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte(value)}
}

// FuzzSetDelta checks that what is read here is what protobuf makes of it, in the form of a
// message and element by element, and that memory is used again without a trace.
func FuzzSetDelta(f *testing.F) {
	for _, d := range []*crdtpb.ORSetDelta{
		{},
		{Cleared: true},
		{Added: []*anypb.Any{stringElement("a"), stringElement(""), {}}},
		{Cleared: true, Removed: []*anypb.Any{stringElement("a")}, Added: []*anypb.Any{stringElement("b"), {TypeUrl: "x/y"}}},
	} {
		data, err := proto.Marshal(orsetDelta(d))
		require.NoError(f, err)
		f.Add(data)
		f.Add(append(data, data...))
		f.Add(append(data, 0x7a, 0))
	}
	f.Add([]byte{0x22, 3, 0x1a, 1, 0xff})
	f.Add([]byte{0x22, 5, 0x1a, 3, 0x0a, 1, 0xff})
	f.Add([]byte{0x22, 8, 0x1a, 6, 0x0a, 1, 0xff, 0x0a, 1, 'a'}) // two type URLs
	before, err := proto.Marshal(orset{added: []string{"before"}, removed: []string{"that"}, cleared: true}.delta())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		var d setDelta
		require.True(t, d.read(before))
		d.complete()
		d.forget()
		if !d.read(data) {
			return // protobuf decodes it
		}
		var want crdtpb.CrdtDelta
		require.NoError(t, proto.Unmarshal(data, &want))
		requireElements(t, want.GetOrset().GetAdded(), &d.added)
		requireElements(t, want.GetOrset().GetRemoved(), &d.removed)
		d.complete()
		require.True(t, proto.Equal(&want, &d.message), "%v, want %v", &d.message, &want)
	})
}

func requireElements(t *testing.T, want []*anypb.Any, got elementSource) {
	t.Helper()
	for _, w := range want {
		require.Positive(t, got.len())
		a := got.next()
		require.True(t, proto.Equal(w, a), "%v, want %v", a, w)
	}
	require.Zero(t, got.len())
	require.Nil(t, got.next())
}

// A set is the same, whether its deltas were decoded by protobuf or here, with elements of
// its own type and of others, and with what cannot be decoded.
func FuzzSetDelta_IsApplied(f *testing.F) {
	add := func(d orset, more ...*anypb.Any) {
		delta := d.delta()
		delta.GetOrset().Added = append(delta.GetOrset().GetAdded(), more...)
		data, err := proto.Marshal(delta)
		require.NoError(f, err)
		f.Add(data)
	}
	add(orset{})
	add(orset{removed: []string{"a", "x"}, added: []string{"b", "b", "y"}})
	add(orset{cleared: true, added: elements(100)})
	add(orset{added: []string{"x", strings.Repeat("long", 100), "y"}})
	add(orset{added: []string{"x"}}, stringElement(""), stringElement("\x0a\x01z\x0a\x01w"))
	add(orset{added: []string{"x"}}, stringElement("\x08\x01"))
	add(orset{added: []string{"x"}}, &anypb.Any{TypeUrl: "p.cloudstate.io/int64", Value: []byte{8, 1}})
	f.Fuzz(func(t *testing.T, data []byte) {
		var d setDelta
		if !d.read(data) {
			return
		}
		var delta crdtpb.CrdtDelta
		require.NoError(t, proto.Unmarshal(data, &delta))
		here, there := setOf(t, "a", "b", "c"), setOf(t, "a", "b", "c")
		wantErr := applyDelta(there, &delta)
		err := applyReceived(here, &d.message, &d)
		if wantErr != nil {
			require.EqualError(t, err, wantErr.Error())
		} else {
			require.NoError(t, err)
		}
		clear(d.body) // nothing of it is used any more
		requireDelta(t, there.state(), here.state())
	})
}

// What proxies send is read here, and not by protobuf, and looks the same to an interceptor.
// The memory of one message does not show through in the next.
func TestReceived_DecodesWhatProxiesSend(t *testing.T) {
	t.Parallel()
	set := orset{removed: []string{""}, added: []string{"a"}}.delta()
	delta := func(d *crdtpb.CrdtDelta) *crdtpb.CrdtStreamIn {
		return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: d}}
	}
	init := func(d *crdtpb.CrdtDelta) *crdtpb.CrdtStreamIn {
		return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Init{Init: &crdtpb.CrdtInit{ServiceName: "Service", EntityId: "e1", Delta: d}}}
	}
	command := &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Command{Command: &protocol.Command{Id: 1, EntityId: "e1"}}}
	tests := map[string]struct {
		message   *crdtpb.CrdtStreamIn
		undecoded bool
	}{
		"the delta of a set":              {delta(set), true},
		"the delta of something else":     {delta(gcounterDelta(1)), false},
		"an init message with a set":      {init(set), true},
		"one that names nothing":          {&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Init{Init: &crdtpb.CrdtInit{Delta: set}}}, true},
		"an init message without a value": {init(nil), false},
		"one with something else":         {init(gcounterDelta(1)), false},
		"a command":                       {command, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := wire.Incoming[*received]{Pool: &receivedMessages}
			for _, message := range []*crdtpb.CrdtStreamIn{init(set), delta(set), tt.message, init(set), tt.message} {
				data, err := proto.Marshal(message)
				require.NoError(t, err)
				require.NoError(t, in.UnmarshalWire(data))
				if message == tt.message {
					require.Equal(t, tt.undecoded, in.Buffer.undecoded() != nil)
				}
				require.True(t, proto.Equal(message, in.Received()), "want %v, got %v", message, in.Received())
				in.Free()
			}
		})
	}
}

// Deltas of sets are refused by other values, elements or not.
func TestApplyReceived_RefusesSets(t *testing.T) {
	t.Parallel()
	data, err := proto.Marshal(orset{added: []string{"a"}}.delta())
	require.NoError(t, err)
	var d setDelta
	require.True(t, d.read(data))
	require.ErrorContains(t, applyReceived(NewGCounter(), &d.message, &d), "received a delta of type ORSet, but it doesn't match the CRDT that this entity has: GCounter")
}

// A short string is decoded as part of its serialized form, to the same as by the codec.
func FuzzShortText(f *testing.F) {
	for _, seed := range []string{"", "\x0a", "\x0a\x00", "\x0a\x01a", "\x0a\x02a", "\x0a\x01\xff", "\x08\x01\x01", "\x0a\x01a\x0a\x01b"} {
		f.Add(seed)
	}
	codec := newElementCodec[string](nil)
	f.Fuzz(func(t *testing.T, serialized string) {
		got, ok := shortText(serialized)
		if !ok {
			return
		}
		want, err := codec.codec.Decode(&anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte(serialized)})
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}
