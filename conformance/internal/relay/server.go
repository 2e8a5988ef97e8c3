package relay

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// The services that a user function has.
	_ "github.com/cloudstate-go/cloudstate/protocol"
	_ "github.com/cloudstate-go/cloudstate/protocol/actionpb"
	_ "github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	_ "github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	_ "github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// maxMessageSize is the largest message that is accepted, in bytes: more than a proxy may
// send (protocol section 2.8).
const maxMessageSize = 64 << 20

// A Server is a user function to a proxy. Its fields must not change once it serves.
type Server struct {
	// Handle carries out a call of the proxy, and returns how it ends. It is called
	// concurrently. Required.
	Handle func(*Call) error

	readers sync.WaitGroup // goroutines that read from the proxy
}

// Serve serves the proxy on lis, which it closes, until the context ends; then it breaks
// the calls that still run, waits until their handlers have returned, and returns nil. It
// returns an error if lis fails.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	server := grpc.NewServer(
		grpc.UnknownServiceHandler(s.handle),
		grpc.MaxRecvMsgSize(maxMessageSize),
		grpc.WaitForHandlers(true),
	)
	stopping := context.AfterFunc(ctx, server.Stop)
	err := server.Serve(lis)
	stopping()
	server.Stop() // waits for handlers
	s.readers.Wait()
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("relay: serve the proxy: %w", err)
	}
	return nil
}

func (s *Server) handle(_ any, stream grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(stream)
	method := find(path)
	if method == nil {
		return status.Errorf(codes.Unimplemented, "%s is no method of the Cloudstate protocol", path)
	}
	in, errIn := messageType(method.Input())
	out, errOut := messageType(method.Output())
	if errIn != nil || errOut != nil {
		return status.Errorf(codes.Internal, "%s: the generated code of its messages is not linked", path)
	}
	return s.Handle(&Call{Method: method, path: path, server: s, stream: stream, in: in, out: out})
}

// find returns the method with a path such as "/cloudstate.crdt.Crdt/handle", or nil.
func find(path string) protoreflect.MethodDescriptor {
	service, method, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	descriptor, ok := found.(protoreflect.ServiceDescriptor)
	if err != nil || !ok || !strings.HasPrefix(service, "cloudstate.") {
		return nil
	}
	return descriptor.Methods().ByName(protoreflect.Name(method))
}

func messageType(message protoreflect.MessageDescriptor) (protoreflect.MessageType, error) {
	return protoregistry.GlobalTypes.FindMessageByName(message.FullName())
}

// New returns an empty message of the given type.
func newMessage(of protoreflect.MessageType) proto.Message { return of.New().Interface() }
