package valueentity

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// FuzzIncoming checks that decoding into memory that was used before gives what protobuf
// gives, for everything that a proxy may send.
func FuzzIncoming(f *testing.F) {
	metadata := &protocol.Metadata{Entries: []*protocol.MetadataEntry{{Key: "k", Value: &protocol.MetadataEntry_StringValue{StringValue: "v"}}}}
	payload := &anypb.Any{TypeUrl: "type.googleapis.com/x.Y", Value: []byte{1, 2, 3}}
	for _, m := range []*valueentitypb.ValueEntityStreamIn{
		{},
		initMessage(nil),
		initMessage(payload),
		commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: payload}),
		commandMessage(&protocol.Command{EntityId: "u2", Id: -1, Name: "x", Payload: &anypb.Any{}, Streamed: true, Metadata: metadata}),
		commandMessage(&protocol.Command{}),
	} {
		data, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(data)
		f.Add(append(data, data...)) // the last of a oneof counts
		f.Add(append(data, 0x7a, 0)) // an unknown field
	}
	f.Add([]byte{0x12, 4, 0x22, 0, 0x22, 0}) // a payload twice
	f.Add([]byte{0x12, 3, 0x0a, 1, 0xff})    // an entity id that is not UTF-8

	before, err := proto.Marshal(commandMessage(&protocol.Command{EntityId: "u9", Id: 9, Name: "Before", Payload: payload, Streamed: true, Metadata: metadata}))
	require.NoError(f, err)
	first, err := proto.Marshal(initMessage(nil))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		in := wire.Incoming[*received]{Pool: &receivedMessages}
		for _, earlier := range [][]byte{first, before} {
			require.NoError(t, in.UnmarshalWire(earlier))
			in.Free()
		}
		var want valueentitypb.ValueEntityStreamIn
		wantErr := proto.Unmarshal(data, &want)
		err := in.UnmarshalWire(data)
		require.Equal(t, wantErr == nil, err == nil, "%v, want %v", err, wantErr)
		if err == nil {
			require.True(t, proto.Equal(&want, &in.Buffer.message), "%v, want %v", &in.Buffer.message, &want)
			require.Equal(t, want.GetCommand() != nil, in.IsCommand())
			in.Free()
		}
	})
}

// Not parallel: testing.AllocsPerRun counts the allocations of all goroutines.
func TestIncoming_DoesNotAllocate(t *testing.T) { //nolint:paralleltest // see above
	data, err := proto.Marshal(commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: pack(t, cartOf("a"))}))
	require.NoError(t, err)
	r := receivedMessages.Get().(*received) //nolint:errcheck // the pool has nothing else
	require.Zero(t, testing.AllocsPerRun(100, func() { r.Decode(data[0], data[2:], "u1") }))
}

// A value that is unusually large does not stay in memory with the stream that it came by.
//
// Not parallel: what was given back to the pool may be used by others.
func TestIncoming_GivesUpLargeMemory(t *testing.T) { //nolint:paralleltest // see above
	data, err := proto.Marshal(commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Payload: pack(t, cartOf(strings.Repeat("x", 1<<20)))}))
	require.NoError(t, err)
	in := wire.Incoming[*received]{Pool: &receivedMessages}
	require.NoError(t, in.UnmarshalWire(data))
	kept := in.Buffer
	require.Greater(t, len(kept.command.Message.GetPayload().GetValue()), 1<<20)
	in.Free()
	require.Nil(t, kept.command.Message.GetPayload().GetValue())
}
