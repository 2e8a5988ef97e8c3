package entity

import (
	"context"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/internal/command"
)

// Forward returns a connection that hands the command on: the reply of the other command
// takes the place of the handler's own. Use it with a generated client, and return what
// that returns:
//
//	return orders.NewOrdersClient(entity.Forward(ctx)).Place(ctx, order)
//
// The other command is carried out after this one, when its events or its state are
// stored, so the client returns at once and what it returns is empty. The service must be
// among the components of this one. A forward that cannot be made fails the command,
// also if the handler ignores the error; so does a reply of the handler's own.
//
// The other method must have the same type of replies, and may stream them only if this one
// does. A method that streams its requests gets one. If the other command fails, the client
// gets its error, but what this command has done stays.
//
// Outgoing metadata of the context that the client is given goes with it; a proxy passes it
// on to actions, and to entities only if it is told to (Proxy.EntityMetadata). In a handler
// that streams its replies, the forward is sent at once as the next element.
func Forward(ctx context.Context) grpc.ClientConnInterface {
	if c := command.FromContext(ctx); c != nil {
		return c.ForwardConn()
	}
	return command.Outside("entity.Forward")
}

// SideEffect returns a connection that asks for another command to be carried out after
// this one has succeeded. Use it with a generated client, for every effect once. What the
// client returns is empty, as results of side effects are discarded:
//
//	_, err := stats.NewStatsClient(entity.SideEffect(ctx)).Count(ctx, hit)
//
// Effects are carried out in order, after the events or the state of this command are
// stored. If the command of an entity fails, there are none. The service must be among the
// components of this one. An effect that cannot be made fails the command, also if the
// handler ignores the error.
//
// Outgoing metadata of the context that the client is given goes with it, as in [Forward].
func SideEffect(ctx context.Context, options ...SideEffectOption) grpc.ClientConnInterface {
	synchronous := false
	for _, o := range options {
		o(&synchronous)
	}
	if c := command.FromContext(ctx); c != nil {
		return c.SideEffectConn(synchronous)
	}
	return command.Outside("entity.SideEffect")
}

// A SideEffectOption says how a side effect is carried out.
type SideEffectOption func(synchronous *bool)

// Synchronous lets the client wait until the side effect has been carried out. Whether it
// succeeded makes no difference.
func Synchronous() SideEffectOption {
	return func(synchronous *bool) { *synchronous = true }
}

// Call returns a connection to other services through the proxy, for calls now whose
// results the handler waits for:
//
//	price, err := pricing.NewPricingClient(entity.Call(ctx)).Quote(ctx, item)
//
// It needs no configuration where the proxy has embedded the service; elsewhere it needs
// Service.ProxyAddr. Errors are those of gRPC. While a handler of an entity waits, its
// entity handles no other command. A call of an entity to itself, which would wait for ever,
// is refused with FAILED_PRECONDITION; a call in a circle through others ends with the
// deadline of its context, or the relay timeout of the proxy, which is a minute by default.
func Call(ctx context.Context) grpc.ClientConnInterface {
	if c := command.FromContext(ctx); c != nil {
		return c.CallConn()
	}
	return command.Outside("entity.Call")
}
