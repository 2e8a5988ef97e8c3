package cloudstate_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

func discoveryOf(t *testing.T) (protocol.EntityDiscoveryClient, *running) {
	t.Helper()
	r := serve(t, &cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil)}})
	return protocol.NewEntityDiscoveryClient(r.conn), r
}

// P-003, P-004: every transitive import is there, once, with the options of the user.
func TestDiscover_SendsEveryFileOnce(t *testing.T) {
	t.Parallel()
	client, _ := discoveryOf(t)
	spec, err := client.Discover(t.Context(), &protocol.ProxyInfo{})
	require.NoError(t, err)
	var set descriptorpb.FileDescriptorSet
	require.NoError(t, proto.Unmarshal(spec.GetProto(), &set))
	names := make([]string, 0, len(set.GetFile()))
	for _, f := range set.GetFile() {
		names = append(names, f.GetName())
	}
	slices.Sort(names)
	require.Equal(t, []string{
		"cloudstate/entity_key.proto",
		"google/api/annotations.proto",
		"google/api/http.proto",
		"google/protobuf/descriptor.proto",
		"google/protobuf/empty.proto",
		"shoppingcart/persistence/domain.proto", // of the events, for the tools of the proxy
		"shoppingcart/shoppingcart.proto",
	}, names)
	files, err := protodesc.NewFiles(&set)
	require.NoError(t, err)
	for _, e := range spec.GetEntities() {
		_, err := files.FindDescriptorByName(protoreflect.FullName(e.GetServiceName()))
		require.NoError(t, err)
	}
	require.Contains(t, string(spec.GetProto()), "\xc0\x43\x01", "the option entity_key")
	require.Contains(t, string(spec.GetProto()), "/cart/{user_id}/items/add")
}

// P-004: the files of what is stored are there too, however it is declared, if they exist.
func TestDiscover_SendsTheFilesOfWhatIsStored(t *testing.T) {
	t.Parallel()
	type snapshot struct{ Name string }
	components := map[string]cloudstate.Component{
		"an event": cartEntity(nil),
		"an event under a former name, and a JSON snapshot": &eventsourced.Entity[*cart]{
			Service: &pb.ShoppingCart_ServiceDesc,
			New:     func(string) *cart { return &cart{} },
			Events: []eventsourced.Event[*cart]{
				eventsourced.On(func(*cart, *domain.ItemRemoved) {}, entity.Alias("com.example.Former")),
				eventsourced.On(func(*cart, string) {}),
			},
			Snapshot: eventsourced.SnapshotOf(func(*cart) snapshot { return snapshot{} }, func(*cart, snapshot) {}, entity.JSON("snapshot")),
		},
		"a snapshot": &eventsourced.Entity[*cart]{
			Service:  &pb.ShoppingCart_ServiceDesc,
			New:      func(string) *cart { return &cart{} },
			Snapshot: eventsourced.SnapshotOf(func(*cart) *domain.Cart { return nil }, func(*cart, *domain.Cart) {}),
		},
		"a state": &valueentity.Entity[*valueCart]{
			Service: &pb.ShoppingCart_ServiceDesc,
			New:     func(string) *valueCart { return &valueCart{} },
		},
	}
	for name, c := range components {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, &cloudstate.Service{Components: []cloudstate.Component{c}})
			spec, err := protocol.NewEntityDiscoveryClient(r.conn).Discover(t.Context(), &protocol.ProxyInfo{})
			require.NoError(t, err)
			var set descriptorpb.FileDescriptorSet
			require.NoError(t, proto.Unmarshal(spec.GetProto(), &set))
			files, err := protodesc.NewFiles(&set)
			require.NoError(t, err)
			_, err = files.FindFileByPath("shoppingcart/persistence/domain.proto")
			require.NoError(t, err)
		})
	}
}

// A valueCart is a value entity.
type valueCart struct {
	valueentity.Base[*domain.Cart]
	pb.UnimplementedShoppingCartServer
}

// P-008: what the proxy does not support is logged, and the answer is the same.
func TestDiscover_LogsWhatTheProxyLacks(t *testing.T) {
	t.Parallel()
	client, r := discoveryOf(t)
	spec, err := client.Discover(t.Context(), &protocol.ProxyInfo{
		ProtocolMajorVersion: 1, SupportedEntityTypes: []string{"cloudstate.crdt.Crdt"},
	})
	require.NoError(t, err)
	require.Len(t, spec.GetEntities(), 1)
	require.Contains(t, r.log.String(), `level=ERROR msg="the proxy does not support this kind of entity" service=com.example.shoppingcart.ShoppingCart`)
	require.Contains(t, r.log.String(), `level=WARN msg="the proxy speaks another version of the protocol" proxy="" found=1.0 want=0.2`)
}

// P-009: errors are logged, with a hint for those that are known.
func TestReportError_LogsTheErrorWithAHint(t *testing.T) {
	t.Parallel()
	for message, hint := range map[string]string{
		"Incompatible protocol version 0.3, only 0.2 is supported":                                                                                                              "another version of this library",
		"No entities were reported by the discover call!":                                                                                                                       "Components",
		"Service [a.B] not found in descriptors!":                                                                                                                               "another program",
		"Service [a.B] has declared an event sourced entity, however, this proxy does not have a configured store, or is":                                                       "start it with a store",
		"Service [a.B] has declared an unsupported entity type [x]. Supported types are y":                                                                                      "that kind of entity",
		"Event sourced entities do not support streamed methods, but a.B has the following streamed methods: c":                                                                 "unary",
		"CRDT entities do not support streaming in from the client, but a.B has the following streamed methods: c":                                                              "take one request",
		"Event sourced entities do not support methods whose parameters do not have at least one field marked as entity_key, but a.B has the following methods without keys: c": "entity_key) = true",
		"Descriptor dependency [a.proto] not found, dependency path: [b.proto]":                                                                                                 "import its Go package",
		"Warning: a.B.C: Expected reply type_url to be [type.googleapis.com/X] but was [type.googleapis.com/Y].":                                                                "another type",
		"Service [a.B] does not have a command named: [C]":                                                                                                                      "generate its client",
		"Service [a.B] unknown": "not among the Components",
		"something else":        "",
	} {
		t.Run(message, func(t *testing.T) {
			t.Parallel()
			client, r := discoveryOf(t)
			_, err := client.ReportError(t.Context(), &protocol.UserFunctionError{Message: message})
			require.NoError(t, err)
			require.Contains(t, r.log.String(), "level=ERROR")
			require.Contains(t, r.log.String(), message)
			if hint == "" {
				require.NotContains(t, r.log.String(), "hint=")
				return
			}
			require.Contains(t, r.log.String(), hint)
		})
	}
}
