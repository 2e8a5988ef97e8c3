// Package cloudstate runs stateful serverless entities: it is the side of the user
// function of the Cloudstate protocol, version 0.2.
//
// An entity is a gRPC server with a memory. Its type implements the server interface that
// protoc-gen-go-grpc generated, and embeds what it remembers with; see packages
// eventsourced, valueentity and crdt, and package action for services without a memory. A
// [Service] serves entities to a proxy, which keeps their state, routes
// commands to them by their key, and drops from memory what is idle:
//
//	service := &cloudstate.Service{
//		Name:       "shopping-cart",
//		Components: []cloudstate.Component{shoppingcart.Entity},
//	}
//	if err := service.Run(ctx); err != nil {
//		log.Fatal(err)
//	}
//
// Package proxy is such a proxy. It runs in the same process as the service, or apart
// from it, and the service works the same behind any other proxy that speaks the
// protocol. Package testkit runs both in a test.
package cloudstate
