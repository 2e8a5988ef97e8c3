package testkit

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// maxPublished is how many events of a topic a test can look at.
const maxPublished = 10_000

// Publish publishes to a topic, as another program might: a protobuf message, an *anypb.Any of
// a primitive or of JSON, or an [eventing.Event] with attributes of its own. What it lacks it
// gets, such as "testkit" as its source.
func (k *Kit) Publish(topic string, value any) {
	k.tb.Helper()
	event, err := eventOf(value)
	if err == nil {
		err = k.proxy.Publish(k.context(), topic, event)
	}
	if err != nil {
		k.tb.Fatalf("testkit: publish to the topic %q: %v", topic, err)
	}
}

func eventOf(value any) (eventing.Event, error) {
	event := eventing.Event{Source: "testkit"}
	switch v := value.(type) {
	case eventing.Event:
		if v.Source == "" {
			v.Source = event.Source
		}
		return v, nil
	case *anypb.Any:
		return event, event.SetPayload(v)
	case proto.Message:
		payload, err := anypb.New(v)
		if err != nil {
			return event, err
		}
		return event, event.SetPayload(payload)
	default:
		return event, fmt.Errorf("a %T cannot be published, want a protobuf message, an *anypb.Any or an eventing.Event", value)
	}
}

// Published returns what was published to a topic, by methods and by the test, in order.
func (k *Kit) Published(topic string) []eventing.Event {
	k.tb.Helper()
	topics := k.proxy.Eventing.Topics
	if topics == nil {
		k.tb.Fatalf("testkit: the topic %q is not in the store: the proxy has another broker, or its store has no topics", topic)
	}
	messages, err := topics.ReadTopic(k.context(), topic, 0, maxPublished)
	if err != nil {
		k.tb.Fatalf("testkit: read the topic %q: %v", topic, err)
	}
	events := make([]eventing.Event, len(messages))
	for i, message := range messages {
		if err := events[i].UnmarshalBinary(message.Data); err != nil {
			k.tb.Fatalf("testkit: message %d of the topic %q: %v", i+1, topic, err)
		}
	}
	return events
}

// RequirePublished fails the test at once unless exactly this was published to a topic, in
// this order. It shows the difference. What it may be is as in [Kit.RequireEvents].
//
// Events are handled in the background, so a test waits with [Kit.Settle] before it asks what
// they have led to.
func (k *Kit) RequirePublished(topic string, want ...any) {
	k.tb.Helper()
	events := k.Published(topic)
	found := make([]*anypb.Any, len(events))
	for i, event := range events {
		payload, err := event.Payload()
		if err != nil {
			k.tb.Fatalf("testkit: event %d of the topic %q: %v", i+1, topic, err)
		}
		found[i] = payload
	}
	requireStored(k.tb, fmt.Sprintf("the topic %q", topic), want, found...)
}

// keepEventing lets a proxy find what it needs for eventing in its journal, which the kit is
// about to hide behind its own.
func keepEventing(p *proxy.Proxy) {
	e := &p.Eventing
	if e.EventLog == nil {
		e.EventLog, _ = p.Journal.(store.EventLog)
	}
	if e.Topics == nil && e.Broker == nil {
		e.Topics, _ = p.Journal.(store.Topics)
	}
	if e.Consumers == nil {
		e.Consumers, _ = p.Journal.(store.Consumers)
	}
}
