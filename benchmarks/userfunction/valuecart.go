package main

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/cartpb"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/domain"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// valueCart is a shopping cart that is stored as a whole.
type valueCart struct {
	valueentity.Base[*domain.Cart]
	cartpb.UnsafeValueCartServer
}

var valueShoppingCart = &valueentity.Entity[*valueCart]{
	Service:       &cartpb.ValueCart_ServiceDesc,
	PersistenceID: "value-cart",
	New:           func(string) *valueCart { return &valueCart{} },
}

var _ cartpb.ValueCartServer = (*valueCart)(nil)

func (c *valueCart) AddItem(_ context.Context, add *cartpb.AddLineItem) (*emptypb.Empty, error) {
	if add.GetQuantity() <= 0 {
		return nil, status.Error(codes.InvalidArgument, "quantity must be positive")
	}
	cart := c.State()
	(*items)(&cart.Items).add(add.GetProductId(), add.GetName(), add.GetQuantity())
	c.Update(cart)
	return &emptypb.Empty{}, nil
}

func (c *valueCart) RemoveItem(_ context.Context, remove *cartpb.RemoveLineItem) (*emptypb.Empty, error) {
	cart := c.State()
	(*items)(&cart.Items).remove(remove.GetProductId())
	c.Update(cart)
	return &emptypb.Empty{}, nil
}

func (c *valueCart) GetCart(context.Context, *cartpb.GetShoppingCart) (*cartpb.Cart, error) {
	return (*items)(&c.State().Items).cart(), nil
}
