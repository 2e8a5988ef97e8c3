// Package relay stands between a proxy and a user function: it is a user function to the
// proxy, takes every message of every call, and passes on what its owner decides.
//
//	server := &relay.Server{Handle: func(call *relay.Call) error {
//		return call.Relay(call.Context(), userFunction, relay.Pass, relay.Pass)
//	}}
//	go server.Serve(ctx, listener)
//
// It knows the five services of the protocol, and treats all of their methods as streams
// of messages in both directions, which is what they are on the wire.
package relay
