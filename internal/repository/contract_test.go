package repository_test

import (
	"io/fs"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	options "github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// A protoFile is the part of a .proto file that other implementations depend on,
// in the notation of describe.
type protoFile struct {
	name, pkg  string
	imports    []string
	messages   map[string]string
	enums      map[string]string
	services   map[string]string
	extensions map[string]string
}

const (
	anyProto        = "google/protobuf/any.proto"
	descriptorProto = "google/protobuf/descriptor.proto"
	emptyProto      = "google/protobuf/empty.proto"
	entityProto     = "cloudstate/entity.proto"
)

// A protoContract is a file and what it has to be.
type protoContract struct {
	descriptor protoreflect.FileDescriptor
	want       protoFile
}

// contract is protocol section 1, in its order.
var contract = []protoContract{
	{protocol.File_cloudstate_entity_proto, protoFile{
		name: entityProto,
		pkg:  "cloudstate",
		// The contract also lists descriptor.proto. The file uses nothing of it, and the
		// list of imports of a protocol file is never sent (protocol section 1.1).
		imports: []string{anyProto, emptyProto},
		messages: map[string]string{
			"Metadata":      "1 entries repeated MetadataEntry",
			"MetadataEntry": "1 key string; 2 value.string_value string; 3 value.bytes_value bytes",
			"Reply":         "1 payload Any; 2 metadata Metadata",
			"Forward":       "1 service_name string; 2 command_name string; 3 payload Any; 4 metadata Metadata",
			"ClientAction":  "1 action.reply Reply; 2 action.forward Forward; 3 action.failure Failure",
			"SideEffect": "1 service_name string; 2 command_name string; 3 payload Any; 4 synchronous bool; " +
				"5 metadata Metadata",
			"Command": "1 entity_id string; 2 id int64; 3 name string; 4 payload Any; 5 streamed bool; " +
				"6 metadata Metadata",
			"StreamCancelled": "1 entity_id string; 2 id int64",
			// Field 4 is an addition of ours (design section 2, "Failures").
			"Failure":    "1 command_id int64; 2 description string; 3 restart bool; 4 grpc_status_code uint32",
			"EntitySpec": "1 proto bytes; 2 entities repeated Entity; 3 service_info ServiceInfo",
			"ServiceInfo": "1 service_name string; 2 service_version string; 3 service_runtime string; " +
				"4 support_library_name string; 5 support_library_version string; " +
				"6 protocol_major_version int32; 7 protocol_minor_version int32",
			"Entity": "1 entity_type string; 2 service_name string; 3 persistence_id string; " +
				"4 passivation_strategy EntityPassivationStrategy",
			"EntityPassivationStrategy":  "1 strategy.timeout TimeoutPassivationStrategy",
			"TimeoutPassivationStrategy": "1 timeout int64",
			"UserFunctionError":          "1 message string",
			"ProxyInfo": "1 protocol_major_version int32; 2 protocol_minor_version int32; 3 proxy_name string; " +
				"4 proxy_version string; 5 supported_entity_types repeated string",
		},
		services: map[string]string{
			"EntityDiscovery": "discover(ProxyInfo) EntitySpec; reportError(UserFunctionError) google.protobuf.Empty",
		},
	}},
	{actionpb.File_cloudstate_action_proto, protoFile{
		name:    "cloudstate/action.proto",
		pkg:     "cloudstate.action",
		imports: []string{entityProto, anyProto},
		messages: map[string]string{
			"ActionCommand": "2 service_name string; 3 name string; 4 payload Any; 5 metadata cloudstate.Metadata",
			"ActionResponse": "1 response.failure cloudstate.Failure; 2 response.reply cloudstate.Reply; " +
				"3 response.forward cloudstate.Forward; 4 side_effects repeated cloudstate.SideEffect",
		},
		services: map[string]string{
			"ActionProtocol": "handleUnary(ActionCommand) ActionResponse; " +
				"handleStreamedIn(stream ActionCommand) ActionResponse; " +
				"handleStreamedOut(ActionCommand) stream ActionResponse; " +
				"handleStreamed(stream ActionCommand) stream ActionResponse",
		},
	}},
	{eventsourcedpb.File_cloudstate_event_sourced_proto, protoFile{
		name:    "cloudstate/event_sourced.proto",
		pkg:     "cloudstate.eventsourced",
		imports: []string{entityProto, anyProto},
		messages: map[string]string{
			"EventSourcedInit":     "1 service_name string; 2 entity_id string; 3 snapshot EventSourcedSnapshot",
			"EventSourcedSnapshot": "1 snapshot_sequence int64; 2 snapshot Any",
			"EventSourcedEvent":    "1 sequence int64; 2 payload Any",
			"EventSourcedReply": "1 command_id int64; 2 client_action cloudstate.ClientAction; " +
				"3 side_effects repeated cloudstate.SideEffect; 4 events repeated Any; 5 snapshot Any",
			"EventSourcedStreamIn": "1 message.init EventSourcedInit; 2 message.event EventSourcedEvent; " +
				"3 message.command cloudstate.Command",
			"EventSourcedStreamOut": "1 message.reply EventSourcedReply; 2 message.failure cloudstate.Failure",
		},
		services: map[string]string{
			"EventSourced": "handle(stream EventSourcedStreamIn) stream EventSourcedStreamOut",
		},
	}},
	{valueentitypb.File_cloudstate_value_entity_proto, protoFile{
		name:    "cloudstate/value_entity.proto",
		pkg:     "cloudstate.valueentity",
		imports: []string{entityProto, anyProto},
		messages: map[string]string{
			"ValueEntityStreamIn":  "1 message.init ValueEntityInit; 2 message.command cloudstate.Command",
			"ValueEntityInit":      "1 service_name string; 2 entity_id string; 3 state ValueEntityInitState",
			"ValueEntityInitState": "1 value Any",
			"ValueEntityStreamOut": "1 message.reply ValueEntityReply; 2 message.failure cloudstate.Failure",
			"ValueEntityReply": "1 command_id int64; 2 client_action cloudstate.ClientAction; " +
				"3 side_effects repeated cloudstate.SideEffect; 4 state_action ValueEntityAction",
			"ValueEntityAction": "1 action.update ValueEntityUpdate; 2 action.delete ValueEntityDelete",
			"ValueEntityUpdate": "1 value Any",
			"ValueEntityDelete": "",
		},
		services: map[string]string{
			"ValueEntity": "handle(stream ValueEntityStreamIn) stream ValueEntityStreamOut",
		},
	}},
	{crdtpb.File_cloudstate_crdt_proto, protoFile{
		name:    "cloudstate/crdt.proto",
		pkg:     "cloudstate.crdt",
		imports: []string{entityProto, anyProto},
		messages: map[string]string{
			"CrdtStreamIn": "1 message.init CrdtInit; 2 message.delta CrdtDelta; 3 message.delete CrdtDelete; " +
				"4 message.command cloudstate.Command; 5 message.stream_cancelled cloudstate.StreamCancelled",
			"CrdtStreamOut": "1 message.reply CrdtReply; 2 message.streamed_message CrdtStreamedMessage; " +
				"3 message.stream_cancelled_response CrdtStreamCancelledResponse; 4 message.failure cloudstate.Failure",
			"CrdtDelta": "1 delta.gcounter GCounterDelta; 2 delta.pncounter PNCounterDelta; 3 delta.gset GSetDelta; " +
				"4 delta.orset ORSetDelta; 5 delta.lwwregister LWWRegisterDelta; 6 delta.flag FlagDelta; " +
				"7 delta.ormap ORMapDelta; 8 delta.vote VoteDelta",
			"GCounterDelta":    "1 increment uint64",
			"PNCounterDelta":   "1 change sint64",
			"GSetDelta":        "1 added repeated Any",
			"ORSetDelta":       "1 cleared bool; 2 removed repeated Any; 3 added repeated Any",
			"LWWRegisterDelta": "1 value Any; 2 clock CrdtClock; 3 custom_clock_value int64",
			"FlagDelta":        "1 value bool",
			"ORMapDelta": "1 cleared bool; 2 removed repeated Any; 3 updated repeated ORMapEntryDelta; " +
				"4 added repeated ORMapEntryDelta",
			"ORMapEntryDelta": "1 key Any; 2 delta CrdtDelta",
			"VoteDelta":       "1 self_vote bool; 2 votes_for int32; 3 total_voters int32",
			"CrdtInit":        "1 service_name string; 2 entity_id string; 3 delta CrdtDelta",
			"CrdtDelete":      "",
			"CrdtReply": "1 command_id int64; 2 client_action cloudstate.ClientAction; " +
				"4 side_effects repeated cloudstate.SideEffect; 5 state_action CrdtStateAction; 6 streamed bool",
			"CrdtStateAction": "1 action.update CrdtDelta; 2 action.delete CrdtDelete; " +
				"3 write_consistency CrdtWriteConsistency",
			"CrdtStreamedMessage": "1 command_id int64; 2 client_action cloudstate.ClientAction; " +
				"3 side_effects repeated cloudstate.SideEffect; 4 end_stream bool",
			"CrdtStreamCancelledResponse": "1 command_id int64; 2 side_effects repeated cloudstate.SideEffect; " +
				"3 state_action CrdtStateAction",
		},
		enums: map[string]string{
			"CrdtWriteConsistency": "0 LOCAL; 1 MAJORITY; 2 ALL",
			"CrdtClock":            "0 DEFAULT; 1 REVERSE; 2 CUSTOM; 3 CUSTOM_AUTO_INCREMENT",
		},
		services: map[string]string{"Crdt": "handle(stream CrdtStreamIn) stream CrdtStreamOut"},
	}},
	{options.File_cloudstate_entity_key_proto, protoFile{
		name:       "cloudstate/entity_key.proto",
		pkg:        "cloudstate",
		imports:    []string{descriptorProto},
		extensions: map[string]string{"entity_key": "google.protobuf.FieldOptions 1080 entity_key bool"},
	}},
	{options.File_cloudstate_legacy_entity_key_proto, protoFile{
		name:       "cloudstate/legacy_entity_key.proto",
		pkg:        "cloudstate",
		imports:    []string{descriptorProto},
		extensions: map[string]string{"legacy_entity_key": "google.protobuf.FieldOptions 50002 legacy_entity_key bool"},
	}},
	{options.File_cloudstate_eventing_proto, protoFile{
		name:    "cloudstate/eventing.proto",
		pkg:     "cloudstate",
		imports: []string{descriptorProto},
		messages: map[string]string{
			"Eventing":         "1 in EventSource; 2 out EventDestination",
			"EventSource":      "1 consumer_group string; 2 source.topic string; 3 source.event_log string",
			"EventDestination": "1 destination.topic string",
		},
		extensions: map[string]string{"eventing": "google.protobuf.MethodOptions 1081 eventing Eventing"},
	}},
	{annotations.File_google_api_annotations_proto, protoFile{
		name:       "google/api/annotations.proto",
		pkg:        "google.api",
		imports:    []string{"google/api/http.proto", descriptorProto},
		extensions: map[string]string{"http": "google.protobuf.MethodOptions 72295728 http HttpRule"},
	}},
}

// The files are those of protocol section 1: packages, messages, fields, methods.
func TestProtocolFiles_AreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	requireContract(t, contract)
}

func requireContract(t *testing.T, files []protoContract) {
	t.Helper()
	for _, file := range files {
		t.Run(file.want.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, protoreflect.Proto3, file.descriptor.Syntax())
			got := describe(file.descriptor)
			require.Equal(t, file.want.name, got.name)
			require.Equal(t, file.want.pkg, got.pkg)
			require.ElementsMatch(t, file.want.imports, got.imports)
			requireSame(t, file.want.messages, got.messages)
			requireSame(t, file.want.enums, got.enums)
			requireSame(t, file.want.services, got.services)
			requireSame(t, file.want.extensions, got.extensions)
		})
	}
}

// requireSame compares declarations by name, so that a failure shows the one that differs.
func requireSame(t *testing.T, want, got map[string]string) {
	t.Helper()
	require.ElementsMatch(t, slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(got)))
	for name := range want {
		require.Equal(t, want[name], got[name], name)
	}
}

func TestProtocolFiles_AreAllInTheContract(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(root(), "protocol/cloudstate/*.proto")
	require.NoError(t, err)
	var want []string
	for _, file := range contract {
		if file.want.pkg != "google.api" {
			want = append(want, "protocol/"+file.want.name)
		}
	}
	require.ElementsMatch(t, want, files)
}

// The options of users' files have the tags of protocol section 1.7.
func TestOptions_HaveTheTagsOfTheContract(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options   proto.Message
		extension protoreflect.ExtensionType
		value     any
		want      []byte
	}{
		"entity_key":        {&descriptorpb.FieldOptions{}, options.E_EntityKey, true, []byte{0xC0, 0x43, 1}},
		"legacy_entity_key": {&descriptorpb.FieldOptions{}, options.E_LegacyEntityKey, true, []byte{0x90, 0xB5, 0x18, 1}},
		"eventing":          {&descriptorpb.MethodOptions{}, options.E_Eventing, &options.Eventing{}, []byte{0xCA, 0x43, 0}},
		"http":              {&descriptorpb.MethodOptions{}, annotations.E_Http, &annotations.HttpRule{}, []byte{0x82, 0xD3, 0xE4, 0x93, 0x02, 0}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proto.SetExtension(tt.options, tt.extension, tt.value)
			got, err := proto.Marshal(tt.options)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
