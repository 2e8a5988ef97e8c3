package entity_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
)

// A handler hands its command on to another service, whose reply becomes its own.
func ExampleForward() {
	handler := func(ctx context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
		return echopb.NewEchoClient(entity.Forward(ctx)).Unary(ctx, in)
	}
	_, err := handler(context.Background(), &echopb.EchoRequest{}) // is no command
	fmt.Println(err)
	// Output: rpc error: code = FailedPrecondition desc = entity.Forward: the context does not come from a command; pass on the one that the handler got
}

// A handler asks for something to be done afterwards, with metadata for those who do it.
func ExampleSideEffect() {
	handler := func(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
		with := metadata.AppendToOutgoingContext(ctx, "reason", "added")
		stats := echopb.NewEchoClient(entity.SideEffect(ctx, entity.Synchronous()))
		if _, err := stats.Unary(with, &echopb.EchoRequest{Text: add.GetProductId()}); err != nil {
			return nil, err
		}
		return &emptypb.Empty{}, nil
	}
	_, err := handler(context.Background(), &pb.AddLineItem{}) // is no command
	fmt.Println(err)
	// Output: rpc error: code = FailedPrecondition desc = entity.SideEffect: the context does not come from a command; pass on the one that the handler got
}

// A handler waits for the reply of another service.
func ExampleCall() {
	handler := func(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
		cart, err := pb.NewShoppingCartClient(entity.Call(ctx)).GetCart(ctx, &pb.GetShoppingCart{UserId: add.GetUserId()})
		if err != nil {
			return nil, err
		}
		fmt.Println(cart.GetItems())
		return &emptypb.Empty{}, nil
	}
	_, err := handler(context.Background(), &pb.AddLineItem{}) // is no command
	fmt.Println(err)
	// Output: rpc error: code = FailedPrecondition desc = entity.Call: the context does not come from a command; pass on the one that the handler got
}

// A command that delivers an event has its attributes in its metadata.
func ExampleMetadata_CloudEvent() {
	handler := func(ctx context.Context) {
		event, err := entity.MetadataOf(ctx).CloudEvent()
		if err != nil {
			fmt.Println("no event:", err)
			return
		}
		fmt.Println(event.Subject, event.Type)
	}
	handler(context.Background()) // is no command
	// Output: no event: the metadata is not that of a CloudEvent: it has no ce-specversion, ce-id, ce-source, ce-type
}
