package crdt

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// FuzzDecodeSetDelta checks that what is decoded here is what protobuf makes of it.
func FuzzDecodeSetDelta(f *testing.F) {
	element := func(value string) *anypb.Any {
		return &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte(value)}
	}
	for _, d := range []*crdtpb.ORSetDelta{
		{},
		{Cleared: true},
		{Added: []*anypb.Any{element("a"), element(""), {}}},
		{Cleared: true, Removed: []*anypb.Any{element("a")}, Added: []*anypb.Any{element("b"), {TypeUrl: "x/y"}}},
	} {
		data, err := proto.Marshal(orsetDelta(d))
		require.NoError(f, err)
		f.Add(data)
		f.Add(append(data, data...))
		f.Add(append(data, 0x7a, 0))
	}
	f.Add([]byte{0x22, 3, 0x1a, 1, 0xff})
	f.Add([]byte{0x22, 5, 0x1a, 3, 0x0a, 1, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		got := decodeSetDelta(data)
		if got == nil {
			return // protobuf decodes it
		}
		var want crdtpb.CrdtDelta
		require.NoError(t, proto.Unmarshal(data, &want))
		require.True(t, proto.Equal(&want, got), "%v, want %v", got, &want)
	})
}

// The common form is decoded here, and not by protobuf.
func TestDecodeSetDelta_DecodesWhatProxiesSend(t *testing.T) {
	t.Parallel()
	data, err := proto.Marshal(orsetDelta(&crdtpb.ORSetDelta{
		Removed: []*anypb.Any{{TypeUrl: "p.cloudstate.io/string"}},
		Added:   []*anypb.Any{{TypeUrl: "p.cloudstate.io/string", Value: []byte{0x0a, 1, 'a'}}},
	}))
	require.NoError(t, err)
	require.NotNil(t, decodeSetDelta(data))
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
