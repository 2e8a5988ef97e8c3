// Package entities runs the entities of a user function that take one command at a
// time: each live one has a runner, which owns its stream to the user function, its
// queue and its place in the store (protocol sections 3.3 and 3.4).
//
// A runner is started by the first command for its entity. It activates the entity
// (opens a stream and sends what is stored), then sends one command at a time, and
// stores what each changes before anybody sees its answer. It ends when the entity
// has been idle for a while, and no command is lost to that: what arrives while an
// activation ends waits for the next one.
//
// What sets the kinds of entities apart, their protocol and their store, is behind the
// interfaces kind and stream.
package entities

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/proxy/internal/relay"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A Config is what entities need. All fields but the last are required, of the stores
// only the one of the kind.
type Config struct {
	// UserFunction has the entities.
	UserFunction grpc.ClientConnInterface
	// Journal keeps the events of event sourced entities.
	Journal store.Journal
	// Values keeps the states of value entities.
	Values store.Values
	// PassivationTimeout is when an idle entity leaves memory, unless its service
	// says otherwise.
	PassivationTimeout time.Duration
	// RelayTimeout limits how long a client waits for an answer, how long the outcome
	// of a write may stay unknown, and how long the user function may take to end a
	// stream that has been half-closed.
	RelayTimeout time.Duration
	// Complete is called with the response to a command whose client has left. It does
	// not block.
	Complete func(context.Context, *routing.Command, *routing.Response)
	// Report is called with everything that goes wrong.
	Report func(context.Context, routing.Fault)
	// Metadata lets commands carry the metadata of calls.
	Metadata bool
}

// Runners run the entities of one kind. They are a [routing.Kind] and may be used
// concurrently.
type Runners struct {
	kind   kind
	config Config
	relay  *relay.Relay
	start  func(*runner)
	ended  sync.WaitGroup // runners

	mu      sync.Mutex
	runners map[entity]*runner
	closed  bool
}

// An entity is what a runner runs.
type entity struct{ relay.Entity }

// key returns the name under which an entity is stored.
func (e entity) key() store.Key {
	return store.Key{Type: e.Service.PersistenceID, ID: e.ID}
}

var (
	_ routing.Kind    = (*Runners)(nil)
	_ routing.Starter = (*Runners)(nil)
)

// newRunners returns runners for a kind, none of them active.
func newRunners(ctx context.Context, kind kind, config Config) *Runners {
	e := &Runners{kind: kind, config: config, runners: map[entity]*runner{}}
	e.relay = &relay.Relay{Timeout: config.RelayTimeout, Complete: config.Complete, Submit: e.submit}
	e.start = func(r *runner) { e.ended.Go(func() { r.run(ctx) }) }
	return e
}

// Handle implements [routing.Kind]. It returns when the entity has answered, after
// the relay timeout, or when the context ends. A command that is still queued then
// is never sent to the user function; one that is under way is completed, and its
// response goes to Config.Complete.
func (e *Runners) Handle(ctx context.Context, command *routing.Command, respond func(*routing.Response) error) error {
	return e.Start(ctx, command)(respond)
}

// Start implements [routing.Starter]: the command has its place in the queue of its entity
// when it returns.
func (e *Runners) Start(ctx context.Context, command *routing.Command) func(respond func(*routing.Response) error) error {
	return e.relay.Start(ctx, command)
}

// submit hands a call to the runner of its entity, and returns nil after Close.
func (e *Runners) submit(call *relay.Call) relay.Host {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	to := entity{call.To}
	r := e.runners[to]
	if r == nil {
		r = newRunner(e, to)
		e.runners[to] = r
		e.start(r)
	}
	r.queue.push(call)
	return r.queue
}

// retire removes a runner, unless commands wait for it.
func (e *Runners) retire(r *runner) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !r.queue.retire() {
		return false
	}
	delete(e.runners, r.entity)
	return true
}

// Passivate lets an entity finish the commands that it has and leave memory, and
// waits for that. It does nothing if the entity is not active.
func (e *Runners) Passivate(ctx context.Context, service *spec.Service, id string) error {
	e.mu.Lock()
	r := e.runners[entity{relay.Entity{Service: service, ID: id}}]
	e.mu.Unlock()
	if r == nil {
		return nil
	}
	select {
	case <-r.queue.seal():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("passivate %s %q: it is still at work: %w", service.PersistenceID, id, ctx.Err())
	}
}

// Close refuses further commands with UNAVAILABLE, lets every entity finish those
// that it has, and waits until all have left memory.
func (e *Runners) Close() {
	e.mu.Lock()
	e.closed = true
	for _, r := range e.runners {
		r.queue.seal()
	}
	e.mu.Unlock()
	e.ended.Wait()
}

// closing says whether Close has been called.
func (e *Runners) closing() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}
