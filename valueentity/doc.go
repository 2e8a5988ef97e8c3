// Package valueentity implements value entities: their state is one value, stored as a
// whole.
//
// An entity type implements the generated gRPC server of its service and embeds [Base]
// with the type of its state. Command handlers read the state and update or delete it:
//
//	type Cart struct {
//		valueentity.Base[*domain.Cart]
//		pb.UnsafeShoppingCartServer
//	}
//
//	func (c *Cart) AddItem(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
//		cart := c.State()
//		cart.Items = append(cart.Items, lineItem(add))
//		c.Update(cart)
//		return &emptypb.Empty{}, nil
//	}
//
//	var Entity = &valueentity.Entity[*Cart]{
//		Service: &pb.ShoppingCart_ServiceDesc,
//		New:     func(id string) *Cart { return &Cart{} },
//	}
//
// # Life of an entity
//
// The proxy activates an entity when a command for it arrives: it makes an instance with
// New and hands it the stored value. Then it sends commands, one at a time. A value is
// stored before the reply to its command is sent. When the entity has been idle for a
// while it is passivated: the instance is dropped. What is not in the state is lost then.
// Package testkit finds it; a field that need not be kept, such as a cache, has the tag
// `cloudstate:"-"`.
//
// # Failures
//
// A handler that returns an error makes its command fail. The client gets the error, as
// from any gRPC server, nothing is stored, and the state is again what it was before, even
// if the handler has changed the value in place.
//
// A handler that panics loses its entity, and nothing else. The client gets a fixed
// text, the log the panic with its stack, and the next command activates the entity
// again. The same goes for a state that cannot be encoded.
//
// # Concurrency
//
// An instance belongs to its stream: its handlers never run at the same time. Instance and
// state must not be used by other goroutines, nor after the handler has returned.
package valueentity
