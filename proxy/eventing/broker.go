package eventing

import "context"

// A Broker has topics. Its methods may be called concurrently.
type Broker interface {
	// Publish adds an event, which is valid, to a topic. When it returns without error, the
	// event is as durable as the broker makes it. After an error it may be there or not:
	// whoever publishes it again may have it twice. Of two calls, one after the other, the
	// first event comes first in the topic.
	//
	// The broker keeps nothing of the event that the caller could change.
	Publish(ctx context.Context, topic string, event Event) error

	// Subscribe lets a consumer receive the events of a topic, from the first that it has not
	// acknowledged. A topic exists as soon as somebody publishes or subscribes to it. Of
	// events that were published before the first subscription of a consumer, it gets what the
	// broker still has.
	//
	// The context is for Subscribe alone.
	Subscribe(ctx context.Context, consumer Consumer) (Subscription, error)
}

// A Consumer is who consumes a topic. Each consumer gets all events. There is one
// subscription of a consumer at a time in a proxy; if there are several proxies, they share
// its events in a way that the broker decides.
type Consumer struct {
	// Topic is what is consumed.
	Topic string
	// Service is the full name of the service whose methods consume it.
	Service string
	// Group is the consumer group. It is the name of the service unless an annotation says
	// otherwise. Two services with the same group are two consumers.
	Group string
}

// A Subscription delivers the events of a topic to one consumer, one at a time. It is used
// by one goroutine.
type Subscription interface {
	// Receive waits for the next event. It is called again after Ack, or after it has
	// returned an error. However long the proxy takes for an event, no other subscription gets
	// it before Close.
	Receive(ctx context.Context) (Delivery, error)

	// Retry notes that the event has failed, for the given number of times since it was first
	// received, and will be tried again. The broker tells that number to a later
	// subscription, if it can.
	Retry(ctx context.Context, attempts int) error

	// Ack says that the event has been dealt with, and all before it. The broker may take
	// note later, such as for many events at once, but at the latest when Receive has
	// nothing more to return, or with Close. After an error the events since the last one that
	// it has noted will be delivered once more to another subscription.
	Ack(ctx context.Context) error

	// Close notes what was acknowledged, and ends the subscription in any case.
	Close(ctx context.Context) error
}

// A Delivery is an event on its way to a consumer.
type Delivery struct {
	// Event belongs to the receiver.
	Event Event
	// Attempts is how often it has failed before, as far as the broker knows.
	Attempts int
}
