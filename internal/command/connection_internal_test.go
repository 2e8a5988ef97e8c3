package command

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/protocol/annotations"
)

// field describes a field of a request; key is the option that makes it a key, or nil.
func field(name string, number int32, typ descriptorpb.FieldDescriptorProto_Type, key protoreflect.ExtensionType) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{
		Name: new(name), Number: new(number), Type: typ.Enum(),
		Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	if key != nil {
		f.Options = &descriptorpb.FieldOptions{}
		proto.SetExtension(f.GetOptions(), key, true)
	}
	return f
}

// keyedService returns a service test.Keyed with a unary method Call and a streamed method
// Watch, whose requests have these fields.
func keyedService(tb testing.TB, fields ...*descriptorpb.FieldDescriptorProto) protoreflect.ServiceDescriptor {
	tb.Helper()
	method := func(name string, streamed bool) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{
			Name: new(name), InputType: new(".test.Request"), OutputType: new(".test.Request"), ServerStreaming: new(streamed),
		}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("test.proto"), Package: new("test"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("Request"), Field: fields}},
		Service: []*descriptorpb.ServiceDescriptorProto{{
			Name: new("Keyed"), Method: []*descriptorpb.MethodDescriptorProto{method("Call", false), method("Watch", true)},
		}},
	}, nil)
	require.NoError(tb, err)
	return file.Services().Get(0)
}

// request returns a request with these values of its fields, in their order.
func request(service protoreflect.ServiceDescriptor, values ...any) proto.Message {
	m := dynamicpb.NewMessage(service.Methods().Get(0).Input())
	for i, v := range values {
		m.Set(m.Descriptor().Fields().Get(i), protoreflect.ValueOf(v))
	}
	return m
}

// proxyConn is a connection to a proxy that takes every call.
type proxyConn struct {
	called int
	fail   error
	stream *proxyStream
}

func (p *proxyConn) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	p.called++
	return nil
}

func (p *proxyConn) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	p.called++
	if p.fail != nil {
		return nil, p.fail
	}
	p.stream = &proxyStream{ctx: ctx}
	return p.stream, nil
}

// proxyStream has one reply.
type proxyStream struct {
	grpc.ClientStream

	ctx      context.Context //nolint:containedctx // a stream has one
	sent     int
	received int
}

func (s *proxyStream) SendMsg(any) error { s.sent++; return nil }

func (s *proxyStream) RecvMsg(any) error {
	if s.received++; s.received > 1 {
		return io.EOF
	}
	return nil
}

// caller returns the context of a command of an entity of a service.
func caller(service protoreflect.ServiceDescriptor, entityID string, proxy grpc.ClientConnInterface) *Context {
	c := &Context{Context: context.Background(), EntityID: entityID, Service: string(service.FullName()), Proxy: proxy}
	c.Effects.Targets = Targets{}
	c.Effects.Targets.Add(service, entityID != "")
	return c
}

// An entity that calls itself is refused, whatever its keys are like (section 7.4).
func TestCall_RecognisesTheEntityItself(t *testing.T) {
	t.Parallel()
	const (
		text    = descriptorpb.FieldDescriptorProto_TYPE_STRING
		integer = descriptorpb.FieldDescriptorProto_TYPE_INT64
		bit     = descriptorpb.FieldDescriptorProto_TYPE_BOOL
		double  = descriptorpb.FieldDescriptorProto_TYPE_DOUBLE
	)
	key, legacy := annotations.E_EntityKey, annotations.E_LegacyEntityKey
	one := keyedService(t, field("id", 1, text, key))
	several := keyedService(t, field("b", 2, text, key), field("a", 1, text, key), field("other", 3, text, nil))
	numbers := keyedService(t, field("n", 1, integer, key), field("b", 2, bit, key))
	former := keyedService(t, field("id", 1, text, legacy))
	floating := keyedService(t, field("id", 1, double, key))
	tests := map[string]struct {
		from    *Context
		request any
		refused bool
	}{
		"itself":                        {caller(one, "u1", nil), request(one, "u1"), true},
		"another one":                   {caller(one, "u1", nil), request(one, "u2"), false},
		"several keys, in their order":  {caller(several, "x-y", nil), request(several, "x", "y", "z"), true},
		"several keys of another":       {caller(several, "x-y", nil), request(several, "y", "x"), false},
		"a key of the former option":    {caller(former, "u1", nil), request(former, "u1"), true},
		"integers and bool":             {caller(numbers, "-7-true", nil), request(numbers, int64(-7), true), true},
		"an integer that is not set":    {caller(numbers, "0-false", nil), request(numbers), true},
		"a key that is not compared":    {caller(floating, "1.0", nil), request(floating, 1.0), false},
		"an action":                     {caller(one, "", nil), request(one, "u1"), false},
		"a request of another method":   {caller(one, "u1", nil), &emptypb.Empty{}, false},
		"a request that is no message":  {caller(one, "u1", nil), "u1", false},
		"an entity of the same file":    {caller(keyedService(t, field("id", 1, text, key)), "u1", nil), request(one, "u1"), false},
		"a nil request of another type": {caller(one, "u1", nil), (*emptypb.Empty)(nil), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := &proxyConn{}
			tt.from.Proxy = proxy
			err := tt.from.CallConn().Invoke(t.Context(), "/test.Keyed/Call", tt.request, nil)
			if !tt.refused {
				require.NoError(t, err)
				require.Equal(t, 1, proxy.called)
				return
			}
			require.Equal(t, codes.FailedPrecondition, status.Code(err))
			require.Zero(t, proxy.called)
		})
	}
}

// A streamed call to itself is refused when its request says so, and ends then.
func TestCall_EndsAStreamThatItRefuses(t *testing.T) {
	t.Parallel()
	service := keyedService(t, field("id", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING, annotations.E_EntityKey))
	open := func(entityID string) (*proxyConn, grpc.ClientStream) {
		proxy := &proxyConn{}
		stream, err := caller(service, entityID, proxy).CallConn().NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/test.Keyed/Watch")
		require.NoError(t, err)
		return proxy, stream
	}
	proxy, stream := open("u1")
	require.Equal(t, codes.FailedPrecondition, status.Code(stream.SendMsg(request(service, "u1"))))
	require.Zero(t, proxy.stream.sent)
	require.ErrorIs(t, proxy.stream.ctx.Err(), context.Canceled)

	proxy, stream = open("u1")
	require.NoError(t, stream.SendMsg(request(service, "u2")))
	require.NoError(t, stream.RecvMsg(nil))
	require.NoError(t, proxy.stream.ctx.Err())
	require.ErrorIs(t, stream.RecvMsg(nil), io.EOF)
	require.ErrorIs(t, proxy.stream.ctx.Err(), context.Canceled, "what it took is given back")

	proxy, stream = open("") // an action's is the proxy's own
	require.Same(t, proxy.stream, stream)

	proxy = &proxyConn{fail: errors.New("no proxy")}
	_, err := caller(service, "u1", proxy).CallConn().NewStream(t.Context(), &grpc.StreamDesc{}, "/test.Keyed/Watch")
	require.EqualError(t, err, "no proxy")
}

// A streaming client that forwards sends one request and receives nothing.
func TestForwardConn_CarriesOneRequest(t *testing.T) {
	t.Parallel()
	service := keyedService(t, field("id", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING, annotations.E_EntityKey))
	c := caller(service, "u1", nil)
	stream, err := c.ForwardConn().NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/test.Keyed/Watch")
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg(request(service, "u2")))
	require.Equal(t, codes.FailedPrecondition, status.Code(stream.SendMsg(request(service, "u3"))))
	require.NoError(t, stream.CloseSend())
	require.ErrorIs(t, stream.RecvMsg(nil), io.EOF)
	header, err := stream.Header()
	require.NoError(t, err)
	require.Empty(t, header)
	require.Empty(t, stream.Trailer())
	require.Equal(t, t.Context(), stream.Context())
	forward, err := c.Effects.TakeForward(nil)
	require.NoError(t, err)
	require.Equal(t, "Watch", forward.GetCommandName())
	require.Equal(t, "type.googleapis.com/test.Request", forward.GetPayload().GetTypeUrl())
}
