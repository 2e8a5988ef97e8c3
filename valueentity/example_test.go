package valueentity_test

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// cart is a shopping cart that is stored as a whole.
type cart struct {
	valueentity.Base[*domain.Cart]
	pb.UnimplementedShoppingCartServer
}

// AddItem puts a product into the cart.
func (c *cart) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	state := c.State()
	state.Items = append(state.Items, &domain.LineItem{ProductId: add.GetProductId(), Quantity: add.GetQuantity()})
	c.Update(state)
	return &emptypb.Empty{}, nil
}

// A value entity reads its state, changes it, and updates it.
func ExampleEntity() {
	service := &cloudstate.Service{
		Name: "shop",
		Components: []cloudstate.Component{&valueentity.Entity[*cart]{
			Service: &pb.ShoppingCart_ServiceDesc,
			New:     func(string) *cart { return &cart{} },
		}},
	}
	fmt.Println(service.Validate())
	// Output: <nil>
}
