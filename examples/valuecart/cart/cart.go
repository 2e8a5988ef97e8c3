// Package cart is the shopping cart as a value entity: the same service as that of
// examples/shoppingcart, with another kind of memory. It also shows how one service uses
// another: prices come from the pricing action.
package cart

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

//snippet:cart

// Cart is one shopping cart, whose state is a message.
type Cart struct {
	valueentity.Base[*domain.Cart]
	pb.UnsafeShoppingCartServer
}

var _ pb.ShoppingCartServer = (*Cart)(nil)

// AddItem handles a command: it checks, and updates the state.
func (c *Cart) AddItem(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	if add.GetQuantity() <= 0 {
		return nil, status.Errorf(codes.InvalidArgument, "the quantity of %q must be positive, got %d", add.GetProductId(), add.GetQuantity())
	}
	product := &pricingpb.Product{ProductId: add.GetProductId(), Quantity: add.GetQuantity()}

	// A call, now: only products that have a price can be bought.
	if _, err := pricingpb.NewPricingClient(entity.Call(ctx)).Quote(ctx, product); err != nil {
		return nil, err
	}
	// A side effect, after this command has succeeded.
	if _, err := pricingpb.NewPricingClient(entity.SideEffect(ctx)).Asked(ctx, product); err != nil {
		return nil, err
	}

	cart := c.State()
	if i := find(cart, add.GetProductId()); i >= 0 {
		cart.Items[i].Quantity += add.GetQuantity()
	} else {
		cart.Items = append(cart.Items, &domain.LineItem{ProductId: add.GetProductId(), Name: add.GetName(), Quantity: add.GetQuantity()})
	}
	c.Update(cart) // stored before the reply is sent
	return &emptypb.Empty{}, nil
}

// GetCart forwards the cart to the action that adds the prices. Its reply becomes ours.
func (c *Cart) GetCart(ctx context.Context, _ *pb.GetShoppingCart) (*pb.Cart, error) {
	cart := &pb.Cart{}
	for _, item := range c.State().GetItems() {
		cart.Items = append(cart.Items, &pb.LineItem{ProductId: item.GetProductId(), Name: item.GetName(), Quantity: item.GetQuantity()})
	}
	return pricingpb.NewPricingClient(entity.Forward(ctx)).Label(ctx, cart)
}

//snippet:end

// RemoveItem takes a product out of the cart, which must have it. A cart without products is
// deleted.
func (c *Cart) RemoveItem(_ context.Context, remove *pb.RemoveLineItem) (*emptypb.Empty, error) {
	cart := c.State()
	i := find(cart, remove.GetProductId())
	if i < 0 {
		return nil, status.Errorf(codes.NotFound, "the cart has no product %q", remove.GetProductId())
	}
	cart.Items = slices.Delete(cart.GetItems(), i, i+1)
	if len(cart.GetItems()) == 0 {
		c.Delete()
	} else {
		c.Update(cart)
	}
	return &emptypb.Empty{}, nil
}

func find(cart *domain.Cart, productID string) int {
	return slices.IndexFunc(cart.GetItems(), func(i *domain.LineItem) bool { return i.GetProductId() == productID })
}

// Entity declares the shopping cart.
var Entity = &valueentity.Entity[*Cart]{
	Service:       &pb.ShoppingCart_ServiceDesc,
	PersistenceID: "shopping-cart",
	New:           func(string) *Cart { return &Cart{} },
}
