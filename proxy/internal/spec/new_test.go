package spec_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	httpannotations "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// The entity types are the names of the protocol services.
func TestEntityTypes_AreTheProtocolServices(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		actionpb.ActionProtocol_ServiceDesc.ServiceName,
		crdtpb.Crdt_ServiceDesc.ServiceName,
		eventsourcedpb.EventSourced_ServiceDesc.ServiceName,
		valueentitypb.ValueEntity_ServiceDesc.ServiceName,
	}, spec.EntityTypes())
	require.Equal(t, []string{spec.Action, spec.CRDT, spec.EventSourced, spec.ValueEntity}, spec.EntityTypes())
}

func TestNew_DescribesTheServices(t *testing.T) {
	t.Parallel()
	es := cartAnswer(t)
	es.Entities[0].PersistenceId = "cart"
	es.Entities[0].PassivationStrategy = passivateAfter(100)

	s, err := spec.New(es, spec.Options{})
	require.NoError(t, err)
	require.Equal(t, "shop", s.Info.GetServiceName())
	require.Equal(t, len(cartFiles()), s.Files.NumFiles())
	require.Len(t, s.Services, 1)

	cart := s.Services[0]
	require.Equal(t, shoppingCart, cart.Name)
	require.Equal(t, spec.EventSourced, cart.EntityType)
	require.Equal(t, "cart", cart.PersistenceID)
	require.Equal(t, 100*time.Millisecond, cart.PassivationTimeout)
	require.Same(t, cart, s.Service(shoppingCart))
	require.Nil(t, s.Service("com.example.shoppingcart.Cart"))

	names := make([]string, 0, 3)
	for _, m := range cart.Methods {
		names = append(names, m.Name)
		require.Same(t, cart, m.Service)
		require.Same(t, m, cart.Method(m.Name))
		require.Same(t, m, s.MethodByPath(m.Path()))
	}
	require.Equal(t, []string{"AddItem", "RemoveItem", "GetCart"}, names)
	require.Nil(t, cart.Method("Checkout"))
	require.Nil(t, s.MethodByPath("/com.example.shoppingcart.ShoppingCart/Checkout"))

	add := cart.Method("AddItem")
	require.Equal(t, "/com.example.shoppingcart.ShoppingCart/AddItem", add.Path())
	require.Equal(t, "type.googleapis.com/com.example.shoppingcart.AddLineItem", add.InputURL)
	require.Equal(t, "type.googleapis.com/google.protobuf.Empty", add.OutputURL)
	require.True(t, add.OutputIsEmpty())
	require.False(t, cart.Method("GetCart").OutputIsEmpty())
	// Options are known, although the descriptor set comes as bytes (section 1.7).
	http, ok := proto.GetExtension(add.Descriptor.Options(), httpannotations.E_Http).(*httpannotations.HttpRule)
	require.True(t, ok)
	require.Equal(t, "/cart/{user_id}/items/add", http.GetPost())
}

// A file keeps what the user function sent, down to the fields nobody knows.
func TestSpec_FileSource(t *testing.T) {
	t.Parallel()
	f := serviceFile(service("S"))
	unknown := []byte{0xfa, 0xff, 0x03, 0x01, 'x'} // field 8191
	f.ProtoReflect().SetUnknown(unknown)
	f.SourceCodeInfo = &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
		{Path: []int32{4, 0}, Span: []int32{1, 2, 3}, LeadingComments: new("Keyed has a key.")},
	}}
	s, err := spec.New(answer(t, files(f), entity(spec.Action, "test.S")), spec.Options{})
	require.NoError(t, err)

	var got descriptorpb.FileDescriptorProto
	require.NoError(t, proto.Unmarshal(s.FileSource("test.proto"), &got))
	require.True(t, proto.Equal(f, &got))
	require.Nil(t, s.FileSource("other.proto"))
}

func passivateAfter(ms int64) *protocol.EntityPassivationStrategy {
	return &protocol.EntityPassivationStrategy{Strategy: &protocol.EntityPassivationStrategy_Timeout{
		Timeout: &protocol.TimeoutPassivationStrategy{Timeout: ms},
	}}
}

// a timeout that is not positive leaves it to the proxy.
func TestNew_PassivationTimeout(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		strategy *protocol.EntityPassivationStrategy
		want     time.Duration
	}{
		"none":             {nil, 0},
		"an empty one":     {&protocol.EntityPassivationStrategy{}, 0},
		"zero":             {passivateAfter(0), 0},
		"negative":         {passivateAfter(-1), 0},
		"30 s":             {passivateAfter(30_000), 30 * time.Second},
		"longer than ever": {passivateAfter(1<<63 - 1), math.MaxInt64 / 1_000_000 * 1_000_000},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			es := cartAnswer(t)
			es.Entities[0].PassivationStrategy = tt.strategy
			s, err := spec.New(es, spec.Options{})
			require.NoError(t, err)
			require.Equal(t, tt.want, s.Services[0].PassivationTimeout)
		})
	}
}

// P-010, P-011: the version must match exactly, unless nobody looks.
func TestNew_Version(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		info *protocol.ServiceInfo
		want string
	}{
		"older":        {&protocol.ServiceInfo{ProtocolMinorVersion: 1}, "Incompatible protocol version 0.1, only 0.2 is supported"},
		"newer":        {&protocol.ServiceInfo{ProtocolMinorVersion: 3}, "Incompatible protocol version 0.3, only 0.2 is supported"},
		"other major":  {&protocol.ServiceInfo{ProtocolMajorVersion: 1, ProtocolMinorVersion: 2}, "Incompatible protocol version 1.2, only 0.2 is supported"},
		"no info":      {nil, "Incompatible protocol version 0.0, only 0.2 is supported"},
		"no version":   {&protocol.ServiceInfo{ServiceName: "shop"}, "Incompatible protocol version 0.0, only 0.2 is supported"},
		"other spec 0": {&protocol.ServiceInfo{ProtocolMinorVersion: -2}, "Incompatible protocol version 0.-2, only 0.2 is supported"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			es := cartAnswer(t)
			es.ServiceInfo = tt.info
			_, err := spec.New(es, spec.Options{})
			requireInvalid(t, err, tt.want)

			s, err := spec.New(es, spec.Options{SkipVersionCheck: true})
			require.NoError(t, err)
			require.NotNil(t, s.Info)
		})
	}
}

func requireInvalid(t *testing.T, err error, want string) {
	t.Helper()
	var invalid *spec.ValidationError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, want, invalid.Text)
	require.EqualError(t, err, want)
}

// P-012: the exact texts of sections 2.3 and 2.6.
func TestNew_RefusesWhatCannotBeRouted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		es   *protocol.EntitySpec
		opts spec.Options
		want string
	}{
		"no entities": {
			es:   answer(t, cartFiles()),
			want: "No entities were reported by the discover call!",
		},
		"unknown service": {
			es:   answer(t, cartFiles(), entity(spec.Action, "com.example.Other")),
			want: "Service [com.example.Other] not found in descriptors!",
		},
		"a message is no service": {
			es:   answer(t, cartFiles(), entity(spec.Action, "com.example.shoppingcart.Cart")),
			want: "Service [com.example.shoppingcart.Cart] not found in descriptors!",
		},
		"no service name": {
			es:   answer(t, cartFiles(), entity(spec.Action, "")),
			want: "Service [] not found in descriptors!",
		},
		"event sourced without a journal": {
			es:   cartAnswer(t),
			opts: spec.Options{EntityTypes: []string{spec.Action}},
			want: "Service [com.example.shoppingcart.ShoppingCart] has declared an event sourced entity, however, this proxy does not have a configured store, or is using a store that doesn't support event sourced journals. A store that supports journals must be configured in this stateful services resource if event sourcing is to be used.",
		},
		"unsupported type": {
			es:   answer(t, cartFiles(), entity(spec.ValueEntity, shoppingCart)),
			opts: spec.Options{EntityTypes: []string{spec.CRDT, spec.Action}},
			want: "Service [com.example.shoppingcart.ShoppingCart] has declared an unsupported entity type [cloudstate.valueentity.ValueEntity]. Supported types are cloudstate.crdt.Crdt,cloudstate.action.ActionProtocol",
		},
		"unknown type": {
			es:   answer(t, cartFiles(), entity("cloudstate.graph.Graph", shoppingCart)),
			want: "Service [com.example.shoppingcart.ShoppingCart] has declared an unsupported entity type [cloudstate.graph.Graph]. Supported types are cloudstate.action.ActionProtocol,cloudstate.crdt.Crdt,cloudstate.eventsourced.EventSourced,cloudstate.valueentity.ValueEntity",
		},
		"a service twice": {
			es:   answer(t, cartFiles(), entity(spec.Action, shoppingCart), entity(spec.Action, shoppingCart)),
			want: "Service [com.example.shoppingcart.ShoppingCart] was reported twice by the discover call; it can only be of one entity type",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.New(tt.es, tt.opts)
			requireInvalid(t, err, tt.want)
		})
	}
}

// P-014: what each kind demands of its methods, with the texts of section 2.6.
func TestNew_Methods(t *testing.T) {
	t.Parallel()
	unary, keyless := rpc("Unary", "Keyed", "Keyed"), rpc("Keyless", "Keyless", "Keyed")
	in, out := streamIn(rpc("In", "Keyed", "Keyed")), streamOut(rpc("Out", "Keyed", "Keyed"))
	both := streamIn(streamOut(rpc("Both", "Keyed", "Keyed")))
	other := rpc("Other", "Keyless", "Keyed")
	tests := map[string]struct {
		kind    string
		methods []*descriptorpb.MethodDescriptorProto
		want    string // empty if it is fine
	}{
		"actions accept everything": {spec.Action, rpcs(unary, keyless, in, out, both), ""},
		"no methods":                {spec.EventSourced, nil, ""},
		"event sourced, unary":      {spec.EventSourced, rpcs(unary), ""},
		"event sourced, streamed": {
			spec.EventSourced, rpcs(in, unary, out, both),
			"Event sourced entities do not support streamed methods, but test.S has the following streamed methods: In,Out,Both",
		},
		"event sourced, keyless": {
			spec.EventSourced, rpcs(keyless, unary, other),
			"Event sourced entities do not support methods whose parameters do not have at least one field marked as entity_key, but test.S has the following methods without keys: Keyless,Other",
		},
		"value, unary": {spec.ValueEntity, rpcs(unary), ""},
		"value, streamed": {
			spec.ValueEntity, rpcs(in, unary, out, both),
			"Value based entities do not support streamed methods, but test.S has the following streamed methods: In,Out,Both",
		},
		"value, keyless": {
			spec.ValueEntity, rpcs(keyless, unary, other),
			"Value based entities do not support methods whose parameters do not have at least one field marked as entity_key, but test.S has the following methods without keys: Keyless,Other",
		},
		"crdt, unary and server streaming": {spec.CRDT, rpcs(unary, out), ""},
		"crdt, client streaming": {
			spec.CRDT, rpcs(in, unary, out, both),
			"CRDT entities do not support streaming in from the client, but test.S has the following streamed methods: In,Both",
		},
		"crdt, keyless": {
			spec.CRDT, rpcs(keyless, unary, other),
			"CRDT entities do not support methods whose parameters do not have at least one field marked as entity_key, but test.S has the following methods without keys: Keyless,Other",
		},
		"streams are named before keys": {
			spec.EventSourced, rpcs(keyless, out),
			"Event sourced entities do not support streamed methods, but test.S has the following streamed methods: Out",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := spec.New(answer(t, files(serviceFile(service("S", tt.methods...))), entity(tt.kind, "test.S")), spec.Options{})
			if tt.want != "" {
				requireInvalid(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			require.Len(t, s.Services[0].Methods, len(tt.methods))
		})
	}
}

func rpcs(m ...*descriptorpb.MethodDescriptorProto) []*descriptorpb.MethodDescriptorProto { return m }

// P-015: what marks a field as key.
func TestNew_KeyOptions(t *testing.T) {
	t.Parallel()
	str := descriptorpb.FieldDescriptorProto_TYPE_STRING
	tests := map[string]struct {
		field *descriptorpb.FieldDescriptorProto
		isKey bool
	}{
		"entity_key":                       {marked(field("id", str, ""), annotations.E_EntityKey, true), true},
		"legacy_entity_key":                {marked(field("id", str, ""), annotations.E_LegacyEntityKey, true), true},
		"entity_key false":                 {marked(field("id", str, ""), annotations.E_EntityKey, false), false},
		"legacy_entity_key false":          {marked(field("id", str, ""), annotations.E_LegacyEntityKey, false), false},
		"false, but the legacy one is set": {marked(marked(field("id", str, ""), annotations.E_EntityKey, false), annotations.E_LegacyEntityKey, true), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := serviceFile(service("S", rpc("M", "In", "Keyed")))
			f.MessageType = append(f.MessageType, message("In", tt.field))
			_, err := spec.New(answer(t, files(f), entity(spec.ValueEntity, "test.S")), spec.Options{})
			if tt.isKey {
				require.NoError(t, err)
				return
			}
			requireInvalid(t, err, "Value based entities do not support methods whose parameters do not have at least one field marked as entity_key, but test.S has the following methods without keys: M")
		})
	}
}

// Section 7.4: a key that has no canonical text is refused, except by an action, which
// has no keys.
func TestNew_KeyTypes(t *testing.T) {
	t.Parallel()
	repeated := entityKey(field("k", descriptorpb.FieldDescriptorProto_TYPE_STRING, ""))
	repeated.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	entries := entityKey(field("k", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".test.In.KEntry"))
	entries.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	unknown := entityKey(field("k", 0, ".test.Nowhere"))
	unknown.Type = nil
	tests := map[string]struct {
		field *descriptorpb.FieldDescriptorProto
		what  string
	}{
		"bytes":    {entityKey(field("k", descriptorpb.FieldDescriptorProto_TYPE_BYTES, "")), "of type bytes"},
		"message":  {entityKey(field("k", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".test.Keyed")), "a message"},
		"group":    {entityKey(field("k", descriptorpb.FieldDescriptorProto_TYPE_GROUP, ".test.In.K")), "a group"},
		"repeated": {repeated, "repeated"},
		"map":      {entries, "a map"},
		"unknown":  {unknown, "of an unknown type"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := serviceFile(service("S", rpc("Other", "Keyed", "Keyed"), rpc("M", "In", "Keyed")))
			in := message("In", entityKey(field("id", descriptorpb.FieldDescriptorProto_TYPE_STRING, "")), tt.field)
			str := descriptorpb.FieldDescriptorProto_TYPE_STRING
			switch name {
			case "map":
				entry := message("KEntry", field("key", str, ""), field("value", str, ""))
				entry.Options = &descriptorpb.MessageOptions{MapEntry: new(true)}
				in.NestedType = append(in.NestedType, entry)
			case "group":
				f.Syntax = new("proto2")
				in.NestedType = append(in.NestedType, message("K"))
			}
			f.MessageType = append(f.MessageType, in)
			_, err := spec.New(answer(t, files(f), entity(spec.CRDT, "test.S")), spec.Options{})
			requireInvalid(t, err, "CRDT entities do not support entity keys other than single strings, numbers, booleans and enums, but test.S has the following methods with other keys: M (test.In.k is "+tt.what+")")

			_, err = spec.New(answer(t, files(f), entity(spec.Action, "test.S")), spec.Options{})
			require.NoError(t, err)
		})
	}
}

// two services of a kind do not share a persistence id.
func TestNew_PersistenceIDs(t *testing.T) {
	t.Parallel()
	f := serviceFile(service("A", rpc("M", "Keyed", "Keyed")), service("B", rpc("M", "Keyed", "Keyed")))
	with := func(kind, name, id string) *protocol.Entity {
		return &protocol.Entity{EntityType: kind, ServiceName: name, PersistenceId: id}
	}
	tests := map[string]struct {
		entities []*protocol.Entity
		want     string
	}{
		"different":               {[]*protocol.Entity{with(spec.CRDT, "test.A", "a"), with(spec.CRDT, "test.B", "b")}, ""},
		"same, of other kinds":    {[]*protocol.Entity{with(spec.ValueEntity, "test.A", "a"), with(spec.EventSourced, "test.B", "a")}, ""},
		"actions have none":       {[]*protocol.Entity{with(spec.Action, "test.A", ""), with(spec.Action, "test.B", "")}, ""},
		"one CRDT without":        {[]*protocol.Entity{with(spec.CRDT, "test.A", "")}, ""},
		"two CRDTs without":       {[]*protocol.Entity{with(spec.CRDT, "test.A", ""), with(spec.CRDT, "test.B", "")}, "Services [test.A] and [test.B] have the same persistence id []; give each its own, because they would share the state of their entities"},
		"same":                    {[]*protocol.Entity{with(spec.EventSourced, "test.B", "x"), with(spec.EventSourced, "test.A", "x")}, "Services [test.B] and [test.A] have the same persistence id [x]; give each its own, because they would share the state of their entities"},
		"event sourced without":   {[]*protocol.Entity{with(spec.EventSourced, "test.A", "")}, "Service [test.A] has no persistence id; set one, because the state of its entities is stored under it"},
		"a value entity without":  {[]*protocol.Entity{with(spec.ValueEntity, "test.B", "")}, "Service [test.B] has no persistence id; set one, because the state of its entities is stored under it"},
		"an action shares an id ": {[]*protocol.Entity{with(spec.Action, "test.A", "a"), with(spec.ValueEntity, "test.B", "a")}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.New(answer(t, files(f), tt.entities...), spec.Options{})
			if tt.want != "" {
				requireInvalid(t, err, tt.want)
				return
			}
			require.NoError(t, err)
		})
	}
}
