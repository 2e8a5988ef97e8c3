package repository_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventlogmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	options "github.com/cloudstate-go/cloudstate/protocol/annotations"
)

// modelContract is what the official conformance kit has compiled into it. Our suite and our
// models would agree on another one, so that nothing else would notice.
var modelContract = []protoContract{
	{actionmodel.File_cloudstate_tck_model_action_proto, protoFile{
		name:    "cloudstate/tck/model/action.proto",
		pkg:     "cloudstate.tck.model.action",
		imports: []string{"google/api/annotations.proto"},
		messages: map[string]string{
			"Request":      "1 groups repeated ProcessGroup",
			"ProcessGroup": "1 steps repeated ProcessStep",
			"ProcessStep":  "1 step.reply Reply; 2 step.forward Forward; 3 step.fail Fail; 4 step.effect SideEffect",
			"Reply":        "1 message string",
			"Forward":      "1 id string",
			"Fail":         "1 message string",
			"SideEffect":   "1 id string; 2 synchronous bool",
			"Response":     "1 message string",
			"OtherRequest": "1 id string",
		},
		services: map[string]string{
			"ActionTckModel": "ProcessUnary(Request) Response; ProcessStreamedIn(stream Request) Response; " +
				"ProcessStreamedOut(Request) stream Response; ProcessStreamed(stream Request) stream Response",
			"ActionTwo": "Call(OtherRequest) Response",
		},
	}},
	{eventsourcedmodel.File_cloudstate_tck_model_eventsourced_proto, protoFile{
		name:    "cloudstate/tck/model/eventsourced.proto",
		pkg:     "cloudstate.tck.model",
		imports: []string{"cloudstate/entity_key.proto", "google/api/annotations.proto"},
		messages: map[string]string{
			"Request":       "1 id string; 2 actions repeated RequestAction",
			"RequestAction": "1 action.emit Emit; 2 action.forward Forward; 3 action.effect Effect; 4 action.fail Fail",
			"Emit":          "1 value string",
			"Forward":       "1 id string",
			"Effect":        "1 id string; 2 synchronous bool",
			"Fail":          "1 message string",
			"Response":      "1 message string",
			"Persisted":     "1 value string",
		},
		services: map[string]string{
			"EventSourcedTckModel":   "Process(Request) Response",
			"EventSourcedTwo":        "Call(Request) Response",
			"EventSourcedConfigured": "Call(Request) Response",
		},
	}},
	{valuemodel.File_cloudstate_tck_model_valueentity_proto, protoFile{
		name:    "cloudstate/tck/model/valueentity.proto",
		pkg:     "cloudstate.tck.model.valueentity",
		imports: []string{"cloudstate/entity_key.proto", "google/api/annotations.proto"},
		messages: map[string]string{
			"Request": "1 id string; 2 actions repeated RequestAction",
			"RequestAction": "1 action.update Update; 2 action.delete Delete; 3 action.forward Forward; " +
				"4 action.effect Effect; 5 action.fail Fail",
			"Update":    "1 value string",
			"Delete":    "",
			"Forward":   "1 id string",
			"Effect":    "1 id string; 2 synchronous bool",
			"Fail":      "1 message string",
			"Response":  "1 message string",
			"Persisted": "1 value string",
		},
		services: map[string]string{
			"ValueEntityTckModel":   "Process(Request) Response",
			"ValueEntityTwo":        "Call(Request) Response",
			"ValueEntityConfigured": "Call(Request) Response",
		},
	}},
	{crdtmodel.File_cloudstate_tck_model_crdt_proto, protoFile{
		name:    "cloudstate/tck/model/crdt.proto",
		pkg:     "cloudstate.tck.model.crdt",
		imports: []string{"cloudstate/entity_key.proto", "google/api/annotations.proto"},
		messages: map[string]string{
			"Request": "1 id string; 2 actions repeated RequestAction",
			"StreamedRequest": "1 id string; 2 end_state State; 3 cancel_update Update; 4 effects repeated Effect; " +
				"5 initial_update Update; 6 empty bool",
			"RequestAction": "1 action.update Update; 2 action.delete Delete; 3 action.forward Forward; 4 action.fail Fail; " +
				"5 action.effect Effect",
			"Delete":  "",
			"Forward": "1 id string",
			"Fail":    "1 message string",
			"Effect":  "1 id string; 2 synchronous bool",
			"Update": "1 update.gcounter GCounterUpdate; 2 update.pncounter PNCounterUpdate; " +
				"3 update.gset GSetUpdate; 4 update.orset ORSetUpdate; 5 update.lwwregister LWWRegisterUpdate; " +
				"6 update.flag FlagUpdate; 7 update.ormap ORMapUpdate; 8 update.vote VoteUpdate; " +
				"9 write_consistency UpdateWriteConsistency",
			"GCounterUpdate":    "1 increment uint64",
			"PNCounterUpdate":   "1 change sint64",
			"GSetUpdate":        "1 add string",
			"ORSetUpdate":       "1 action.add string; 2 action.remove string; 3 action.clear bool",
			"LWWRegisterUpdate": "1 value string; 2 clock LWWRegisterClock",
			"LWWRegisterClock":  "1 clockType LWWRegisterClockType; 2 customClockValue int64",
			"FlagUpdate":        "",
			"ORMapUpdate": "1 action.add string; 2 action.update ORMapEntryUpdate; 3 action.remove string; " +
				"4 action.clear bool",
			"ORMapEntryUpdate": "1 key string; 2 update Update",
			"VoteUpdate":       "1 self_vote bool",
			"Response":         "1 state State",
			"State": "1 value.gcounter GCounterValue; 2 value.pncounter PNCounterValue; 3 value.gset GSetValue; " +
				"4 value.orset ORSetValue; 5 value.lwwregister LWWRegisterValue; 6 value.flag FlagValue; " +
				"7 value.ormap ORMapValue; 8 value.vote VoteValue",
			"GCounterValue":    "1 value uint64",
			"PNCounterValue":   "1 value int64",
			"GSetValue":        "1 elements repeated string",
			"ORSetValue":       "1 elements repeated string",
			"LWWRegisterValue": "1 value string",
			"FlagValue":        "1 value bool",
			"ORMapValue":       "1 entries repeated ORMapEntryValue",
			"ORMapEntryValue":  "1 key string; 2 value State",
			"VoteValue":        "1 self_vote bool; 2 votes_for int32; 3 total_voters int32",
		},
		enums: map[string]string{
			"LWWRegisterClockType":   "0 DEFAULT; 1 REVERSE; 2 CUSTOM; 3 CUSTOM_AUTO_INCREMENT",
			"UpdateWriteConsistency": "0 LOCAL; 1 MAJORITY; 2 ALL",
		},
		services: map[string]string{
			"CrdtTckModel":   "Process(Request) Response; ProcessStreamed(StreamedRequest) stream Response",
			"CrdtTwo":        "Call(Request) Response",
			"CrdtConfigured": "Call(Request) Response",
		},
	}},
	{eventlogmodel.File_cloudstate_tck_model_eventlogeventing_proto, protoFile{
		name:    "cloudstate/tck/model/eventlogeventing.proto",
		pkg:     "cloudstate.tck.model.eventlogeventing",
		imports: []string{"google/protobuf/any.proto", "google/protobuf/empty.proto", "cloudstate/eventing.proto", "cloudstate/entity_key.proto"},
		messages: map[string]string{
			"EmitEventRequest": "1 id string; 2 event.event_one EventOne; 3 event.event_two EventTwo",
			"EventOne":         "2 step ProcessStep",
			"EventTwo":         "2 step repeated ProcessStep",
			"JsonEvent":        "1 id string; 2 message string",
			"ProcessStep":      "1 step.reply Reply; 2 step.forward Forward",
			"Reply":            "1 message string",
			"Forward":          "1 message string",
			"Response":         "1 id string; 2 message string",
			"EffectRequest":    "1 id string; 2 message string",
		},
		services: map[string]string{
			"EventLogSubscriberModel": "ProcessEventOne(EventOne) Response; ProcessEventTwo(EventTwo) stream Response; " +
				"Effect(EffectRequest) Response; ProcessAnyEvent(Any) Response",
			"EventSourcedEntityOne": "EmitEvent(EmitEventRequest) google.protobuf.Empty",
			"EventSourcedEntityTwo": "EmitJsonEvent(JsonEvent) google.protobuf.Empty",
		},
	}},
}

// The models are those of the official conformance kit.
func TestModelFiles_AreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	requireContract(t, modelContract)
	files, err := fs.Glob(root(), "conformance/proto/cloudstate/tck/model/*.proto")
	require.NoError(t, err)
	require.Len(t, files, len(modelContract))
}

// Methods have the options by which proxies serve them over HTTP and deliver events, and
// requests have those by which they find the entity.
func TestModelFiles_HaveTheOptionsOfTheContract(t *testing.T) {
	t.Parallel()
	var got []string
	for _, file := range modelContract {
		for service := range descriptors(file.descriptor.Services()) {
			for method := range descriptors(service.Methods()) {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s: %s", method.Name(), modelOptions(method))))
			}
		}
	}
	require.Equal(t, []string{
		"ProcessUnary: POST /tck/model/action/unary *", "ProcessStreamedIn:", "ProcessStreamedOut:", "ProcessStreamed:", "Call:",
		"Process: id POST /tck/model/eventsourced/{id} *", "Call: id", "Call: id",
		"Process: id POST /tck/model/entity/{id} *", "Call: id", "Call: id",
		"Process: id POST /tck/model/crdt/{id} *", "ProcessStreamed: id", "Call: id", "Call: id",
		"ProcessEventOne: events of eventlogeventing-one", "ProcessEventTwo: events of eventlogeventing-one", "Effect:",
		"ProcessAnyEvent: events of eventlogeventing-two", "EmitEvent: id", "EmitJsonEvent: id",
	}, got)
}

// modelOptions describes the options of a method and of its request.
func modelOptions(method protoreflect.MethodDescriptor) string {
	var found []string
	for field := range descriptors(method.Input().Fields()) {
		if isKey, _ := proto.GetExtension(field.Options(), options.E_EntityKey).(bool); isKey {
			found = append(found, string(field.Name()))
		}
	}
	if rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule); rule != nil {
		found = append(found, "POST "+rule.GetPost()+" "+rule.GetBody())
	}
	if eventing, _ := proto.GetExtension(method.Options(), options.E_Eventing).(*options.Eventing); eventing != nil {
		found = append(found, "events of "+eventing.GetIn().GetEventLog())
	}
	return strings.Join(found, " ")
}
