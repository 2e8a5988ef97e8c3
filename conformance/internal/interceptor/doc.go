// Package interceptor is the user function that a proxy talks to while it is tested. It
// relays every call to a user function that has the models, records what both sides say,
// and lets a test take a stream over, to say what no user function should.
//
//	i := interceptor.New(models)
//	go i.Serve(ctx, listener)
//	... // a client calls the proxy
//	stream, err := i.Accept(ctx, interceptor.Entity(service, id))
//	event, err := stream.Next(ctx) // the init message
//
// Scripted streams, those that [Interceptor.Script] asks for, are not relayed: the test
// answers with [Stream.Send] and [Stream.End].
package interceptor
