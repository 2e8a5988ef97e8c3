// Package entity is what handlers of every kind share: who they are called for, and
// how Go values are stored.
//
// # Handlers
//
// A command handler is an ordinary gRPC method. Its context tells what is
// particular to an entity:
//
//	func (c *Cart) AddItem(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
//		log.InfoContext(ctx, "adding", "cart", entity.ID(ctx), "command", entity.CommandName(ctx))
//		...
//	}
//
// Everything else is as in any gRPC server: metadata.FromIncomingContext returns the
// metadata of the command, grpc.SetHeader sets that of the reply, status.Errorf
// makes the command fail.
//
// [Forward], [SideEffect] and [Call] are connections to other services, for their generated
// clients. [MetadataOf] has the metadata of a command with its types, and the attributes of
// an event that it delivers.
//
// # Stored values
//
// Events, snapshots, states and CRDT elements are protobuf messages, one of seven
// primitive types (string, []byte, int32, int64, float32, float64, bool), or JSON.
// Messages and primitives are recognized by their Go type. JSON is asked for, with
// the name under which it is stored, so that renaming a Go type never makes stored
// data unreadable:
//
//	eventsourced.On((*Thermostat).targetSet, entity.JSON("target-set"))
//
// What was stored under another name stays readable with [Alias], what was stored in
// another shape with [Upcast]. A [Codec] does the same for values that an entity or an
// action gets as google.protobuf.Any.
package entity
