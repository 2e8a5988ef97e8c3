package action_test

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
)

// projection gets events: its .proto file says which, and to which topic its replies go.
type projection struct {
	popularpb.UnsafeProjectionServer
}

// ItemAdded replies with what is published.
func (projection) ItemAdded(ctx context.Context, added *domain.ItemAdded) (*popularpb.Popularity, error) {
	event, err := entity.MetadataOf(ctx).CloudEvent() // the event that it gets
	if err != nil {
		return nil, err
	}
	attributes := metadata.Pairs( // of the event that is published
		"ce-subject", added.GetItem().GetProductId(),
		"ce-cart", event.Subject,
	)
	if err := grpc.SetHeader(ctx, attributes); err != nil {
		return nil, err
	}
	return &popularpb.Popularity{ProductId: added.GetItem().GetProductId(), Items: int64(added.GetItem().GetQuantity())}, nil
}

func (projection) ItemRemoved(context.Context, *domain.ItemRemoved) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// A method that gets events sees their attributes, and sets those of what it publishes.
func ExampleAction_events() {
	service := &cloudstate.Service{
		Name:       "projection",
		Components: []cloudstate.Component{&action.Action{Service: &popularpb.Projection_ServiceDesc, Server: projection{}}},
	}
	fmt.Println(service.Validate())
	// Output: <nil>
}
