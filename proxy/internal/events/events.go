// Package events feeds events to the methods that consume them, and publishes the replies
// of methods (protocol section 9).
//
// A consumer has a goroutine of its own, which takes one event at a time, in order, from the
// event log of the store or from a topic of a broker, and calls the method for it through the
// router. An event is done when its method has handled it, or when it is among the dead
// letters, whichever comes first; the position of the consumer in its source is saved after
// that. So every event is handled at least once.
package events

import (
	"context"
	"sync"
	"time"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/backoff"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A Config is what consumers need. All fields but the last are required, of the sources only
// those that consumers have.
type Config struct {
	// Consumers are those of the user function.
	Consumers []*spec.Consumer
	// EventLog has the events of entities.
	EventLog store.EventLog
	// Broker has the topics.
	Broker eventing.Broker
	// Store has the positions in event logs, and all dead letters.
	Store store.Consumers
	// Deliver calls a method, as [routing.Router.Deliver] does.
	Deliver func(ctx context.Context, command *routing.Command, send func(*protocol.Reply) error) error
	// Ready waits until the user function can be reached.
	Ready func(ctx context.Context) error
	// Report is called with each event that was not handled, and with what goes wrong with
	// a source.
	Report func(context.Context, routing.Fault)
	// Timeout limits how long a method may take to handle an event. Positive.
	Timeout time.Duration
	// Backoff is how long to wait before something is tried again.
	Backoff backoff.Backoff
	// MaxAttempts is how often an event is delivered before it is a dead letter. Negative
	// for no limit.
	MaxAttempts int
	// AcceptFailures takes an event for handled if its method has answered with a failure,
	// and has no topic for its replies.
	AcceptFailures bool
}

// Consumers are the consumers of a user function.
type Consumers struct {
	config    Config
	consumers map[store.Consumer]*consumer
	start     func(*consumer)
	// atEnd lets something be cancelled when life ends, until the result is called.
	atEnd   func(cancel func()) (stop func() bool)
	stop    context.CancelFunc
	running sync.WaitGroup
}

// New returns consumers that have not started. When the context ends, they abort what they are
// doing. Stop and Wait must be called in any case.
func New(life context.Context, config Config) *Consumers {
	work, stop := context.WithCancel(life)
	all := &Consumers{config: config, consumers: map[store.Consumer]*consumer{}, stop: stop}
	all.start = func(c *consumer) { all.running.Go(func() { c.run(work, life) }) }
	all.atEnd = func(cancel func()) func() bool { return context.AfterFunc(life, cancel) }
	for _, described := range config.Consumers {
		all.consumers[described.Consumer] = &consumer{Consumer: described, config: &all.config}
	}
	return all
}

// Start lets all consumers begin.
func (c *Consumers) Start() {
	for _, consumer := range c.consumers {
		c.start(consumer)
	}
}

// Stop lets each consumer finish the event that it has in hand, save its position, and end. It
// does not wait.
func (c *Consumers) Stop() { c.stop() }

// Wait waits until all consumers have ended, after Stop.
func (c *Consumers) Wait() { c.running.Wait() }
