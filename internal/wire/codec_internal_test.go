package wire

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// selfDecoding records the bytes that it is to decode.
type selfDecoding struct {
	got string
	err error
}

func (s *selfDecoding) UnmarshalWire(data []byte) error {
	s.got = string(data)
	return s.err
}

// returned is a reply that records when it was freed.
type returned struct {
	message proto.Message
	freed   int
}

func (r *returned) Message() any { return r.message }

func (r *returned) Free() { r.freed++ }

// A message that decodes itself gets the bytes in one piece, however they came.
func TestCodec_LetsMessagesDecodeThemselves(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]mem.BufferSlice{
		"in one piece": {mem.SliceBuffer("abc")},
		"in pieces":    {mem.SliceBuffer("a"), mem.SliceBuffer("bc")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &selfDecoding{}
			require.NoError(t, Codec().Unmarshal(data, m))
			require.Equal(t, "abc", m.got)
		})
	}
	broken := &selfDecoding{err: errors.New("broken")}
	require.ErrorIs(t, Codec().Unmarshal(mem.BufferSlice{}, broken), broken.err)
	require.Empty(t, broken.got)
}

// A reply is encoded and then freed, once, also when it cannot be encoded.
func TestCodec_FreesRepliesWhenTheyAreEncoded(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]*anypb.Any{
		"a message":               {TypeUrl: "type.googleapis.com/x.Y", Value: []byte("value")},
		"one that is not encoded": {TypeUrl: "\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &returned{message: message}
			data, err := Codec().Marshal(r)
			require.Equal(t, 1, r.freed)
			if message.GetValue() == nil {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			message.Value[0] = 'X' // it is free to be used again
			var got anypb.Any
			require.NoError(t, proto.Unmarshal(data.Materialize(), &got))
			require.Equal(t, "value", string(got.GetValue()))
		})
	}
}

// All else is treated as gRPC treats it, by its codec or by the one that stands in for it.
func TestCodec_TreatsOtherMessagesAsGRPC(t *testing.T) {
	t.Parallel()
	require.Equal(t, "proto", Codec().Name())
	want := &anypb.Any{TypeUrl: "type.googleapis.com/x.Y", Value: []byte("value")}
	for name, codec := range map[string]encoding.CodecV2{"ours": Codec(), "plain": plain{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, "proto", codec.Name())
			data, err := codec.Marshal(want)
			require.NoError(t, err)
			var got anypb.Any
			require.NoError(t, codec.Unmarshal(data, &got))
			require.True(t, proto.Equal(want, &got))
			require.Error(t, codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer{0xff}}, &got))
			require.Error(t, codec.Unmarshal(data, "text"))
			_, err = codec.Marshal("text")
			require.Error(t, err)
			_, err = codec.Marshal(&anypb.Any{TypeUrl: "\xff"})
			require.Error(t, err)
		})
	}
}
