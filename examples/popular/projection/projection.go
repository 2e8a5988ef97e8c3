package projection

import (
	"context"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
)

// Projection declares the action that follows the carts.
var Projection = &action.Action{Service: &pb.Projection_ServiceDesc, Server: projection{}}

// projection is an ordinary gRPC server. Which events it gets is in the .proto file.
type projection struct {
	pb.UnsafeProjectionServer
}

var _ pb.ProjectionServer = projection{}

//snippet:consume

// ItemAdded gets an event. An error would let it come again.
func (projection) ItemAdded(ctx context.Context, added *domain.ItemAdded) (*pb.Popularity, error) {
	event, err := entity.MetadataOf(ctx).CloudEvent() // ID is the offset in the log, Subject the cart
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error()) // a client has called
	}
	offset, err := strconv.ParseUint(event.ID, 10, 64)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "the id of an event of a log is its offset: %v", err)
	}
	item := added.GetItem()
	popularity, err := pb.NewProductsClient(entity.Call(ctx)).Count(ctx, &pb.Added{
		ProductId: item.GetProductId(), Name: item.GetName(), Items: int64(item.GetQuantity()), Offset: offset,
	})
	if err != nil {
		return nil, err
	}
	// The reply is published, because the method has a topic. Its metadata sets attributes of that event.
	if err := grpc.SetHeader(ctx, metadata.Pairs("ce-subject", item.GetProductId())); err != nil {
		return nil, err
	}
	return popularity, nil
}

//snippet:end

// ItemRemoved does nothing: what was taken out was wanted all the same.
func (projection) ItemRemoved(context.Context, *domain.ItemRemoved) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}
