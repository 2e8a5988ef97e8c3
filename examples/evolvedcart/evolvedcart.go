// Package evolvedcart is the shopping cart of examples/shoppingcart some years later. Its events
// have other names and another shape by now, but it reads all that its former versions have
// stored: the files in testdata were recorded by these.
package evolvedcart

import (
	"context"
	"maps"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
)

//snippet:events

// quantityChanged is an event. Version 1 had a message for it, which could only add.
type quantityChanged struct {
	Product string `json:"product"`
	Name    string `json:"name"`
	By      int32  `json:"by"`
}

// productRemoved is an event. Version 2 stored it under another name, and version 1 had a
// message for it.
type productRemoved struct {
	Product string `json:"product"`
}

var events = []eventsourced.Event[*Cart]{
	eventsourced.On((*Cart).quantityChanged, entity.JSON("quantity-changed"),
		entity.Upcast(func(e *domain.ItemAdded) quantityChanged { // another shape
			return quantityChanged{Product: e.GetItem().GetProductId(), Name: e.GetItem().GetName(), By: e.GetItem().GetQuantity()}
		})),
	eventsourced.On((*Cart).productRemoved, entity.JSON("product-removed"),
		entity.Alias("item-taken-out"), // another name
		entity.Upcast(func(e *domain.ItemRemoved) productRemoved { return productRemoved{Product: e.GetProductId()} })),
}

//snippet:end

// Cart is one shopping cart.
type Cart struct {
	eventsourced.Base
	pb.UnsafeShoppingCartServer

	items map[string]*domain.LineItem
}

var _ pb.ShoppingCartServer = (*Cart)(nil)

// Entity declares the shopping cart.
var Entity = &eventsourced.Entity[*Cart]{
	Service:       &pb.ShoppingCart_ServiceDesc,
	PersistenceID: "shopping-cart", // as ever: what is stored is found by it
	New:           func(string) *Cart { return &Cart{items: map[string]*domain.LineItem{}} },
	Events:        events,
	Snapshot:      eventsourced.SnapshotOf((*Cart).snapshot, (*Cart).restore),
}

// AddItem adds to the quantity of a product.
func (c *Cart) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	if add.GetQuantity() <= 0 {
		return nil, status.Errorf(codes.InvalidArgument, "the quantity of %q must be positive, got %d", add.GetProductId(), add.GetQuantity())
	}
	c.Emit(quantityChanged{Product: add.GetProductId(), Name: add.GetName(), By: add.GetQuantity()})
	return &emptypb.Empty{}, nil
}

func (c *Cart) quantityChanged(e quantityChanged) {
	item := c.items[e.Product]
	if item == nil {
		item = &domain.LineItem{ProductId: e.Product, Name: e.Name}
		c.items[e.Product] = item
	}
	item.Quantity += e.By
}

// RemoveItem takes a product out of the cart, which must have it.
func (c *Cart) RemoveItem(_ context.Context, remove *pb.RemoveLineItem) (*emptypb.Empty, error) {
	if _, found := c.items[remove.GetProductId()]; !found {
		return nil, status.Errorf(codes.NotFound, "the cart has no product %q", remove.GetProductId())
	}
	c.Emit(productRemoved{Product: remove.GetProductId()})
	return &emptypb.Empty{}, nil
}

func (c *Cart) productRemoved(e productRemoved) { delete(c.items, e.Product) }

// GetCart returns what is in the cart, by product id.
func (c *Cart) GetCart(context.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	cart := &pb.Cart{}
	for _, item := range c.snapshot().GetItems() {
		cart.Items = append(cart.Items, &pb.LineItem{ProductId: item.GetProductId(), Name: item.GetName(), Quantity: item.GetQuantity()})
	}
	return cart, nil
}

// snapshot has the items by product id, because maps have no order.
func (c *Cart) snapshot() *domain.Cart {
	snapshot := &domain.Cart{}
	for _, id := range slices.Sorted(maps.Keys(c.items)) {
		snapshot.Items = append(snapshot.Items, c.items[id])
	}
	return snapshot
}

func (c *Cart) restore(snapshot *domain.Cart) {
	for _, item := range snapshot.GetItems() {
		c.items[item.GetProductId()] = item
	}
}
