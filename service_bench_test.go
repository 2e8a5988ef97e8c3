package cloudstate_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// handleOverTCP serves the cart on loopback and opens streams of it.
func handleOverTCP(b *testing.B) func() eventsourcedpb.EventSourced_HandleClient {
	b.Helper()
	lis, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	ctx, stop := context.WithCancel(b.Context())
	served := make(chan error, 1)
	service := &cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil)}}
	go func() { served <- service.Serve(ctx, lis) }()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(b, err)
	b.Cleanup(func() {
		stop()
		require.NoError(b, <-served)
		require.NoError(b, conn.Close())
	})
	return func() eventsourcedpb.EventSourced_HandleClient {
		stream, err := eventsourcedpb.NewEventSourcedClient(conn).Handle(b.Context())
		require.NoError(b, err)
		require.NoError(b, stream.Send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{
			Init: &eventsourcedpb.EventSourcedInit{ServiceName: pb.ShoppingCart_ServiceDesc.ServiceName, EntityId: "u1"},
		}}))
		return stream
	}
}

func addItemMessage(b *testing.B) *eventsourcedpb.EventSourcedStreamIn {
	b.Helper()
	payload, err := anypb.New(&pb.AddLineItem{UserId: "u1", ProductId: "shirt"})
	require.NoError(b, err)
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Command{
		Command: &protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: payload},
	}}
}

func roundTrip(b *testing.B, stream eventsourcedpb.EventSourced_HandleClient, in *eventsourcedpb.EventSourcedStreamIn) {
	b.Helper()
	if err := stream.Send(in); err != nil {
		b.Fatal(err)
	}
	out, err := stream.Recv()
	if err != nil || len(out.GetReply().GetEvents()) != 1 {
		b.Fatal(out, err)
	}
}

// One command with one event, over TCP on loopback.
func BenchmarkService_Command(b *testing.B) {
	stream, in := handleOverTCP(b)(), addItemMessage(b)
	b.ReportAllocs()
	for b.Loop() {
		roundTrip(b, stream, in)
	}
}

// An activation with 10,000 events and a command, over TCP on loopback.
func BenchmarkService_Replay10k(b *testing.B) {
	const events = 10_000
	open, in := handleOverTCP(b), addItemMessage(b)
	payload, err := anypb.New(&domain.ItemRemoved{ProductId: "shirt"})
	require.NoError(b, err)
	event := &eventsourcedpb.EventSourcedEvent{Payload: payload}
	message := &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Event{Event: event}}
	b.ReportAllocs()
	for b.Loop() {
		stream := open()
		for i := range events {
			event.Sequence = int64(i + 1)
			if err := stream.Send(message); err != nil {
				b.Fatal(err)
			}
		}
		roundTrip(b, stream, in)
		require.NoError(b, stream.CloseSend())
	}
}
