package spec

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A restriction is what a kind of entity demands of its methods (protocol section
// 2.6). Actions have none, and ignore entity keys.
type restriction struct {
	// kind begins each text.
	kind string
	// streaming is what the kind does not support, and refuses tells which methods
	// have it.
	streaming string
	refuses   func(protoreflect.MethodDescriptor) bool
}

var restrictions = map[string]restriction{
	EventSourced: {kind: "Event sourced entities", streaming: "streamed methods", refuses: streamed},
	ValueEntity:  {kind: "Value based entities", streaming: "streamed methods", refuses: streamed},
	CRDT:         {kind: "CRDT entities", streaming: "streaming in from the client", refuses: protoreflect.MethodDescriptor.IsStreamingClient},
}

func streamed(m protoreflect.MethodDescriptor) bool {
	return m.IsStreamingClient() || m.IsStreamingServer()
}

// apply checks the methods of a service and prepares their keys.
func (r restriction) apply(service *Service) error {
	var streams, keyless, unfit []string
	for _, m := range service.Methods {
		if r.refuses(m.Descriptor) {
			streams = append(streams, m.Name)
		}
		fields := keyFields(m.Descriptor.Input())
		if len(fields) == 0 {
			keyless = append(keyless, m.Name)
		}
		for _, field := range fields {
			if what := unfitFor(field); what != "" {
				unfit = append(unfit, fmt.Sprintf("%s (%s is %s)", m.Name, field.FullName(), what))
				continue
			}
			m.keys = append(m.keys, newKey(field))
		}
	}
	switch {
	case len(streams) > 0:
		return invalid("%s do not support %s, but %s has the following streamed methods: %s", r.kind, r.streaming, service.Name, strings.Join(streams, ","))
	case len(keyless) > 0:
		return invalid("%s do not support methods whose parameters do not have at least one field marked as entity_key, but %s has the following methods without keys: %s", r.kind, service.Name, strings.Join(keyless, ","))
	case len(unfit) > 0:
		return invalid("%s do not support entity keys other than single strings, numbers, booleans and enums, but %s has the following methods with other keys: %s", r.kind, service.Name, strings.Join(unfit, ","))
	}
	return nil
}

// unfitFor says what makes a field useless as an entity key, because it has no
// canonical text (protocol section 7.4); "" if nothing does.
func unfitFor(field protoreflect.FieldDescriptor) string {
	switch kind := field.Kind(); {
	case field.IsMap():
		return "a map"
	case field.Cardinality() == protoreflect.Repeated:
		return "repeated"
	case kind == protoreflect.BytesKind:
		return "of type bytes"
	case kind == protoreflect.MessageKind:
		return "a message"
	case kind == protoreflect.GroupKind:
		return "a group"
	case !kind.IsValid():
		return "of an unknown type"
	default:
		return ""
	}
}

// checkPersistence makes sure that no two services would share state.
func checkPersistence(services []*Service) error {
	type namespace struct{ entityType, id string }
	owners := make(map[namespace]string, len(services))
	for _, s := range services {
		if s.EntityType == Action {
			continue
		}
		if s.PersistenceID == "" && s.EntityType != CRDT {
			return invalid("Service [%s] has no persistence id; set one, because the state of its entities is stored under it", s.Name)
		}
		space := namespace{s.EntityType, s.PersistenceID}
		if owner, taken := owners[space]; taken {
			return invalid("Services [%s] and [%s] have the same persistence id [%s]; give each its own, because they would share the state of their entities", owner, s.Name, s.PersistenceID)
		}
		owners[space] = s.Name
	}
	return nil
}
