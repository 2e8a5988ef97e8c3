// Package crdts runs CRDT entities: each live one has a runner, which owns its stream to
// the user function of this node, and keeps what that holds and the replica the same
// (protocol section 3.5).
//
// A runner is started by the first command for its entity, and ends when that leaves
// memory. Commands are not queued: several may be under way, and replies come in any
// order. While one is, the user function is told nothing of what other nodes do; then it
// gets the difference, at once.
package crdts

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/relay"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replication"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// A Config is what entities need. All fields but the last are required.
type Config struct {
	// UserFunction has the entities.
	UserFunction grpc.ClientConnInterface
	// Node has their replicas.
	Node *replication.Node
	// PassivationTimeout is when an idle entity leaves memory, unless its service says
	// otherwise.
	PassivationTimeout time.Duration
	// RelayTimeout limits how long a client waits for the first answer, and how long the
	// user function may take to end a stream that has been half-closed.
	RelayTimeout time.Duration
	// StreamBuffer limits how many bytes wait for a client that reads its stream slowly.
	StreamBuffer int
	// Complete is called with the response to a command whose client has left. It does
	// not block.
	Complete func(context.Context, *routing.Command, *routing.Response)
	// Report is called with what goes wrong.
	Report func(context.Context, routing.Fault)
	// Tell is Report for what the developer of the user function should know as well.
	Tell func(context.Context, routing.Fault)
	// Metadata lets commands carry the metadata of calls.
	Metadata bool
}

// Entities runs the CRDT entities of a user function. It is a [routing.Kind] and may be
// used concurrently.
type Entities struct {
	config       Config
	relay        *relay.Relay
	userFunction crdtpb.CrdtClient
	start        func(*runner)
	ended        sync.WaitGroup // runners

	mu       sync.Mutex
	runners  map[entity]*runner
	draining bool
	closed   bool
}

// An entity is what a runner runs.
type entity struct{ relay.Entity }

// key returns the name under which an entity is replicated. A service without a
// persistence id has its own name (protocol section 2.5).
func (e entity) key() replication.Key {
	if e.Service.PersistenceID == "" {
		return replication.Key{Type: e.Service.Name, ID: e.ID}
	}
	return replication.Key{Type: e.Service.PersistenceID, ID: e.ID}
}

var (
	_ routing.Kind    = (*Entities)(nil)
	_ routing.Starter = (*Entities)(nil)
)

// New returns the CRDT entities of a user function, none of them active. When the context
// ends, all that goes on is aborted. Close must be called in any case.
func New(ctx context.Context, config Config) *Entities {
	e := &Entities{config: config, userFunction: crdtpb.NewCrdtClient(config.UserFunction), runners: map[entity]*runner{}}
	e.relay = &relay.Relay{Timeout: config.RelayTimeout, Buffer: config.StreamBuffer, Complete: config.Complete, Submit: e.submit}
	e.start = func(r *runner) { e.ended.Go(func() { r.run(ctx) }) }
	return e
}

// Handle implements [routing.Kind]. It returns when the entity has answered or ended
// the stream, when there is no answer within the relay timeout, or when the context ends.
func (e *Entities) Handle(ctx context.Context, command *routing.Command, respond func(*routing.Response) error) error {
	return e.Start(ctx, command)(respond)
}

// Start implements [routing.Starter].
func (e *Entities) Start(ctx context.Context, command *routing.Command) func(respond func(*routing.Response) error) error {
	return e.relay.Start(ctx, command)
}

// submit hands a call to the runner of its entity, and returns nil after Close.
func (e *Entities) submit(call *relay.Call) relay.Host {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	to := entity{call.To}
	r := e.runners[to]
	if r == nil {
		r = &runner{entity: to, entities: e, inbox: newInbox(), replica: e.config.Node.Entity(to.key())}
		e.runners[to] = r
		e.start(r)
	}
	r.inbox.put(func() { r.command(call) })
	return r
}

// retire removes a runner, unless it has something to do.
func (e *Entities) retire(r *runner) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !r.inbox.empty() {
		return false
	}
	delete(e.runners, r.entity)
	e.config.Node.Release(r.replica)
	return true
}

// Passivate lets an entity leave memory as soon as no command is under way and no stream
// is open (P-129), and waits for that. It does nothing if the entity is not active.
func (e *Entities) Passivate(ctx context.Context, service *spec.Service, id string) error {
	gone := make(chan struct{})
	e.mu.Lock()
	r := e.runners[entity{relay.Entity{Service: service, ID: id}}]
	if r != nil {
		r.inbox.put(func() { r.passivating = append(r.passivating, gone) })
	}
	e.mu.Unlock()
	if r == nil {
		return nil
	}
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("passivate %s %q: it is still at work: %w", service.Name, id, ctx.Err())
	}
}

// Drain ends all streams of clients with OK, after the responses that they have got, and
// any that is opened from now on after its first response (P-130). The user function learns
// that the clients have gone. Commands are carried out as before.
func (e *Entities) Drain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.draining = true
	for _, r := range e.runners {
		r.inbox.put(r.drain)
	}
}

// Close refuses further commands with UNAVAILABLE, drains the entities, and waits until
// all have finished what they have, and left memory.
func (e *Entities) Close() {
	e.Drain()
	e.mu.Lock()
	e.closed = true
	for _, r := range e.runners {
		r.inbox.wake()
	}
	e.mu.Unlock()
	e.ended.Wait()
}

// Settled reports whether every user function holds what the replica of this node has, and
// no command is under way that might change it.
func (e *Entities) Settled() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.runners {
		if !r.isSettled() {
			return false
		}
	}
	return true
}

func (e *Entities) phase() (draining, closed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.draining, e.closed
}
