package eventsourced

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// FuzzIncoming checks that decoding into memory that was used before gives what protobuf
// gives, for everything that a proxy may send.
func FuzzIncoming(f *testing.F) {
	metadata := &protocol.Metadata{Entries: []*protocol.MetadataEntry{{Key: "k", Value: &protocol.MetadataEntry_StringValue{StringValue: "v"}}}}
	payload := &anypb.Any{TypeUrl: "type.googleapis.com/x.Y", Value: []byte{1, 2, 3}}
	for _, m := range []*eventsourcedpb.EventSourcedStreamIn{
		{},
		initMessage("u1", nil),
		eventMessage(1, payload),
		eventMessage(-1, nil),
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
	f.Add([]byte{0x1a, 4, 0x22, 0, 0x22, 0})       // a payload twice
	f.Add([]byte{0x1a, 3, 0x0a, 1, 0xff})          // an entity id that is not UTF-8
	f.Add([]byte{0x12, 3, 0x08, 0x80, 0x80})       // a varint without end
	f.Add([]byte{0x1a, 5, 0x22, 3, 0x0a, 1, 0xff}) // a type URL that is not UTF-8

	before, err := proto.Marshal(commandMessage(&protocol.Command{EntityId: "u9", Id: 9, Name: "Before", Payload: payload, Streamed: true, Metadata: metadata}))
	require.NoError(f, err)
	first, err := proto.Marshal(initMessage("u1", nil))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		in := wire.Incoming[*received]{Pool: &receivedMessages}
		require.NoError(t, in.UnmarshalWire(first))
		in.Free()
		require.NoError(t, in.UnmarshalWire(before))
		in.Free()
		var want eventsourcedpb.EventSourcedStreamIn
		wantErr := proto.Unmarshal(data, &want)
		err := in.UnmarshalWire(data)
		require.Equal(t, wantErr == nil, err == nil, "%v, want %v", err, wantErr)
		if err == nil {
			require.True(t, proto.Equal(&want, &in.Buffer.message), "%v, want %v", &in.Buffer.message, &want)
			in.Free()
		}
	})
}

// Not parallel: testing.AllocsPerRun counts the allocations of all goroutines.
func TestIncoming_DoesNotAllocate(t *testing.T) { //nolint:paralleltest // see above
	event, err := proto.Marshal(eventMessage(1, pack(t, added("a"))))
	require.NoError(t, err)
	command, err := proto.Marshal(commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: pack(t, added("a"))}))
	require.NoError(t, err)
	r := receivedMessages.Get().(*received) //nolint:errcheck // the pool has nothing else
	allocs := testing.AllocsPerRun(100, func() {
		r.Decode(event[0], event[2:], "u1")
		r.Decode(command[0], command[2:], "u1")
	})
	require.Zero(t, allocs)
}

// A value that is unusually large does not stay in memory with the stream that it came by.
func TestIncoming_GivesUpLargeMemory(t *testing.T) {
	t.Parallel()
	data, err := proto.Marshal(eventMessage(1, pack(t, added(strings.Repeat("x", 1<<20)))))
	require.NoError(t, err)
	in := wire.Incoming[*received]{Pool: &receivedMessages}
	require.NoError(t, in.UnmarshalWire(data))
	kept := in.Buffer
	require.Greater(t, cap(kept.eventPayload.Message.GetValue()), 1<<20)
	in.Free()
	require.Nil(t, kept.eventPayload.Message.GetValue())
}
