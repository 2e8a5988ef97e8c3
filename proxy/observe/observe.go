// Package observe defines what a proxy tells of its work, for metrics: what happens to
// entities and commands, how often, how long it takes, and how many bytes it concerns (protocol
// section 10.3).
//
// A [proxy.Proxy] whose field Observe is set asks it once for each service, and calls what it
// returns with everything that happens to its components from then on:
//
//	p := &proxy.Proxy{
//		UserFunction: proxy.Embed(service),
//		Observe: func(service observe.Service) observe.Observer {
//			return func(o observe.Observation) {
//				if o.What == observe.CommandCompleted {
//					latency.Observe(service.PersistenceID, o.Took)
//				}
//			}
//		},
//	}
//
// The program cloudstate makes Prometheus metrics of it.
//
// [proxy.Proxy]: https://pkg.go.dev/github.com/cloudstate-go/cloudstate/proxy#Proxy
package observe

import "time"

// A Service is what an observer is asked for.
type Service struct {
	// Kind is the kind of its components.
	Kind Kind
	// Name is the full name of the gRPC service.
	Name string
	// PersistenceID is the namespace of the state of its entities. It may be empty for
	// CRDT entities and actions.
	PersistenceID string
}

// A Kind is one of entities, or that of actions.
type Kind uint8

// The kinds of the protocol.
const (
	EventSourced Kind = iota + 1
	ValueEntity
	CRDT
	Action
)

// An Observer is told of one service. It is called concurrently, while commands wait, and in
// places where it must not call the proxy.
type Observer func(Observation)

// An Observation is something that happened.
type Observation struct {
	// What happened.
	What What
	// Count is how often, mostly once.
	Count int
	// Bytes is the size of all of them together, as encoded google.protobuf.Any, where What
	// says so.
	Bytes int
	// Took is how long it took, where What says so.
	Took time.Duration
}

// What happened: see the constants.
type What uint8

// What happens to entities. All but the actions have them.
const (
	// Activated is that an entity begins a stay in memory.
	Activated What = iota + 1
	// Passivated is that a stay has ended, in whatever way. Took is the stay.
	Passivated
	// Failed is that a stay ends in an unplanned way. Passivated follows.
	Failed
	// Recovered is that the user function has been sent what was stored. Took has Load.
	// CRDT entities do not have it.
	Recovered

	// LoadedEvents, LoadedSnapshots and LoadedValues were sent during recovery. They have
	// Count and Bytes.
	LoadedEvents
	LoadedSnapshots
	LoadedValues

	// Persisted is that a store has acknowledged a write. Took is how long that was. What
	// was written follows.
	Persisted
	// PersistedEvents, PersistedSnapshots and PersistedValues have Count and Bytes.
	PersistedEvents
	PersistedSnapshots
	PersistedValues
	// DeletedValues are those of value entities.
	DeletedValues
)

// What happens to commands of entities, and to calls of actions.
const (
	// CommandReceived is that a command has come, from a client or from another component.
	CommandReceived What = iota + 64
	// CommandStashed is that it has to wait for others of its entity. Value entities and
	// event sourced entities have it.
	CommandStashed
	// CommandUnstashed is that it does not wait any more: it is its turn, or the entity has
	// failed, or nobody wants it any more. Took is how long it waited.
	CommandUnstashed
	// CommandProcessed is that the user function has answered it. Took is how long that
	// was. Actions do not have it.
	CommandProcessed
	// CommandFailed is that its outcome is a failure, of the component or on the way.
	// CommandCompleted follows.
	CommandFailed
	// CommandCompleted is that it has an outcome, or that its client does not wait any
	// longer. Took is how long that was, from CommandReceived on. What it is forwarded to is
	// a command of its own.
	CommandCompleted
)
