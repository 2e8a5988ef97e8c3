package spec_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// shoppingCart is the service of the example.
const shoppingCart = "com.example.shoppingcart.ShoppingCart"

// cartFiles are the files of the example, dependencies first.
func cartFiles() []*descriptorpb.FileDescriptorProto {
	var files []*descriptorpb.FileDescriptorProto
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i))
		}
		files = append(files, protodesc.ToFileDescriptorProto(file))
	}
	add(shoppingcartpb.File_shoppingcart_shoppingcart_proto)
	return files
}

// answer is what a user function of version 0.2 with these files and entities says.
func answer(tb testing.TB, files []*descriptorpb.FileDescriptorProto, entities ...*protocol.Entity) *protocol.EntitySpec {
	tb.Helper()
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: files})
	require.NoError(tb, err)
	return &protocol.EntitySpec{
		Proto:       set,
		Entities:    entities,
		ServiceInfo: &protocol.ServiceInfo{ServiceName: "shop", ProtocolMinorVersion: 2},
	}
}

// cartAnswer is what the shopping cart says.
func cartAnswer(tb testing.TB) *protocol.EntitySpec {
	tb.Helper()
	return answer(tb, cartFiles(), entity(spec.EventSourced, shoppingCart))
}

// entity declares a service with its name as persistence id.
func entity(entityType, service string) *protocol.Entity {
	return &protocol.Entity{EntityType: entityType, ServiceName: service, PersistenceId: service}
}

// file is a proto3 file of package test.
func file(name string, dependencies ...string) *descriptorpb.FileDescriptorProto {
	return &descriptorpb.FileDescriptorProto{
		Name: &name, Package: new("test"), Syntax: new("proto3"), Dependency: dependencies,
	}
}

// message is a message with fields that are numbered from 1.
func message(name string, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
	for i, f := range fields {
		if f.Number == nil {
			f.Number = new(int32(i + 1))
		}
	}
	return &descriptorpb.DescriptorProto{Name: &name, Field: fields}
}

// field is a field; a message or enum type begins with a dot.
func field(name string, kind descriptorpb.FieldDescriptorProto_Type, typeName string) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{
		Name: &name, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	if typeName != "" {
		f.TypeName = &typeName
	}
	return f
}

// entityKey marks a field.
func entityKey(f *descriptorpb.FieldDescriptorProto) *descriptorpb.FieldDescriptorProto {
	return marked(f, annotations.E_EntityKey, true)
}

func marked(f *descriptorpb.FieldDescriptorProto, option protoreflect.ExtensionType, value bool) *descriptorpb.FieldDescriptorProto {
	if f.GetOptions() == nil {
		f.Options = &descriptorpb.FieldOptions{}
	}
	proto.SetExtension(f.GetOptions(), option, value)
	return f
}

// rpc is a method on messages of package test.
func rpc(name, input, output string) *descriptorpb.MethodDescriptorProto {
	return &descriptorpb.MethodDescriptorProto{Name: &name, InputType: new(".test." + input), OutputType: new(".test." + output)}
}

func streamIn(m *descriptorpb.MethodDescriptorProto) *descriptorpb.MethodDescriptorProto {
	m.ClientStreaming = new(true)
	return m
}

func streamOut(m *descriptorpb.MethodDescriptorProto) *descriptorpb.MethodDescriptorProto {
	m.ServerStreaming = new(true)
	return m
}

func service(name string, methods ...*descriptorpb.MethodDescriptorProto) *descriptorpb.ServiceDescriptorProto {
	return &descriptorpb.ServiceDescriptorProto{Name: &name, Method: methods}
}

// serviceFile is a file with the messages Keyed and Keyless and services.
func serviceFile(services ...*descriptorpb.ServiceDescriptorProto) *descriptorpb.FileDescriptorProto {
	f := file("test.proto")
	f.MessageType = []*descriptorpb.DescriptorProto{
		message("Keyed", entityKey(field("id", descriptorpb.FieldDescriptorProto_TYPE_STRING, ""))),
		message("Keyless", field("id", descriptorpb.FieldDescriptorProto_TYPE_STRING, "")),
	}
	f.Service = services
	return f
}

func files(f ...*descriptorpb.FileDescriptorProto) []*descriptorpb.FileDescriptorProto {
	return slices.Clone(f)
}
