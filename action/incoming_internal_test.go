package action

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

func encode(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	data, err := proto.Marshal(m)
	require.NoError(tb, err)
	return data
}

// FuzzIncoming checks that decoding into memory that was used before gives what protobuf
// gives, for everything that a proxy may send, one message after the other.
func FuzzIncoming(f *testing.F) {
	metadata := &protocol.Metadata{Entries: []*protocol.MetadataEntry{{Key: "k", Value: &protocol.MetadataEntry_StringValue{StringValue: "v"}}}}
	payload := &anypb.Any{TypeUrl: "type.googleapis.com/x.Y", Value: []byte{1, 2, 3}}
	before := encode(f, &actionpb.ActionCommand{ServiceName: "s", Name: "n", Payload: payload, Metadata: metadata})
	for _, m := range []*actionpb.ActionCommand{
		{}, {ServiceName: "s", Name: "n"}, {Payload: payload, Metadata: &protocol.Metadata{}}, {Payload: &anypb.Any{}}, {Metadata: metadata},
	} {
		data := encode(f, m)
		f.Add(data, before)
		f.Add(append(data, 0x7a, 0), data) // an unknown field
		f.Add(append(data, data...), data) // messages that must be merged
	}
	f.Add([]byte{0x12, 1, 0xff}, before)          // a name that is not UTF-8
	f.Add([]byte{0x22, 3, 0x0a, 1, 0xff}, before) // a type URL that is not UTF-8
	f.Fuzz(func(t *testing.T, one, two []byte) {
		r := acquireReceived()
		defer r.free()
		require.NoError(t, r.UnmarshalWire(before))
		for _, data := range [][]byte{one, two, one} {
			var want actionpb.ActionCommand
			wantErr := proto.Unmarshal(data, &want)
			err := r.UnmarshalWire(data)
			require.Equal(t, wantErr == nil, err == nil, "%v, want %v", err, wantErr)
			if err == nil {
				require.True(t, proto.Equal(&want, &r.message), "%v, want %v", &r.message, &want)
			}
		}
	})
}

// Not parallel: testing.AllocsPerRun counts the allocations of all goroutines.
func TestIncoming_DoesNotAllocate(t *testing.T) { //nolint:paralleltest // see above
	data := encode(t, &actionpb.ActionCommand{ServiceName: "s", Name: "n", Payload: &anypb.Any{TypeUrl: "u", Value: []byte("v")}})
	r := acquireReceived()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := r.UnmarshalWire(data); err != nil {
			t.Error(err)
		}
	}))
}

// What is unusually large does not stay in memory with the pool, in either direction.
//
// Not parallel: what was given back to the pool may be used by others.
func TestMemory_GivesUpWhatIsLarge(t *testing.T) { //nolint:paralleltest // see above
	large := []byte(strings.Repeat("x", 1<<20))
	r := acquireReceived()
	require.NoError(t, r.UnmarshalWire(encode(t, &actionpb.ActionCommand{Payload: &anypb.Any{Value: large}})))
	require.Len(t, r.message.GetPayload().GetValue(), 1<<20)
	r.free()
	require.Nil(t, r.payload.Message.GetValue())

	out := acquireResponse()
	out.setReply("u", append(out.value, large...))
	require.True(t, out.isReply())
	out.Free()
	require.Nil(t, out.payload.GetValue())
	require.Nil(t, out.value)
	require.Nil(t, out.message.GetResponse())
}
