package proxy_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy"
)

// carts is a user function without a library: it speaks the protocol itself. Each cart
// of it has one item.
type carts struct {
	protocol.UnimplementedEntityDiscoveryServer
	eventsourcedpb.UnimplementedEventSourcedServer
}

// Serve makes it something that a proxy can embed.
func (c carts) Serve(ctx context.Context, lis net.Listener) error {
	server := grpc.NewServer()
	protocol.RegisterEntityDiscoveryServer(server, c)
	eventsourcedpb.RegisterEventSourcedServer(server, c)
	defer context.AfterFunc(ctx, server.GracefulStop)()
	return server.Serve(lis)
}

func (c carts) Discover(context.Context, *protocol.ProxyInfo) (*protocol.EntitySpec, error) {
	set := &descriptorpb.FileDescriptorSet{}
	addFile(set, map[string]bool{}, shoppingcartpb.File_shoppingcart_shoppingcart_proto)
	files, err := proto.Marshal(set)
	if err != nil {
		return nil, err
	}
	return &protocol.EntitySpec{
		Proto: files,
		Entities: []*protocol.Entity{{
			EntityType:    "cloudstate.eventsourced.EventSourced",
			ServiceName:   "com.example.shoppingcart.ShoppingCart",
			PersistenceId: "shopping-cart",
		}},
		ServiceInfo: &protocol.ServiceInfo{ProtocolMajorVersion: protocol.MajorVersion, ProtocolMinorVersion: protocol.MinorVersion},
	}, nil
}

// addFile adds a file and its imports.
func addFile(set *descriptorpb.FileDescriptorSet, added map[string]bool, file protoreflect.FileDescriptor) {
	if added[file.Path()] {
		return
	}
	added[file.Path()] = true
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	for i := range file.Imports().Len() {
		addFile(set, added, file.Imports().Get(i).FileDescriptor)
	}
}

func (c carts) Handle(stream eventsourcedpb.EventSourced_HandleServer) error {
	for {
		in, err := stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the proxy has half-closed the stream
		}
		command := in.GetCommand()
		if command == nil {
			continue
		}
		cart, err := anypb.New(&shoppingcartpb.Cart{Items: []*shoppingcartpb.LineItem{{ProductId: "socks", Quantity: 2}}})
		if err != nil {
			return err
		}
		reply := &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: &protocol.Reply{Payload: cart}}}
		err = stream.Send(&eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Reply{
			Reply: &eventsourcedpb.EventSourcedReply{CommandId: command.GetId(), ClientAction: reply},
		}})
		if err != nil {
			return err
		}
	}
}

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	p := &proxy.Proxy{UserFunction: proxy.Embed(carts{})}
	listener := bufconn.Listen(1 << 20) // p.Run(ctx) would listen at 127.0.0.1:9000
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, listener) }()
	<-p.Ready()

	conn, err := grpc.NewClient("passthrough:///proxy",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		fmt.Println(err)
		return
	}
	client := shoppingcartpb.NewShoppingCartClient(conn)
	cart, err := client.GetCart(ctx, &shoppingcartpb.GetShoppingCart{UserId: "u1"})
	fmt.Println(cart.GetItems()[0].GetProductId(), cart.GetItems()[0].GetQuantity(), err)

	fmt.Println(conn.Close())
	stop()
	fmt.Println(<-served)
	// Output:
	// socks 2 <nil>
	// <nil>
	// <nil>
}
