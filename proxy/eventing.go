package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/backoff"
	"github.com/cloudstate-go/cloudstate/proxy/internal/events"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// What the zero values of settings stand for.
const (
	defaultMinBackoff  = 3 * time.Second
	defaultMaxBackoff  = 30 * time.Second
	defaultMaxAttempts = 10
)

// Eventing says how methods get the events that their annotations ask for, and where their
// replies are published (protocol section 9). The zero value is ready for use.
//
// Every event is handled at least once, one after the other for each consumer. A consumer is
// run by each proxy that has it: proxies do not divide the work among each other, unless a
// Broker does that for its topics.
//
// A method has the RelayTimeout of the proxy for each delivery of an event, its stream of
// replies included. After that its call is cancelled, and the delivery has failed. An entity is
// not told: what it does later counts, and it may get the event once more. Synchronous side
// effects of the method are waited for all the same; on an action that never answers, they keep
// the consumer waiting until the proxy stops.
type Eventing struct {
	// EventLog has the events of all entities. Nil means Journal, if it is one; if it is
	// not, methods cannot consume event logs.
	EventLog store.EventLog

	// Topics keeps topics. Nil means Journal, if it has topics; if it has none, methods
	// cannot consume topics, nor publish.
	Topics store.Topics

	// Broker has topics elsewhere, in place of Topics. Nil means none. It is not closed by
	// the proxy.
	Broker eventing.Broker

	// Consumers keeps how far consumers have come, and dead letters. Nil means Journal, if
	// it does that; if it does not, methods cannot consume anything.
	Consumers store.Consumers

	// MinBackoff is how long to wait before an event that was not handled is delivered
	// again. The pause doubles each time, up to MaxBackoff; up to a fifth of it is added
	// at random. Zero means 3 and 30 seconds.
	MinBackoff, MaxBackoff time.Duration

	// MaxAttempts is how often an event is delivered; a delivery that takes too long counts as
	// well. If it was not handled then, it becomes a dead letter, and the next one has its
	// turn. Zero means 10; negative means without end.
	MaxAttempts int

	// AcceptFailures takes an event for handled when its method answers with a failure, as
	// the reference proxy does. Methods that publish their replies must still reply.
	AcceptFailures bool
}

// eventStores are the parts of a store that eventing needs. Each may be nil.
type eventStores struct {
	log       store.EventLog
	broker    eventing.Broker
	consumers store.Consumers
}

// eventStores returns what there is, in part from the journal.
func (p *Proxy) eventStores(journal store.Journal) (eventStores, error) {
	found := eventStores{log: p.Eventing.EventLog, broker: p.Eventing.Broker, consumers: p.Eventing.Consumers}
	if found.consumers == nil {
		found.consumers, _ = journal.(store.Consumers)
	}
	if found.consumers == nil {
		if found.broker != nil {
			return eventStores{}, errors.New("proxy: Eventing.Broker is set, but nothing keeps the events that cannot be handled; set Eventing.Consumers, or Journal, to a store that is a store.Consumers")
		}
		return eventStores{}, nil
	}
	if found.log == nil {
		found.log, _ = journal.(store.EventLog)
	}
	topics := p.Eventing.Topics
	if topics == nil {
		topics, _ = journal.(store.Topics)
	}
	if found.broker == nil && topics != nil {
		found.broker = events.NewBroker(topics, found.consumers)
	}
	return found, nil
}

func (e Eventing) backoff() backoff.Backoff {
	return backoff.Backoff{Min: positive(e.MinBackoff, defaultMinBackoff), Max: positive(e.MaxBackoff, defaultMaxBackoff)}
}

func (e Eventing) maxAttempts() int {
	if e.MaxAttempts == 0 {
		return defaultMaxAttempts
	}
	return e.MaxAttempts
}

// openEventing makes the consumers of the user function, which do not start before the
// proxy is ready.
func (s *session) openEventing(life context.Context, limit time.Duration) {
	r, settings := s.running, s.proxy.Eventing
	r.router.PublishWith(events.Publisher(life, s.stores.broker, limit))
	r.consumers = events.New(life, events.Config{
		Consumers:      r.spec.Consumers,
		EventLog:       s.stores.log,
		Broker:         s.stores.broker,
		Store:          s.stores.consumers,
		Deliver:        r.router.Deliver,
		Ready:          s.link.ready,
		Report:         s.reporter.Report,
		Timeout:        limit,
		Backoff:        settings.backoff(),
		MaxAttempts:    settings.maxAttempts(),
		AcceptFailures: settings.AcceptFailures,
	})
	for _, c := range r.spec.Consumers {
		if c.Kind == store.EventLogSource && !r.spec.Emits(c.Source) {
			s.logger.LogAttrs(life, slog.LevelWarn, "a consumer has an event log that no entity of the user function writes; is the persistence id spelled as there?",
				slog.String("service", c.Service), slog.String("event_log", c.Source))
		}
	}
}

var errNotReady = errors.New("proxy: it does not serve yet; wait for Ready")

// Publish publishes an event to a topic, for programs and tests that have no method which does
// that. An event without ID, SpecVersion or Time gets a random one, "1.0" and the current
// time; Source is required. It fails before the proxy is ready. After an error the event may
// have been published or not.
func (p *Proxy) Publish(ctx context.Context, topic string, event eventing.Event) error {
	running := p.running.Load()
	switch {
	case running == nil:
		return errNotReady
	case running.stores.broker == nil:
		return fmt.Errorf("proxy: publish to topic %q: no topic support is configured; set Eventing.Broker, or Journal to a store that has topics", topic)
	}
	if event.ID == "" {
		event.ID = uuid.NewString()
	}
	if event.SpecVersion == "" {
		event.SpecVersion = eventing.SpecVersion
	}
	if event.Time.IsZero() {
		event.Time = time.Now().UTC()
	}
	if err := event.Validate(); err != nil {
		return fmt.Errorf("proxy: publish to topic %q: %w", topic, err)
	}
	if err := running.stores.broker.Publish(ctx, topic, event); err != nil {
		return fmt.Errorf("proxy: publish to topic %q: %w", topic, err)
	}
	return nil
}

// A DeadLetter is an event that its consumer has given up, after as many attempts as
// [Eventing].MaxAttempts says.
type DeadLetter struct {
	// ID names the dead letter. Later ones have higher numbers.
	ID uint64
	// Consumer is who has given up.
	Consumer store.Consumer
	// Event is what was not handled.
	Event eventing.Event
	// Attempts is how often it was delivered.
	Attempts int
	// Reason is why it was not handled the last time.
	Reason string
	// Time is when it was given up.
	Time time.Time
}

// DeadLetters returns the first dead letters whose ID is higher than after, at most limit, in
// the order in which they were given up. It fails before the proxy is ready, and if one of them
// cannot be decoded; the error says its ID.
func (p *Proxy) DeadLetters(ctx context.Context, after uint64, limit int) ([]DeadLetter, error) {
	if limit <= 0 {
		return nil, fmt.Errorf("proxy: read at most %d dead letters: want a positive limit, such as 100", limit)
	}
	running, err := p.withConsumers()
	if err != nil {
		return nil, err
	}
	stored, err := events.DeadLetters(ctx, running.stores.consumers, after, limit)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	letters := make([]DeadLetter, len(stored))
	for i, s := range stored {
		letters[i] = DeadLetter{ID: s.ID, Consumer: s.Consumer, Event: s.Event, Attempts: s.Attempts, Reason: s.Reason, Time: s.Time}
	}
	return letters, nil
}

// Redeliver delivers a dead letter once more to its consumer, and removes it if that has
// handled it; if not, it returns the reason. It does not wait for the events that the
// consumer has before it, nor keep any order with them. When the proxy stops, it is aborted at
// the end of the grace period.
func (p *Proxy) Redeliver(ctx context.Context, id uint64) error {
	running, err := p.withConsumers()
	if err != nil {
		return err
	}
	if err := running.consumers.Redeliver(ctx, id); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	return nil
}

// Discard removes a dead letter for good. It does nothing if there is none.
func (p *Proxy) Discard(ctx context.Context, id uint64) error {
	running, err := p.withConsumers()
	if err != nil {
		return err
	}
	if err := running.stores.consumers.RemoveDeadLetter(ctx, id); err != nil {
		return fmt.Errorf("proxy: discard dead letter %d: %w", id, err)
	}
	return nil
}

// withConsumers returns what runs, if it is ready and has dead letters.
func (p *Proxy) withConsumers() (*running, error) {
	running := p.running.Load()
	switch {
	case running == nil:
		return nil, errNotReady
	case running.stores.consumers == nil:
		return nil, errors.New("proxy: the store keeps no dead letters; set Eventing.Consumers, or Journal, to one that is a store.Consumers")
	}
	return running, nil
}
