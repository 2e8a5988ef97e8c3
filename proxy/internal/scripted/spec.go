package scripted

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// The services that a scripted user function has: two of event sourced entities, one of
// value entities, one of CRDT entities, and an action. Each has the methods Ask, which
// returns an answer, and Tell, which returns nothing. That of CRDTs also has the method
// Watch, which streams answers out. The action also has the methods In, Out and Both, which
// stream questions in, answers out, and both, and Take, which takes anything.
const (
	First  = "scripted.First"
	Second = "scripted.Second"
	Value  = "scripted.Value"
	CRDT   = "scripted.CRDT"
	Action = "scripted.Action"
)

// PersistenceID returns the namespace of the stored state of a service.
func PersistenceID(service string) string {
	return service + " journal"
}

// Spec returns what a scripted user function says of itself.
func Spec(tb testing.TB) *protocol.EntitySpec {
	tb.Helper()
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto),
		protodesc.ToFileDescriptorProto(annotations.File_cloudstate_entity_key_proto),
		protodesc.ToFileDescriptorProto(anypb.File_google_protobuf_any_proto),
		protodesc.ToFileDescriptorProto(emptypb.File_google_protobuf_empty_proto),
		file(),
	}}
	encoded, err := proto.Marshal(set)
	require.NoError(tb, err)
	return &protocol.EntitySpec{
		Proto: encoded,
		Entities: []*protocol.Entity{
			{EntityType: eventsourcedpb.EventSourced_ServiceDesc.ServiceName, ServiceName: First, PersistenceId: PersistenceID(First)},
			{EntityType: eventsourcedpb.EventSourced_ServiceDesc.ServiceName, ServiceName: Second, PersistenceId: PersistenceID(Second)},
			{EntityType: valueentitypb.ValueEntity_ServiceDesc.ServiceName, ServiceName: Value, PersistenceId: PersistenceID(Value)},
			{EntityType: crdtpb.Crdt_ServiceDesc.ServiceName, ServiceName: CRDT, PersistenceId: PersistenceID(CRDT)},
			{EntityType: actionpb.ActionProtocol_ServiceDesc.ServiceName, ServiceName: Action},
		},
		ServiceInfo: &protocol.ServiceInfo{
			ServiceName:          "scripted",
			ProtocolMajorVersion: protocol.MajorVersion,
			ProtocolMinorVersion: protocol.MinorVersion,
		},
	}
}

// file returns the .proto file of the services.
func file() *descriptorpb.FileDescriptorProto {
	field := func(number int32, name string, key bool) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name:     new(name),
			JsonName: new(name),
			Number:   new(number),
			Label:    descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			Type:     descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		}
		if key {
			options := &descriptorpb.FieldOptions{}
			proto.SetExtension(options, annotations.E_EntityKey, true)
			f.Options = options
		}
		return f
	}
	service := func(name string, streamed ...*descriptorpb.MethodDescriptorProto) *descriptorpb.ServiceDescriptorProto {
		return &descriptorpb.ServiceDescriptorProto{Name: new(name), Method: append([]*descriptorpb.MethodDescriptorProto{
			{Name: new("Ask"), InputType: new(".scripted.Question"), OutputType: new(".scripted.Answer")},
			{Name: new("Tell"), InputType: new(".scripted.Question"), OutputType: new(".google.protobuf.Empty")},
		}, streamed...)}
	}
	stream := func(name string, in, out bool) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{
			Name: new(name), InputType: new(".scripted.Question"), OutputType: new(".scripted.Answer"),
			ClientStreaming: new(in), ServerStreaming: new(out),
		}
	}
	take := &descriptorpb.MethodDescriptorProto{Name: new("Take"), InputType: new(".google.protobuf.Any"), OutputType: new(".scripted.Answer")}
	return &descriptorpb.FileDescriptorProto{
		Name:       new("scripted.proto"),
		Package:    new("scripted"),
		Syntax:     new("proto3"),
		Dependency: []string{annotations.File_cloudstate_entity_key_proto.Path(), anypb.File_google_protobuf_any_proto.Path(), emptypb.File_google_protobuf_empty_proto.Path()},
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: new("Question"), Field: []*descriptorpb.FieldDescriptorProto{field(1, "id", true), field(2, "text", false)}},
			{Name: new("Answer"), Field: []*descriptorpb.FieldDescriptorProto{field(1, "text", false)}},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{
			service("First"), service("Second"), service("Value"),
			service("CRDT", stream("Watch", false, true)),
			service("Action", take, stream("In", true, false), stream("Out", false, true), stream("Both", true, true)),
		},
	}
}

// QuestionURL is the type URL of what every method takes.
const QuestionURL = protocol.TypeURLPrefix + "scripted.Question"

// Question returns the input of a method: the entity, and a text.
func Question(id, text string) *anypb.Any {
	value := protowire.AppendTag(nil, 1, protowire.BytesType)
	value = protowire.AppendString(value, id)
	value = protowire.AppendTag(value, 2, protowire.BytesType)
	return &anypb.Any{TypeUrl: QuestionURL, Value: protowire.AppendString(value, text)}
}

// Answer returns the output of Ask.
func Answer(text string) *anypb.Any {
	value := protowire.AppendTag(nil, 1, protowire.BytesType)
	return &anypb.Any{TypeUrl: protocol.TypeURLPrefix + "scripted.Answer", Value: protowire.AppendString(value, text)}
}

// Nothing returns the output of Tell.
func Nothing() *anypb.Any {
	return &anypb.Any{TypeUrl: protocol.TypeURLPrefix + "google.protobuf.Empty"}
}

// Event returns an event that only a test understands.
func Event(text string) *anypb.Any {
	return &anypb.Any{TypeUrl: "json.cloudstate.io/event", Value: []byte(text)}
}

// Replied returns the client action of a reply.
func Replied(payload *anypb.Any) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: &protocol.Reply{Payload: payload}}}
}

// Forwarded returns the client action of a forward.
func Forwarded(service, command string, payload *anypb.Any) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Forward{
		Forward: &protocol.Forward{ServiceName: service, CommandName: command, Payload: payload},
	}}
}

// Annotate lets a method get events, or publish its replies.
func Annotate(tb testing.TB, es *protocol.EntitySpec, service, method string, eventing *annotations.Eventing) {
	tb.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	require.NoError(tb, proto.Unmarshal(es.GetProto(), set)) //nolint:forbidigo // the test has encoded it
	eventingFile := protodesc.ToFileDescriptorProto(annotations.File_cloudstate_eventing_proto)
	if !slices.ContainsFunc(set.GetFile(), func(f *descriptorpb.FileDescriptorProto) bool { return f.GetName() == eventingFile.GetName() }) {
		set.File = append(set.File, eventingFile)
	}
	found := false
	for _, f := range set.GetFile() {
		for _, s := range f.GetService() {
			for _, m := range s.GetMethod() {
				if f.GetPackage()+"."+s.GetName() == service && m.GetName() == method {
					found = true
					m.Options = &descriptorpb.MethodOptions{}
					proto.SetExtension(m.GetOptions(), annotations.E_Eventing, eventing)
				}
			}
		}
	}
	require.True(tb, found, "there is no %s.%s", service, method)
	encoded, err := proto.Marshal(set)
	require.NoError(tb, err)
	es.Proto = encoded
}

// FromTopic returns an annotation of a method that consumes a topic.
func FromTopic(topic, group string) *annotations.Eventing {
	return &annotations.Eventing{In: &annotations.EventSource{ConsumerGroup: group, Source: &annotations.EventSource_Topic{Topic: topic}}}
}

// FromLog returns an annotation of a method that consumes the events of a service.
func FromLog(service, group string) *annotations.Eventing {
	return &annotations.Eventing{In: &annotations.EventSource{ConsumerGroup: group, Source: &annotations.EventSource_EventLog{EventLog: PersistenceID(service)}}}
}

// ToTopic adds a topic for the replies to an annotation, which may be nil.
func ToTopic(eventing *annotations.Eventing, topic string) *annotations.Eventing {
	return &annotations.Eventing{In: eventing.GetIn(), Out: &annotations.EventDestination{Destination: &annotations.EventDestination_Topic{Topic: topic}}}
}
