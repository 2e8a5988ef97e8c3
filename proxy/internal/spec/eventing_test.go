package spec_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

func fromTopic(topic, group string) *annotations.EventSource {
	return &annotations.EventSource{ConsumerGroup: group, Source: &annotations.EventSource_Topic{Topic: topic}}
}

func fromLog(persistenceID, group string) *annotations.EventSource {
	return &annotations.EventSource{ConsumerGroup: group, Source: &annotations.EventSource_EventLog{EventLog: persistenceID}}
}

func toTopic(topic string) *annotations.EventDestination {
	return &annotations.EventDestination{Destination: &annotations.EventDestination_Topic{Topic: topic}}
}

// eventing annotates a method.
func eventing(m *descriptorpb.MethodDescriptorProto, in *annotations.EventSource, out *annotations.EventDestination) *descriptorpb.MethodDescriptorProto {
	m.Options = &descriptorpb.MethodOptions{}
	proto.SetExtension(m.GetOptions(), annotations.E_Eventing, &annotations.Eventing{In: in, Out: out})
	return m
}

// takesAny is a method that takes everything.
func takesAny(name string) *descriptorpb.MethodDescriptorProto {
	return &descriptorpb.MethodDescriptorProto{Name: &name, InputType: new(".google.protobuf.Any"), OutputType: new(".test.Keyed")}
}

// eventingAnswer is what a user function says that has actions of package test.
func eventingAnswer(tb testing.TB, services ...*descriptorpb.ServiceDescriptorProto) *protocol.EntitySpec {
	tb.Helper()
	f := serviceFile(services...)
	f.Dependency = append(f.Dependency, "google/protobuf/any.proto")
	entities := make([]*protocol.Entity, len(services))
	for i, s := range services {
		entities[i] = entity(spec.Action, "test."+s.GetName())
	}
	return answer(tb, files(protodesc.ToFileDescriptorProto(anypb.File_google_protobuf_any_proto), f), entities...)
}

// P-206: the exact texts of section 9.1.
func TestNew_RefusesAnnotationsThatConflictOrAreIncomplete(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		methods []*descriptorpb.MethodDescriptorProto
		opts    spec.Options
		want    string // empty if it is fine
	}{
		"in and out are the same topic": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), fromTopic("t", ""), toTopic("t"))),
			want:    "Endpoint [test.S.A] has the same input topic as output topic [t], this is not allowed.",
		},
		"in and out are different topics": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), fromTopic("t", ""), toTopic("u"))),
		},
		"an event log and a topic of the same name are different": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), fromLog("t", ""), toTopic("t"))),
		},
		"two methods with the same input type and source": {
			methods: rpcs(
				eventing(rpc("A", "Keyed", "Keyed"), fromTopic("t", "g"), nil),
				eventing(rpc("B", "Keyed", "Keyed"), fromTopic("t", "g"), nil),
			),
			want: "Endpoints [test.S.A] and [test.S.B] both subscribe to the same event source with the same input type. If you wish to define two independent consumers of the same event source, use the consumer_group annotation on the source to identify them.",
		},
		"the service is the default group": {
			methods: rpcs(
				eventing(rpc("A", "Keyed", "Keyed"), fromLog("e", ""), nil),
				eventing(rpc("B", "Keyed", "Keyed"), fromLog("e", "test.S"), nil),
			),
			want: "Endpoints [test.S.A] and [test.S.B] both subscribe to the same event source with the same input type. If you wish to define two independent consumers of the same event source, use the consumer_group annotation on the source to identify them.",
		},
		"two methods with the same input type in different groups": {
			methods: rpcs(
				eventing(rpc("A", "Keyed", "Keyed"), fromTopic("t", "g"), nil),
				eventing(rpc("B", "Keyed", "Keyed"), fromTopic("t", "h"), nil),
			),
		},
		"two methods with the same input type and different sources": {
			methods: rpcs(
				eventing(rpc("A", "Keyed", "Keyed"), fromTopic("t", ""), nil),
				eventing(rpc("B", "Keyed", "Keyed"), fromLog("t", ""), nil),
			),
		},
		"out without a topic": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), nil, &annotations.EventDestination{})),
			want:    "Service call [test.S.A] has declared an event out with no topic.",
		},
		"out with an empty topic": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), nil, toTopic(""))),
			want:    "Service call [test.S.A] has declared an event out with no topic.",
		},
		"out without topic support": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), nil, toTopic("t"))),
			opts:    spec.Options{NoTopics: true},
			want:    "Service call [test.S.A] declares an event destination topic of [t], but no topic support is configured.",
		},
		"in without a source": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), &annotations.EventSource{ConsumerGroup: "g"}, nil)),
			want:    "Eventing consumer [test.Keyed] has declared an input with no source.",
		},
		"in with an empty topic": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), fromTopic("", ""), nil)),
			want:    "Eventing consumer [test.Keyed] has declared an input with no source.",
		},
		"in without topic support": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), fromTopic("t", ""), nil)),
			opts:    spec.Options{NoTopics: true},
			want:    "Eventing consumer [test.Keyed] has declared a [topic] event source, but this event source isn't supported.",
		},
		"in without event log support": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), fromLog("e", ""), nil)),
			opts:    spec.Options{NoEventLog: true},
			want:    "Eventing consumer [test.Keyed] has declared a [event_log] event source, but this event source isn't supported.",
		},
		"support that nobody needs": {
			methods: rpcs(rpc("A", "Keyed", "Keyed"), eventing(rpc("B", "Keyed", "Keyed"), nil, nil)),
			opts:    spec.Options{NoEventLog: true, NoTopics: true},
		},
		"out alone, A-38": {
			methods: rpcs(eventing(rpc("A", "Keyed", "Keyed"), nil, toTopic("t"))),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.New(eventingAnswer(t, service("S", tt.methods...)), tt.opts)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			requireInvalid(t, err, tt.want)
		})
	}
}

// Methods that share source and group are one consumer; each service has its own.
func TestNew_GroupsConsumers(t *testing.T) {
	t.Parallel()
	s, err := spec.New(eventingAnswer(t,
		service("S",
			eventing(rpc("A", "Keyed", "Keyed"), fromLog("carts", ""), toTopic("out")),
			rpc("B", "Keyed", "Keyed"),
			eventing(rpc("C", "Keyless", "Keyed"), fromLog("carts", ""), nil),
			eventing(rpc("D", "Keyed", "Keyed"), fromTopic("carts", "g"), nil),
			eventing(rpc("E", "Keyed", "Keyed"), fromLog("carts", "g"), nil),
		),
		service("T", eventing(rpc("A", "Keyed", "Keyed"), fromTopic("carts", "g"), nil)),
	), spec.Options{})
	require.NoError(t, err)
	ids := make([]store.Consumer, 0, len(s.Consumers))
	for _, c := range s.Consumers {
		ids = append(ids, c.Consumer)
	}
	require.Equal(t, []store.Consumer{
		{Kind: store.EventLogSource, Source: "carts", Service: "test.S", Group: "test.S"},
		{Kind: store.TopicSource, Source: "carts", Service: "test.S", Group: "g"},
		{Kind: store.EventLogSource, Source: "carts", Service: "test.S", Group: "g"},
		{Kind: store.TopicSource, Source: "carts", Service: "test.T", Group: "g"},
	}, ids)
	method := func(name string) *spec.Method { return s.Service("test.S").Method(name) }
	require.Same(t, method("A"), s.Consumers[0].Method("type.googleapis.com/test.Keyed"))
	require.Same(t, method("C"), s.Consumers[0].Method("type.googleapis.com/test.Keyless"))
	require.Equal(t, "out", method("A").Topic)
	require.Empty(t, method("B").Topic)
}

// Section 9.2, P-202: which method gets an event.
func TestConsumer_DispatchesByType(t *testing.T) {
	t.Parallel()
	typed := eventing(rpc("Typed", "Keyed", "Keyed"), fromTopic("t", "typed"), nil)
	both := []*descriptorpb.MethodDescriptorProto{
		eventing(rpc("One", "Keyed", "Keyed"), fromTopic("t", "both"), nil),
		eventing(takesAny("Rest"), fromTopic("t", "both"), nil),
	}
	s, err := spec.New(eventingAnswer(t, service("S", append(both, typed)...)), spec.Options{})
	require.NoError(t, err)
	tests := map[string]struct{ both, typed string }{
		"type.googleapis.com/test.Keyed":      {"One", "Typed"},
		"example.com/test.Keyed":              {"One", "Typed"},
		"type.googleapis.com/test.Keyless":    {"Rest", ""},
		"example.com/path/test.Keyed":         {"Rest", ""}, // the name is what follows the first slash
		"test.Keyed":                          {"Rest", ""},
		"json.cloudstate.io/test.Keyed":       {"Rest", ""},
		"p.cloudstate.io/string":              {"Rest", ""},
		"type.googleapis.com/":                {"Rest", ""},
		"":                                    {"Rest", ""},
		"type.googleapis.com/" + anyTypeName:  {"Rest", ""},
		"xjson.cloudstate.io/test.Keyed":      {"One", "Typed"},
		"type.googleapis.com/test.Keyed/more": {"Rest", ""},
	}
	for url, tt := range tests {
		for i, want := range []string{tt.both, tt.typed} {
			got := ""
			if m := s.Consumers[i].Method(url); m != nil {
				got = m.Name
			}
			require.Equal(t, want, got, "%s at consumer %d", url, i)
		}
	}
}

const anyTypeName = "google.protobuf.Any"
