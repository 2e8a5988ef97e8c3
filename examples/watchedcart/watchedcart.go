// Package watchedcart is the shopping cart as a replicated entity: every node changes it on
// its own, all converge, and clients can watch it.
package watchedcart

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/crdt"
	"github.com/cloudstate-go/cloudstate/entity"
	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	pb "github.com/cloudstate-go/cloudstate/examples/watchedcart/watchedcartpb"
)

// product is the key of what is in a cart.
type product struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Products are how many of each product are in a cart. Quantities add up, also those that
// are added on several nodes at the same time.
type Products = crdt.ORMap[product, *crdt.PNCounter]

// Cart is one shopping cart.
type Cart struct {
	crdt.Base[*Products]
	pb.UnsafeWatchedCartServer
}

var _ pb.WatchedCartServer = (*Cart)(nil)

// AddItem adds to the quantity of a product.
func (c *Cart) AddItem(_ context.Context, add *cartpb.AddLineItem) (*emptypb.Empty, error) {
	if add.GetQuantity() <= 0 {
		return nil, status.Errorf(codes.InvalidArgument, "the quantity of %q must be positive, got %d", add.GetProductId(), add.GetQuantity())
	}
	quantity, err := c.Data().GetOrCreate(product{ID: add.GetProductId(), Name: add.GetName()})
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &emptypb.Empty{}, quantity.Increment(int64(add.GetQuantity()))
}

// RemoveItem takes a product out, under all of its names.
func (c *Cart) RemoveItem(_ context.Context, remove *cartpb.RemoveLineItem) (*emptypb.Empty, error) {
	found := false
	for p := range c.Data().Keys() {
		if p.ID == remove.GetProductId() {
			c.Data().Remove(p)
			found = true
		}
	}
	if !found {
		return nil, status.Errorf(codes.NotFound, "the cart has no product %q", remove.GetProductId())
	}
	return &emptypb.Empty{}, nil
}

// GetCart returns the cart.
func (c *Cart) GetCart(context.Context, *cartpb.GetShoppingCart) (*cartpb.Cart, error) {
	return message(c.Data()), nil
}

// WatchCart returns the cart, now and whenever it changes.
func (c *Cart) WatchCart(_ *cartpb.GetShoppingCart, stream grpc.ServerStreamingServer[cartpb.Cart]) error {
	if err := stream.Send(message(c.Data())); err != nil {
		return err
	}
	for products := range c.Changes(stream.Context()) {
		if err := stream.Send(message(products)); err != nil {
			return err
		}
	}
	return nil
}

func message(products *Products) *cartpb.Cart {
	cart := &cartpb.Cart{}
	for p, quantity := range products.All() {
		cart.Items = append(cart.Items, &cartpb.LineItem{ProductId: p.ID, Name: p.Name, Quantity: int32(quantity.Value())}) //nolint:gosec // a cart is not that large
	}
	return cart
}

// Entity declares the shopping cart.
var Entity = &crdt.Entity[*Cart]{
	Service: &pb.WatchedCart_ServiceDesc,
	New: func(string) *Cart {
		products := crdt.NewORMap(func(product) *crdt.PNCounter { return crdt.NewPNCounter() }, entity.JSON("product"))
		return &Cart{Base: crdt.NewBase(products)}
	},
}
