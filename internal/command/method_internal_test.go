package command

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// anyMethod is a method that takes google.protobuf.Any and returns google.protobuf.Empty.
func anyMethod() *Method {
	return &Method{
		FullName: "/x.Y/Z", ReplyURL: "type.googleapis.com/google.protobuf.Empty",
		input: (&anypb.Any{}).ProtoReflect().Descriptor(), inputURL: "type.googleapis.com/google.protobuf.Any",
		output: (&emptypb.Empty{}).ProtoReflect().Descriptor(), returnsEmpty: true,
	}
}

// an Any in an Any is unwrapped, a bare one is passed on, and shares nothing.
func TestDecodePayload_UnwrapsAny(t *testing.T) {
	t.Parallel()
	inner := &anypb.Any{TypeUrl: "json.cloudstate.io/thing", Value: []byte("\x0a\x02{}")}
	value, err := proto.Marshal(inner)
	require.NoError(t, err)
	m := anyMethod()
	for name, payload := range map[string]*anypb.Any{
		"in an Any":                {TypeUrl: "type.googleapis.com/google.protobuf.Any", Value: bytes.Clone(value)},
		"in an Any of other hosts": {TypeUrl: "elsewhere/google.protobuf.Any", Value: bytes.Clone(value)},
		"bare":                     {TypeUrl: inner.GetTypeUrl(), Value: bytes.Clone(inner.GetValue())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, m.CheckPayload(payload))
			var got anypb.Any
			require.NoError(t, m.DecodePayload(payload, &got))
			clear(payload.GetValue())
			require.True(t, proto.Equal(inner, &got), "%v", &got)
		})
	}
	require.ErrorContains(t, m.DecodePayload(inner, "text"), "/x.Y/Z: decode into a string, which is not a protobuf message")
}

// Section 4.1: only the name of the type counts.
func TestCheckPayload_ComparesNames(t *testing.T) {
	t.Parallel()
	m := anyMethod()
	m.input, m.inputURL = (&emptypb.Empty{}).ProtoReflect().Descriptor(), "type.googleapis.com/google.protobuf.Empty"
	for url, ok := range map[string]bool{
		"type.googleapis.com/google.protobuf.Empty": true,
		"other.host/google.protobuf.Empty":          true,
		"google.protobuf.Empty":                     true,
		"a/b/google.protobuf.Empty":                 false,
		"type.googleapis.com/google.protobuf.Any":   false,
		"": false,
	} {
		err := m.CheckPayload(&anypb.Any{TypeUrl: url})
		require.Equal(t, ok, err == nil, "%s: %v", url, err)
	}
}

func TestHeader_RefusesWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	var h Header
	h.Reset("/x.Y/Z")
	for _, md := range []metadata.MD{{"k": {"\xff"}}, {"\xff": {"v"}}} {
		err := h.SetHeader(md)
		require.Equal(t, codes.Internal, status.Code(err))
		require.ErrorContains(t, err, "/x.Y/Z: the metadata ")
	}
	require.NoError(t, h.SendHeader(metadata.Pairs("k-bin", "\xff")))
	require.Equal(t, []byte{0xff}, h.Metadata().GetEntries()[0].GetBytesValue())
	require.Len(t, h.Metadata().GetEntries(), 1)
	require.ErrorContains(t, h.SetTrailer(nil), "/x.Y/Z: a reply has no trailers")
	h.Reset("/x.Y/Other")
	require.Nil(t, h.Metadata())
	require.Equal(t, "/x.Y/Other", h.Method())
}

// Text and bytes of one key stay apart, and neither is lost.
func TestWithMetadata_IsThatOfGRPC(t *testing.T) {
	t.Parallel()
	require.Equal(t, t.Context(), WithMetadata(t.Context(), &protocol.Metadata{}))
	md, _ := metadata.FromIncomingContext(WithMetadata(t.Context(), &protocol.Metadata{Entries: []*protocol.MetadataEntry{
		{Key: "K", Value: &protocol.MetadataEntry_StringValue{StringValue: "a"}},
		{Key: "k-BIN", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte("b")}},
		{Key: "k", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte("c")}},
		{Key: "nothing"},
	}}))
	require.Equal(t, metadata.MD{"k": {"a"}, "k-bin": {"b", "c"}}, md)
}

// What a command asks for belongs to it alone.
func TestEffects_EndWithTheHandler(t *testing.T) {
	t.Parallel()
	service := keyedService(t)
	e := Effects{Targets: Targets{}}
	e.Targets.Add(service, false)
	ask := func() error { return e.SideEffect(t.Context(), "/test.Keyed/Call", request(service), true) }
	require.NoError(t, ask())
	require.NoError(t, e.End())
	require.ErrorContains(t, ask(), "side effect to /test.Keyed/Call: the command has ended; ask for it before the handler returns")
	require.ErrorContains(t, e.Forward(t.Context(), "/test.Keyed/Call", request(service), nil), "the command has ended")
	require.Len(t, e.TakeSideEffects(), 1)
	require.Empty(t, e.TakeSideEffects())
	forward, err := e.TakeForward(nil)
	require.NoError(t, err)
	require.Nil(t, forward)
}

func TestChain_RunsTheFirstOutermost(t *testing.T) {
	t.Parallel()
	require.Nil(t, Chain(nil))
	require.Nil(t, ChainStream(nil))
	var order []string
	unary := func(name string) grpc.UnaryServerInterceptor {
		return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			order = append(order, name)
			return handler(ctx, req)
		}
	}
	stream := func(name string) grpc.StreamServerInterceptor {
		return func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			order = append(order, name)
			return handler(srv, stream)
		}
	}
	done := errors.New("done")
	_, err := Chain([]grpc.UnaryServerInterceptor{unary("a"), unary("b"), unary("c")})(t.Context(), nil, nil,
		func(context.Context, any) (any, error) { return nil, done })
	require.ErrorIs(t, err, done)
	err = ChainStream([]grpc.StreamServerInterceptor{stream("d"), stream("e"), stream("f")})(nil, nil, nil,
		func(any, grpc.ServerStream) error { return done })
	require.ErrorIs(t, err, done)
	require.Equal(t, []string{"a", "b", "c", "d", "e", "f"}, order)
}
