package frontend_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

const shoppingCart = "com.example.shoppingcart.ShoppingCart"

// shop is a user function with two services: the shopping cart of the examples, and
// test.Streams, a service with methods of each kind.
func shop(tb testing.TB) *spec.Spec {
	tb.Helper()
	return discovered(tb, append(filesOf(shoppingcartpb.File_shoppingcart_shoppingcart_proto), streamsFile()),
		streamsEntity(), cartEntity(),
	)
}

func streamsEntity() *protocol.Entity {
	return &protocol.Entity{EntityType: spec.Action, ServiceName: "test.Streams"}
}

func cartEntity() *protocol.Entity {
	return &protocol.Entity{EntityType: spec.EventSourced, ServiceName: shoppingCart, PersistenceId: "cart"}
}

func discovered(tb testing.TB, files []*descriptorpb.FileDescriptorProto, entities ...*protocol.Entity) *spec.Spec {
	tb.Helper()
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: files})
	require.NoError(tb, err)
	s, err := spec.New(&protocol.EntitySpec{
		Proto:       set,
		Entities:    entities,
		ServiceInfo: &protocol.ServiceInfo{ProtocolMinorVersion: 2},
	}, spec.Options{})
	require.NoError(tb, err)
	return s
}

// filesOf returns a file and everything that it imports, some of it twice.
func filesOf(file protoreflect.FileDescriptor) []*descriptorpb.FileDescriptorProto {
	var files []*descriptorpb.FileDescriptorProto
	for i := range file.Imports().Len() {
		files = append(files, filesOf(file.Imports().Get(i).FileDescriptor)...)
	}
	return append(files, protodesc.ToFileDescriptorProto(file))
}

// streamsFile has the service test.Streams, and an extension of a message.
func streamsFile() *descriptorpb.FileDescriptorProto {
	method := func(name string, in, out bool) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{
			Name: &name, InputType: new(".test.Text"), OutputType: new(".test.Text"), ClientStreaming: &in, ServerStreaming: &out,
		}
	}
	return &descriptorpb.FileDescriptorProto{
		Name:    new("streams.proto"),
		Package: new("test"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: new("Text"),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: new("text"), Number: new(int32(1)),
				Type:  descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}},
			ExtensionRange: []*descriptorpb.DescriptorProto_ExtensionRange{{Start: new(int32(100)), End: new(int32(200))}},
			Extension:      []*descriptorpb.FieldDescriptorProto{extension("nested", 150)},
		}},
		Extension: []*descriptorpb.FieldDescriptorProto{extension("language", 101), extension("author", 100)},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("Streams"), Method: []*descriptorpb.MethodDescriptorProto{
			method("Unary", false, false), method("In", true, false), method("Out", false, true), method("Both", true, true),
		}}},
	}
}

func extension(name string, number int32) *descriptorpb.FieldDescriptorProto {
	return &descriptorpb.FieldDescriptorProto{
		Name: &name, Number: &number, Extendee: new(".test.Text"),
		Type:  descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
}

// A network is a server that listens in memory.
type network struct {
	*frontend.Server

	listener *bufconn.Listener
}

// start starts a server. It is shut down at the end of the test, without grace.
func start(tb testing.TB, cfg frontend.Config) *network {
	tb.Helper()
	n := &network{Server: frontend.New(cfg), listener: bufconn.Listen(1 << 20)}
	served := make(chan error, 1)
	var serving sync.WaitGroup
	serving.Go(func() { served <- n.Serve(n.listener) })
	tb.Cleanup(func() {
		expired, cancel := context.WithCancel(context.Background())
		cancel()
		n.Shutdown(expired)
		serving.Wait()
		require.NoError(tb, <-served)
	})
	return n
}

// startShop starts a server that has published the shop.
func startShop(tb testing.TB, handler frontend.Handler) *network {
	tb.Helper()
	n := start(tb, frontend.Config{Handler: handler})
	n.Publish(shop(tb))
	return n
}

// dial connects a client.
func (n *network) dial(tb testing.TB) *grpc.ClientConn {
	tb.Helper()
	conn, err := grpc.NewClient("passthrough:///proxy",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return n.listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, conn.Close()) })
	return conn
}

// unused is the handler of tests that do not get that far.
func unused(frontend.Call) error {
	return status.Error(codes.DataLoss, "the handler was called")
}

// echo replies to each request with itself.
func echo(call frontend.Call) error {
	for {
		request, err := call.Recv()
		if err != nil {
			return ignoreEOF(err)
		}
		if err := call.Send(request); err != nil {
			return err
		}
	}
}

// replies is a handler that takes all requests and sends these replies.
func replies(payloads ...string) frontend.Handler {
	return func(call frontend.Call) error {
		for {
			if _, err := call.Recv(); err != nil {
				if ignoreEOF(err) != nil {
					return err
				}
				break
			}
		}
		for _, payload := range payloads {
			if err := call.Send([]byte(payload)); err != nil {
				return err
			}
		}
		return nil
	}
}

// requireStatus checks the status of an error.
func requireStatus(tb testing.TB, err error, code codes.Code, message string) {
	tb.Helper()
	require.Equal(tb, code.String(), status.Code(err).String(), "%v", err)
	require.Equal(tb, message, status.Convert(err).Message())
}

// textEntry is an entry of metadata.
func textEntry(key, value string) *protocol.MetadataEntry {
	return &protocol.MetadataEntry{Key: key, Value: &protocol.MetadataEntry_StringValue{StringValue: value}}
}

// metadataOf returns metadata of keys and values.
func metadataOf(pairs ...string) *protocol.Metadata {
	m := &protocol.Metadata{}
	for i := 0; i < len(pairs); i += 2 {
		m.Entries = append(m.Entries, textEntry(pairs[i], pairs[i+1]))
	}
	return m
}
