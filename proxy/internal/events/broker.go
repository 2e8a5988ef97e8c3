package events

import (
	"context"
	"fmt"

	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A Broker has its topics in a store. It is an [eventing.Broker] for one proxy.
type Broker struct {
	topics    store.Topics
	consumers store.Consumers
}

var _ eventing.Broker = (*Broker)(nil)

// NewBroker returns a broker for topics, with the positions of their consumers.
func NewBroker(topics store.Topics, consumers store.Consumers) *Broker {
	return &Broker{topics: topics, consumers: consumers}
}

// Publish implements [eventing.Broker].
func (b *Broker) Publish(ctx context.Context, topic string, event eventing.Event) error {
	message, err := event.MarshalBinary()
	if err != nil {
		return err
	}
	return b.topics.Publish(ctx, topic, message)
}

// Subscribe implements [eventing.Broker].
func (b *Broker) Subscribe(ctx context.Context, consumer eventing.Consumer) (eventing.Subscription, error) {
	c, err := newCursor(ctx, topicLog{topic: consumer.Topic, topics: b.topics}, store.Consumer{
		Kind: store.TopicSource, Source: consumer.Topic, Service: consumer.Service, Group: consumer.Group,
	}, b.consumers)
	if err != nil {
		return nil, fmt.Errorf("subscribe to topic %q: %w", consumer.Topic, err)
	}
	return c, nil
}
