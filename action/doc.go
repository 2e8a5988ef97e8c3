// Package action runs any gRPC server as an action: a service without state, whose calls
// go through the proxy like those of entities.
//
//	type pricing struct{ pb.UnimplementedPricingServer }
//
//	func (pricing) Quote(ctx context.Context, item *pb.Item) (*pb.Price, error) { ... }
//
//	var Action = &action.Action{Service: &pb.Pricing_ServiceDesc, Server: pricing{}}
//
// All four call kinds work, and a server that was written without knowledge of this
// library runs unchanged: its handlers get the streams that generated code promises.
// What is particular to the protocol is there for those who want it:
//
//   - entity.Forward, entity.SideEffect and entity.Call reach other services. In a handler
//     that streams its replies, a forward is sent as the next element, and side effects go
//     with the next one.
//   - [SendFailure] sends a failure as an element of a stream and does not end the stream
//     of the protocol.
//   - A handler that returns nil instead of a reply, or sends nil, gives an answer without a
//     reply: its side effects are carried out. A client that streams gets nothing; one that
//     waits for its only reply gets an error from the proxy, unless the method returns
//     google.protobuf.Empty.
//   - grpc.SetHeader sets metadata of the first reply. If replies are published to a topic, keys
//     such as ce-subject set attributes of the event that it becomes.
//
// # Failures
//
// A handler that returns an error makes its call fail, as in any gRPC server. The side
// effects that it has asked for are carried out all the same, as an action has nothing to
// undo. A handler that panics makes its call fail with a fixed text; the log has the panic
// with its stack.
//
// # Concurrency
//
// A server is used by many calls at once, as in gRPC.
package action
