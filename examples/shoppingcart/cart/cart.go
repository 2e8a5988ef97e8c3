// Package cart is the shopping cart of the Cloudstate samples as an event sourced entity.
package cart

import (
	"context"
	"maps"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/eventsourced"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
)

//snippet:cart

// Cart is one shopping cart.
type Cart struct {
	eventsourced.Base
	pb.UnsafeShoppingCartServer

	items map[string]*domain.LineItem
}

var _ pb.ShoppingCartServer = (*Cart)(nil) // the compiler insists on every command

// AddItem handles a command: it checks, and emits what happened.
func (c *Cart) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	if add.GetQuantity() <= 0 {
		return nil, status.Errorf(codes.InvalidArgument, "the quantity of %q must be positive, got %d", add.GetProductId(), add.GetQuantity())
	}
	c.Emit(&domain.ItemAdded{Item: lineItem(add)}) // applied now, stored before the reply is sent
	return &emptypb.Empty{}, nil
}

// itemAdded applies an event, when it is emitted and again whenever it is replayed.
func (c *Cart) itemAdded(e *domain.ItemAdded) {
	added := e.GetItem()
	item := c.items[added.GetProductId()]
	if item == nil {
		item = &domain.LineItem{ProductId: added.GetProductId(), Name: added.GetName()}
		c.items[added.GetProductId()] = item
	}
	item.Quantity += added.GetQuantity()
}

//snippet:end

// RemoveItem takes a product out of the cart, which must have it.
func (c *Cart) RemoveItem(_ context.Context, remove *pb.RemoveLineItem) (*emptypb.Empty, error) {
	if _, found := c.items[remove.GetProductId()]; !found {
		return nil, status.Errorf(codes.NotFound, "the cart has no product %q", remove.GetProductId())
	}
	c.Emit(&domain.ItemRemoved{ProductId: remove.GetProductId()})
	return &emptypb.Empty{}, nil
}

func (c *Cart) itemRemoved(e *domain.ItemRemoved) {
	delete(c.items, e.GetProductId())
}

// GetCart returns what is in the cart, by product id.
func (c *Cart) GetCart(context.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	cart := &pb.Cart{}
	for _, item := range c.sorted() {
		cart.Items = append(cart.Items, &pb.LineItem{ProductId: item.GetProductId(), Name: item.GetName(), Quantity: item.GetQuantity()})
	}
	return cart, nil
}

// sorted returns the items by product id, because maps have no order and replies and
// snapshots need one.
func (c *Cart) sorted() []*domain.LineItem {
	items := make([]*domain.LineItem, 0, len(c.items))
	for _, id := range slices.Sorted(maps.Keys(c.items)) {
		items = append(items, c.items[id])
	}
	return items
}

func (c *Cart) snapshot() *domain.Cart { return &domain.Cart{Items: c.sorted()} }

func (c *Cart) restore(snapshot *domain.Cart) {
	for _, item := range snapshot.GetItems() {
		c.items[item.GetProductId()] = item
	}
}

func lineItem(add *pb.AddLineItem) *domain.LineItem {
	return &domain.LineItem{ProductId: add.GetProductId(), Name: add.GetName(), Quantity: add.GetQuantity()}
}

//snippet:entity

// Entity declares the shopping cart.
var Entity = &eventsourced.Entity[*Cart]{
	Service:       &pb.ShoppingCart_ServiceDesc,
	PersistenceID: "shopping-cart",
	New:           func(string) *Cart { return &Cart{items: map[string]*domain.LineItem{}} },
	Events: []eventsourced.Event[*Cart]{
		eventsourced.On((*Cart).itemAdded), // event types are inferred and checked by the compiler
		eventsourced.On((*Cart).itemRemoved),
	},
	Snapshot: eventsourced.SnapshotOf((*Cart).snapshot, (*Cart).restore), // optional
}

//snippet:end
