package wire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

func encode(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	data, err := proto.Marshal(m)
	require.NoError(tb, err)
	return data
}

// seeds adds messages to a corpus, with fields that repeat or are not known.
func seeds(f *testing.F, messages ...proto.Message) {
	f.Helper()
	for _, m := range messages {
		data := encode(f, m)
		f.Add(data)
		f.Add(append(data, data...))
		f.Add(append(data, 0x7a, 0))
		f.Add(append(data, 0x82, 0x00)) // a tag in more bytes than it needs
	}
}

// FuzzAny checks that what is decoded into memory that was used before is what protobuf
// decodes, or is left to it.
func FuzzAny(f *testing.F) {
	before := &anypb.Any{TypeUrl: "type.googleapis.com/x.Y", Value: []byte("before")}
	seeds(f, before, &anypb.Any{}, &anypb.Any{Value: []byte{1}}, &anypb.Any{TypeUrl: "type.googleapis.com/x.Y"})
	f.Add([]byte{0x0a, 1, 0xff}) // is not UTF-8
	f.Add([]byte{0x12, 9})       // has no end
	f.Fuzz(func(t *testing.T, data []byte) {
		var a Any
		require.True(t, a.Unmarshal(encode(t, before)))
		if !a.Unmarshal(data) {
			return
		}
		var want anypb.Any
		require.NoError(t, proto.Unmarshal(data, &want))
		require.True(t, proto.Equal(&want, &a.Message), "%v, want %v", &a.Message, &want)
		clear(data)
		require.True(t, proto.Equal(&want, &a.Message), "it keeps the memory of the message")
	})
}

// FuzzCommand does the same for commands.
func FuzzCommand(f *testing.F) {
	metadata := &protocol.Metadata{Entries: []*protocol.MetadataEntry{{Key: "k", Value: &protocol.MetadataEntry_StringValue{StringValue: "v"}}}}
	payload := &anypb.Any{TypeUrl: "type.googleapis.com/x.Y", Value: []byte{1, 2, 3}}
	before := &protocol.Command{EntityId: "u9", Id: 9, Name: "Before", Payload: payload, Streamed: true, Metadata: metadata}
	seeds(f, before, &protocol.Command{}, &protocol.Command{Id: -1, Payload: &anypb.Any{}}, &protocol.Command{EntityId: "u1", Name: "AddItem", Metadata: &protocol.Metadata{}})
	f.Add([]byte{0x28, 0x80, 0x01})       // a bool that is neither 0 nor 1
	f.Add([]byte{0x10, 0x80})             // a varint without end
	f.Add([]byte{0x22, 0, 0x22, 0})       // a payload twice
	f.Add([]byte{0x32, 2, 0x0a, 9})       // metadata that is broken
	f.Add([]byte{0x0a, 1, 0xff})          // an id that is not UTF-8
	f.Add([]byte{0x22, 3, 0x0a, 1, 0xff}) // a type URL that is not UTF-8
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Command
		require.True(t, c.Unmarshal(encode(t, before), "u1"))
		if !c.Unmarshal(data, "u1") {
			return
		}
		var want protocol.Command
		require.NoError(t, proto.Unmarshal(data, &want))
		require.True(t, proto.Equal(&want, &c.Message), "%v, want %v", &c.Message, &want)
		clear(data)
		require.True(t, proto.Equal(&want, &c.Message), "it keeps the memory of the message")
	})
}

// The usual messages are not left to protobuf, and cost no memory.
//
// Not parallel: testing.AllocsPerRun counts the allocations of all goroutines.
func TestCommand_IsDecodedWithoutAllocating(t *testing.T) { //nolint:paralleltest // see above
	data := encode(t, &protocol.Command{
		EntityId: "u1", Id: 1 << 40, Name: "AddItem", Streamed: true,
		Payload: &anypb.Any{TypeUrl: "type.googleapis.com/x.Y", Value: make([]byte, 100)},
	})
	var c Command
	require.True(t, c.Unmarshal(data, "u1"))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if !c.Unmarshal(data, "u1") {
			t.Error("it was left to protobuf")
		}
	}))
}

func TestTrim_GivesUpWhatIsLarge(t *testing.T) {
	t.Parallel()
	var c Command
	for size, kept := range map[int]bool{maxKept / 2: true, 2 * maxKept: false} {
		require.True(t, c.Unmarshal(encode(t, &protocol.Command{Payload: &anypb.Any{Value: make([]byte, size)}}), ""))
		c.Trim()
		require.Equal(t, kept, c.payload.Message.GetValue() != nil, "%d bytes", size)
		c = Command{}
	}
}

// A text that stays the same is not made again, and one that differs is not mistaken.
func TestText_IsMadeWhenItChanges(t *testing.T) {
	t.Parallel()
	var text Text
	for _, want := range []string{"", "a", "a", "b", strings.Repeat("c", 1000), ""} {
		got, ok := text.Set([]byte(want))
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	_, ok := text.Set([]byte{0xff})
	require.False(t, ok)
}
