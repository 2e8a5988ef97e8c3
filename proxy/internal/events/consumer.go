package events

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/backoff"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A consumer consumes one source. All of it but deliver belongs to one goroutine.
type consumer struct {
	*spec.Consumer

	config   *Config
	progress bool // whether something has been received since the last subscription
}

// run consumes until work ends, and aborts what it is doing when life ends. It subscribes
// again when the source fails.
func (c *consumer) run(work, life context.Context) {
	for failures := 0; ; failures++ {
		c.progress = false
		err := c.consume(work, life)
		switch {
		case life.Err() != nil:
			return
		case work.Err() != nil:
			if err != nil {
				c.report(life, nil, err)
			}
			return
		case c.progress:
			failures = 0
		}
		delay := c.config.Backoff.Delay(failures)
		c.report(life, nil, fmt.Errorf("the consumer %v has stopped, and starts again in %v where it has left off: %w", c.Consumer.Consumer, delay.Round(time.Millisecond), err))
		if backoff.Sleep(work, delay) != nil {
			return
		}
	}
}

// consume subscribes, and handles events until work ends or the source fails.
func (c *consumer) consume(work, life context.Context) (err error) {
	subscription, err := c.subscribe(work)
	if err != nil {
		return unlessOver(work, err)
	}
	defer func() { err = errors.Join(err, subscription.Close(life)) }()
	for work.Err() == nil {
		delivery, err := subscription.Receive(work)
		if err != nil {
			return unlessOver(work, err)
		}
		c.progress = true
		if err := c.handle(work, life, subscription, delivery); err != nil {
			return unlessOver(work, err)
		}
		if err := subscription.Ack(life); err != nil {
			return err
		}
	}
	return nil
}

// unlessOver returns an error, but nil if it is only that the work is over.
func unlessOver(work context.Context, err error) error {
	if work.Err() != nil && errors.Is(err, work.Err()) {
		return nil
	}
	return err
}

func (c *consumer) subscribe(ctx context.Context) (eventing.Subscription, error) {
	if c.Kind == store.EventLogSource {
		return newCursor(ctx, eventLog{persistenceID: c.Source, log: c.config.EventLog}, c.Consumer.Consumer, c.config.Store)
	}
	return c.config.Broker.Subscribe(ctx, eventing.Consumer{Topic: c.Source, Service: c.Service, Group: c.Group})
}

// handle delivers an event until it has been handled, or has become a dead letter. It
// returns an error if neither has happened.
func (c *consumer) handle(work, life context.Context, subscription eventing.Subscription, delivery eventing.Delivery) error {
	for attempts := delivery.Attempts + 1; ; attempts++ {
		if err := c.config.Ready(work); err != nil {
			return err
		}
		err := c.deliver(life, delivery.Event)
		if err == nil {
			return nil
		}
		if life.Err() != nil {
			return err // that is why it has failed
		}
		if c.config.MaxAttempts >= 0 && attempts >= c.config.MaxAttempts {
			return c.bury(life, delivery.Event, attempts, err)
		}
		delay := c.config.Backoff.Delay(attempts - 1)
		c.report(life, &delivery.Event, fmt.Errorf("attempt %d to handle %s of %v has failed, the next follows in %v: %w",
			attempts, describe(delivery.Event), c.Consumer.Consumer, delay.Round(time.Millisecond), err))
		if err := subscription.Retry(life, attempts); err != nil {
			return err
		}
		if err := backoff.Sleep(work, delay); err != nil {
			return err
		}
	}
}

// describe names an event in logs and errors.
func describe(event eventing.Event) string {
	return fmt.Sprintf("event %q from %q of type %q", event.ID, event.Source, event.Type)
}

// deliver calls the method for an event, and waits until it has handled it, or the time is
// over. It may be called concurrently.
func (c *consumer) deliver(ctx context.Context, event eventing.Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the proxy panicked: %v\n%s", p, debug.Stack())
		}
	}()
	payload, err := event.Payload()
	if err != nil {
		return err
	}
	method := c.Method(payload.GetTypeUrl())
	if method == nil {
		return fmt.Errorf("No method can be found to handle protobuf type of [%s] on input %s %q. Add one, or one that takes google.protobuf.Any.", payload.GetTypeUrl(), c.Kind, c.Source) //nolint:revive,staticcheck // the text is the protocol's
	}
	limited, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	replies := 0
	err = c.config.Deliver(limited, &routing.Command{Method: method, Payload: payload, Metadata: metadataOf(event), Event: true}, func(*protocol.Reply) error {
		replies++
		return nil
	})
	_, failed := errors.AsType[*routing.FailureError](err)
	switch {
	case failed && c.config.AcceptFailures && method.Topic == "":
		return nil
	case err != nil && limited.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("%s has not handled it within %v: %w", method.Descriptor.FullName(), c.config.Timeout, err)
	case err != nil:
		return err
	case method.Topic != "" && replies == 0 && !method.Descriptor.IsStreamingServer():
		return fmt.Errorf("%s has not replied, so there is nothing to publish to topic %q; reply, or stream replies to publish none", method.Descriptor.FullName(), method.Topic)
	}
	return nil
}

// report reports a fault of the consumer, at an event or without one.
func (c *consumer) report(ctx context.Context, at *eventing.Event, err error) {
	fault := routing.Fault{Service: c.Service, Err: err}
	if at != nil {
		fault.Command = c.command(*at)
	}
	c.config.Report(ctx, fault)
}

// command returns the name of the method for an event, or "".
func (c *consumer) command(event eventing.Event) string {
	payload, err := event.Payload()
	if err != nil {
		return ""
	}
	if method := c.Method(payload.GetTypeUrl()); method != nil {
		return method.Name
	}
	return ""
}
