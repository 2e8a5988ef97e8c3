// Package eventsourced implements event sourced entities: their state is the sum of
// their events.
//
// An entity type implements the generated gRPC server of its service and embeds [Base].
// Command handlers check a request and emit what happened; event handlers, and nothing
// else, change the state:
//
//	type Cart struct {
//		eventsourced.Base
//		pb.UnsafeShoppingCartServer
//
//		items map[string]*domain.LineItem
//	}
//
//	func (c *Cart) AddItem(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
//		if add.GetQuantity() <= 0 {
//			return nil, status.Error(codes.InvalidArgument, "the quantity must be positive")
//		}
//		c.Emit(&domain.ItemAdded{Item: lineItem(add)})
//		return &emptypb.Empty{}, nil
//	}
//
//	func (c *Cart) itemAdded(e *domain.ItemAdded) { ... }
//
//	var Cart = &eventsourced.Entity[*Cart]{
//		Service: &pb.ShoppingCart_ServiceDesc,
//		New:     func(id string) *Cart { return &Cart{items: map[string]*domain.LineItem{}} },
//		Events:  []eventsourced.Event[*Cart]{eventsourced.On((*Cart).itemAdded)},
//	}
//
// # Life of an entity
//
// The proxy activates an entity when a command for it arrives: it makes an instance with
// New, restores the newest snapshot, if there is one, and replays the events after it.
// Then it sends commands, one at a time. When the entity has been idle for a while it
// is passivated: the instance is dropped. State that is not made of events is lost then.
// Package testkit finds it; a field that is no state, such as a cache, has the tag
// `cloudstate:"-"`.
//
// # Failures
//
// A handler that returns an error makes its command fail. The client gets the error, as
// from any gRPC server, and nothing that the command emitted is stored: if there was
// something, the proxy restarts the entity from its journal.
//
// A handler that panics loses its entity, and nothing else. The client gets a fixed
// text, the log the panic with its stack, and the next command activates the entity
// again. The same goes for an event that cannot be encoded or that no handler takes.
//
// # Concurrency
//
// An instance belongs to its stream: its handlers never run at the same time. It must
// not be used by other goroutines, nor after its handler has returned.
package eventsourced
