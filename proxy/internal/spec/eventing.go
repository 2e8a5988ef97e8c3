package spec

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A Consumer is the methods of a service that share the events of a source: each event
// goes to one of them.
type Consumer struct {
	store.Consumer

	methods map[protoreflect.FullName]*Method // by input type
}

// anyName is the full name of google.protobuf.Any.
const anyName = "google.protobuf.Any"

// Method returns the method that takes events of a type, or nil if there is none
// (protocol section 9.2).
func (c *Consumer) Method(typeURL string) *Method {
	host, name, _ := strings.Cut(typeURL, "/")
	if host == "p.cloudstate.io" || host == "json.cloudstate.io" {
		name = anyName
	}
	return cmp.Or(c.methods[protoreflect.FullName(name)], c.methods[anyName])
}

// Emits says whether an event sourced entity of the user function writes an event log.
func (s *Spec) Emits(persistenceID string) bool {
	return slices.ContainsFunc(s.Services, func(service *Service) bool {
		return service.EntityType == EventSourced && service.PersistenceID == persistenceID
	})
}

// addEventing adds what the annotations of the methods of a service say of events
// (protocol section 9.1).
func (s *Spec) addEventing(service *Service, opts Options) error {
	consumers := map[store.Consumer]*Consumer{}
	for _, m := range service.Methods {
		eventing, _ := proto.GetExtension(m.Descriptor.Options(), annotations.E_Eventing).(*annotations.Eventing)
		in, out := eventing.GetIn(), eventing.GetOut()
		if out != nil {
			if err := m.publishTo(out.GetTopic(), in.GetTopic(), opts); err != nil {
				return err
			}
		}
		if in == nil {
			continue
		}
		id, err := m.consumer(in, opts)
		if err != nil {
			return err
		}
		c := consumers[id]
		if c == nil {
			c = &Consumer{Consumer: id, methods: map[protoreflect.FullName]*Method{}}
			consumers[id] = c
			s.Consumers = append(s.Consumers, c)
		}
		input := m.Descriptor.Input().FullName()
		if other := c.methods[input]; other != nil {
			return invalid("Endpoints [%s] and [%s] both subscribe to the same event source with the same input type. If you wish to define two independent consumers of the same event source, use the consumer_group annotation on the source to identify them.", other.Descriptor.FullName(), m.Descriptor.FullName())
		}
		c.methods[input] = m
	}
	return nil
}

// publishTo sets where the replies of a method are published.
func (m *Method) publishTo(topic, from string, opts Options) error {
	switch {
	case topic == "":
		return invalid("Service call [%s] has declared an event out with no topic.", m.Descriptor.FullName())
	case topic == from:
		return invalid("Endpoint [%s] has the same input topic as output topic [%s], this is not allowed.", m.Descriptor.FullName(), topic)
	case opts.NoTopics:
		return invalid("Service call [%s] declares an event destination topic of [%s], but no topic support is configured.", m.Descriptor.FullName(), topic)
	}
	m.Topic = topic
	return nil
}

// consumer names the consumer that a method belongs to.
func (m *Method) consumer(in *annotations.EventSource, opts Options) (store.Consumer, error) {
	id := store.Consumer{Service: m.Service.Name, Group: cmp.Or(in.GetConsumerGroup(), m.Service.Name)}
	var unsupported bool
	switch {
	case in.GetTopic() != "":
		id.Kind, id.Source, unsupported = store.TopicSource, in.GetTopic(), opts.NoTopics
	case in.GetEventLog() != "":
		id.Kind, id.Source, unsupported = store.EventLogSource, in.GetEventLog(), opts.NoEventLog
	default:
		return id, invalid("Eventing consumer [%s] has declared an input with no source.", m.Descriptor.Input().FullName())
	}
	if unsupported {
		return id, invalid("Eventing consumer [%s] has declared a [%s] event source, but this event source isn't supported.", m.Descriptor.Input().FullName(), id.Kind)
	}
	return id, nil
}
