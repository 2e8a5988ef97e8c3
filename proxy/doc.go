// Package proxy is the other side of the wire: it keeps the state of entities, and
// routes the calls of clients to them.
//
// A user function has the code of entities, and nothing else; a proxy has everything
// else. It discovers what the user function serves, accepts gRPC and HTTP calls for that,
// activates the entity that a call is for by replaying its journal, sends it one
// command at a time, and stores what happened before the client gets an answer. It
// speaks only the Cloudstate protocol, so the user function may be written in any
// language.
//
// In one process, for development, tests and small deployments:
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os"
//		"os/signal"
//
//		"github.com/cloudstate-go/cloudstate"
//		"github.com/cloudstate-go/cloudstate/proxy"
//
//		"example.com/shop/shoppingcart" // has an event sourced Entity
//	)
//
//	func main() {
//		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
//		defer stop()
//		service := &cloudstate.Service{
//			Name:       "shopping-cart",
//			Components: []cloudstate.Component{shoppingcart.Entity},
//		}
//		p := &proxy.Proxy{UserFunction: proxy.Embed(service)}
//		if err := p.Run(ctx); err != nil { // until ctx ends, at 127.0.0.1:9000
//			log.Fatal(err)
//		}
//	}
//
// For a user function in another process, the field is set to
//
//	proxy.Dial("127.0.0.1:8080")
//
// # Clients
//
// Clients speak gRPC, or HTTP/1.1 on the same port: JSON by the google.api.http rules of
// methods, or POST /package.Service/Method where there is none, and gRPC-Web. Streams come
// as lines of JSON, or as server-sent events. See [HTTP], and docs/http.md in the
// repository.
//
// # Stores
//
// Without a [store.Journal], events and states are kept in memory, and forgotten when the
// process ends. A Journal that is also a [store.Values] keeps states of value entities, and one
// that is a [store.Descriptors] what tools need to look into it; fields of the Proxy name others.
// CRDTs are kept by the proxies of a cluster for each other, and if there are
// [store.Replicas], when none of these runs. Package store says what a store must promise.
//
// # Events
//
// Methods get the events of entities and of topics, and their replies are published, as
// annotations in the .proto file say; see [Eventing]. A Journal that is also a
// [store.EventLog], has [store.Topics] and keeps [store.Consumers], as that in memory does, is
// all that it takes.
//
// # Failures, and metrics
//
// What clients see when an entity or the user function fails is fixed by the protocol
// and says little. Logger and OnFault get the cause, each fault once. Observe is told of
// everything that happens to entities and commands; see package observe.
//
// # What it serves
//
// Event sourced entities, value entities, CRDT entities and actions, with side effects
// and forwards between all of them.
//
// CRDT entities are kept in memory by every proxy of a [cluster.Transport]. Without
// [store.Replicas] they are gone when the last of them has stopped.
//
// A command of an entity happens once it has been sent to it, even if its client leaves;
// so do side effects, and forwards to entities. A call of an action, forwarded or not, is
// the client's own: it ends when the client leaves, and has the client's deadline.
package proxy
