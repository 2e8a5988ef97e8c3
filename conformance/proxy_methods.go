package conformance

import (
	httprules "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

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

// imported are the files that the declaration of such a service imports.
var imported = []protoreflect.FileDescriptor{
	annotations.File_cloudstate_entity_key_proto, annotations.File_cloudstate_eventing_proto,
	httprules.File_google_api_annotations_proto, anypb.File_google_protobuf_any_proto,
}

// declaring adds a service with these methods to the models.
func declaring(entityType string, methods ...method) respec {
	add := files(func(set *descriptorpb.FileDescriptorSet) {
		known := map[string]bool{}
		for _, file := range set.GetFile() {
			known[file.GetName()] = true
		}
		for _, path := range imported {
			addFile(set, known, path)
		}
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

// withOption returns a method with an option.
func withOption(name string, extension protoreflect.ExtensionType, value any) method {
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, extension, value)
	return method{name: name, options: options}
}

// declaredName is the service that a check declares.
const declaredName = "declared.Service"

// field returns a field that is a text, unless it is changed.
func field(name string, number int32, change ...func(*descriptorpb.FieldDescriptorProto)) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{
		Name: new(name), JsonName: new(name), Number: new(number),
		Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	for _, c := range change {
		c(f)
	}
	return f
}

func isKey(f *descriptorpb.FieldDescriptorProto) {
	f.Options = &descriptorpb.FieldOptions{}
	proto.SetExtension(f.GetOptions(), annotations.E_EntityKey, true)
}

func isRepeated(f *descriptorpb.FieldDescriptorProto) {
	f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
}

// is returns what makes a field one of a message or an enum.
func is(kind descriptorpb.FieldDescriptorProto_Type, name string) func(*descriptorpb.FieldDescriptorProto) {
	return func(f *descriptorpb.FieldDescriptorProto) { f.Type, f.TypeName = kind.Enum(), new(name) }
}

// declaration returns the file with that service. Its messages have fields of all sorts.
func declaration(methods []method) *descriptorpb.FileDescriptorProto {
	const isMessage, isEnum = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, descriptorpb.FieldDescriptorProto_TYPE_ENUM
	service := &descriptorpb.ServiceDescriptorProto{Name: new("Service")}
	for _, m := range methods {
		input := ".declared.Keyed"
		if m.keyless {
			input = ".declared.Keyless"
		}
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
			Name: new(m.name), InputType: new(input), OutputType: new(".declared.Keyless"), Options: m.options,
			ClientStreaming: new(m.streamsIn), ServerStreaming: new(m.streamsOut),
		})
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: new("declared.proto"), Package: new("declared"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{
				Name: new("Keyed"),
				Field: []*descriptorpb.FieldDescriptorProto{
					field("id", 1, isKey), field("list", 2, isRepeated), field("inner", 3, is(isMessage, ".declared.Keyless")),
					field("choice", 4, is(isEnum, ".declared.Choice")), field("map", 5, is(isMessage, ".declared.Keyed.MapEntry"), isRepeated),
				},
				NestedType: []*descriptorpb.DescriptorProto{{
					Name: new("MapEntry"), Options: &descriptorpb.MessageOptions{MapEntry: new(true)},
					Field: []*descriptorpb.FieldDescriptorProto{field("key", 1), field("value", 2)},
				}},
			},
			{Name: new("Keyless"), Field: []*descriptorpb.FieldDescriptorProto{field("text", 1)}},
		},
		EnumType: []*descriptorpb.EnumDescriptorProto{{
			Name: new("Choice"), Value: []*descriptorpb.EnumValueDescriptorProto{{Name: new("NONE"), Number: new(int32(0))}},
		}},
		Service: []*descriptorpb.ServiceDescriptorProto{service},
	}
	for _, dependency := range imported {
		file.Dependency = append(file.Dependency, dependency.Path())
	}
	return file
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
