package main

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/cartpb"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/domain"
	"github.com/cloudstate-go/cloudstate/eventsourced"
)

// items are the products of a cart in the order in which they were added.
type items []*domain.LineItem

func (l *items) find(product string) int {
	return slices.IndexFunc(*l, func(i *domain.LineItem) bool { return i.GetProductId() == product })
}

func (l *items) add(product, name string, quantity int32) {
	if i := l.find(product); i >= 0 {
		(*l)[i].Quantity += quantity
		return
	}
	*l = append(*l, &domain.LineItem{ProductId: product, Name: name, Quantity: quantity})
}

func (l *items) remove(product string) {
	if i := l.find(product); i >= 0 {
		*l = slices.Delete(*l, i, i+1)
	}
}

func (l *items) cart() *cartpb.Cart {
	cart := &cartpb.Cart{Items: make([]*cartpb.LineItem, len(*l))}
	for i, item := range *l {
		cart.Items[i] = &cartpb.LineItem{ProductId: item.GetProductId(), Name: item.GetName(), Quantity: item.GetQuantity()}
	}
	return cart
}

// cart is a shopping cart as the sum of its events.
type cart struct {
	eventsourced.Base
	cartpb.UnsafeShoppingCartServer

	items items
}

var shoppingCart = &eventsourced.Entity[*cart]{
	Service:       &cartpb.ShoppingCart_ServiceDesc,
	PersistenceID: "shopping-cart",
	New:           func(string) *cart { return &cart{} },
	Events: []eventsourced.Event[*cart]{
		eventsourced.On((*cart).itemAdded),
		eventsourced.On((*cart).itemRemoved),
	},
}

var _ cartpb.ShoppingCartServer = (*cart)(nil)

func (c *cart) AddItem(_ context.Context, add *cartpb.AddLineItem) (*emptypb.Empty, error) {
	if add.GetQuantity() <= 0 {
		return nil, status.Error(codes.InvalidArgument, "quantity must be positive")
	}
	c.Emit(&domain.ItemAdded{Item: &domain.LineItem{
		ProductId: add.GetProductId(), Name: add.GetName(), Quantity: add.GetQuantity(),
	}})
	return &emptypb.Empty{}, nil
}

func (c *cart) RemoveItem(_ context.Context, remove *cartpb.RemoveLineItem) (*emptypb.Empty, error) {
	c.Emit(&domain.ItemRemoved{ProductId: remove.GetProductId()})
	return &emptypb.Empty{}, nil
}

func (c *cart) GetCart(context.Context, *cartpb.GetShoppingCart) (*cartpb.Cart, error) {
	return c.items.cart(), nil
}

func (c *cart) itemAdded(e *domain.ItemAdded) {
	c.items.add(e.GetItem().GetProductId(), e.GetItem().GetName(), e.GetItem().GetQuantity())
}

func (c *cart) itemRemoved(e *domain.ItemRemoved) { c.items.remove(e.GetProductId()) }
