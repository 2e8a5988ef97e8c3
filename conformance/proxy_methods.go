package conformance

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
)

// A method is one of the service that a check declares, between good ones.
type method struct {
	name       string
	keyless    bool
	streamsIn  bool
	streamsOut bool
	options    *descriptorpb.MethodOptions
}

// declaring adds a service with these methods to the models.
func declaring(entityType string, methods ...method) respec {
	add := files(func(set *descriptorpb.FileDescriptorSet) {
		known := map[string]bool{}
		for _, file := range set.GetFile() {
			known[file.GetName()] = true
		}
		addFile(set, known, annotations.File_cloudstate_entity_key_proto)
		set.File = append(set.File, declaration(methods))
	})
	return func(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
		spec, err := add(spec)
		if err != nil {
			return nil, err
		}
		spec.Entities = append(spec.Entities, &protocol.Entity{EntityType: entityType, ServiceName: declaredName, PersistenceId: "declared"})
		return spec, nil
	}
}

// declaredName is the service that a check declares.
const declaredName = "declared.Service"

// declaration returns the file with that service.
func declaration(methods []method) *descriptorpb.FileDescriptorProto {
	field := func(name string, number int32, options *descriptorpb.FieldOptions) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: new(name), JsonName: new(name), Number: new(number), Options: options,
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	key := &descriptorpb.FieldOptions{}
	proto.SetExtension(key, annotations.E_EntityKey, true)
	service := &descriptorpb.ServiceDescriptorProto{Name: new("Service")}
	for _, m := range methods {
		input, output := ".declared.Keyed", ".declared.Keyless"
		if m.keyless {
			input = ".declared.Keyless"
		}
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
			Name: new(m.name), InputType: new(input), OutputType: new(output), Options: m.options,
			ClientStreaming: new(m.streamsIn), ServerStreaming: new(m.streamsOut),
		})
	}
	return &descriptorpb.FileDescriptorProto{
		Name: new("declared.proto"), Package: new("declared"), Syntax: new("proto3"),
		Dependency: []string{annotations.File_cloudstate_entity_key_proto.Path()},
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: new("Keyed"), Field: []*descriptorpb.FieldDescriptorProto{field("id", 1, key), field("text", 2, nil)}},
			{Name: new("Keyless"), Field: []*descriptorpb.FieldDescriptorProto{field("text", 1, nil)}},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{service},
	}
}

// refusedMethods returns a check for each kind of service and of method that it does not
// have, and for those that it has.
func refusedMethods() scenarios[*rig] {
	good := method{name: "Good"}
	in, out, both := method{name: "In", streamsIn: true}, method{name: "Out", streamsOut: true}, method{name: "Both", streamsIn: true, streamsOut: true}
	keyless := []method{good, {name: "One", keyless: true}, {name: "Two", keyless: true}}
	streamedText := ", but " + declaredName + " has the following streamed methods: "
	keylessText := " do not support methods whose parameters do not have at least one field marked as entity_key, but " +
		declaredName + " has the following methods without keys: One,Two"
	return scenarios[*rig]{
		"event sourced, streamed":      refusesSpec(declaring(eventSourcedType, good, in, out, both), "Event sourced entities do not support streamed methods"+streamedText+"In,Out,Both"),
		"event sourced, key-less":      refusesSpec(declaring(eventSourcedType, keyless...), "Event sourced entities"+keylessText),
		"value entities, streamed":     refusesSpec(declaring(valueEntityType, good, in, out, both), "Value based entities do not support streamed methods"+streamedText+"In,Out,Both"),
		"value entities, key-less":     refusesSpec(declaring(valueEntityType, keyless...), "Value based entities"+keylessText),
		"CRDT entities, streamed":      refusesSpec(declaring(crdtType, good, in, out, both), "CRDT entities do not support streaming in from the client"+streamedText+"In,Both"),
		"CRDT entities, key-less":      refusesSpec(declaring(crdtType, keyless...), "CRDT entities"+keylessText),
		"CRDT entities may stream out": acceptsSpec(declaring(crdtType, good, out)),
		"actions may have all":         acceptsSpec(declaring(actionType, good, in, out, both, keyless[1])),
	}
}
