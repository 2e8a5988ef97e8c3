// Package existing shows that gRPC services which were written without knowledge of
// Cloudstate run as actions, unchanged: a service for the RouteGuide of grpc-go's
// examples, and the server of gRPC's own interoperability tests. So do interceptors: those of
// go-grpc-middleware log and validate the commands of entities and the streams of actions.
//
// It is a module of its own, for its dependencies not to be those of the library.
package existing
