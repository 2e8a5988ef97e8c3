package conformance

import (
	"encoding/json"
	"strings"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventlogmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

const jsonURLPrefix = "json.cloudstate.io/"

var eventingChecks = checks[*userFunction]{
	"P-044": {"the event of a request": emitsTheEventOfARequest},
	"P-163": {
		"a JSON event is emitted":           emitsJSON,
		"a JSON event of another language":  readsJSON,
		"a JSON event in an Any, as a call": readsJSONOfACall,
	},
	"P-208": {
		"a reply":                    repliesWithSubject,
		"a forward":                  forwardsWithSubject,
		"several steps":              streamsWithSubject,
		"a key in another case":      readsSubjectInAnotherCase,
		"an event without a subject": repliesWithoutSubject,
		"the target of a forward":    repliesToForward,
	},
}

// journal activates an entity whose events others consume.
func (u *userFunction) journal(t *trial, service string) (s *stream, entityID string) {
	u.need(t, service)
	entityID = u.newID("entity")
	s = u.open(t, eventsourcedpb.EventSourced_Handle_FullMethodName, &eventsourcedpb.EventSourcedStreamOut{})
	s.send(esInit(&eventsourcedpb.EventSourcedInit{ServiceName: service, EntityId: entityID}))
	return s, entityID
}

func emitsTheEventOfARequest(t *trial, u *userFunction) {
	s, id := u.journal(t, eventSourcedOneName)
	one := &eventlogmodel.EventOne{Step: logReply("one")}
	two := &eventlogmodel.EventTwo{Step: []*eventlogmodel.ProcessStep{logReply("two"), logForward("three")}}
	for i, request := range []*eventlogmodel.EmitEventRequest{
		{Id: id, Event: &eventlogmodel.EmitEventRequest_EventOne{EventOne: one}},
		{Id: id, Event: &eventlogmodel.EmitEventRequest_EventTwo{EventTwo: two}},
	} {
		command := int64(i + 1)
		s.send(esCommand(&protocol.Command{EntityId: id, Id: command, Name: "EmitEvent", Payload: pack(request)}))
		event := []proto.Message{one, two}[i]
		s.expect(esReply(&esAnswer{CommandId: command, ClientAction: replyWith(&emptypb.Empty{}), Events: []*anypb.Any{pack(event)}}),
			"the reply to command %d", command)
	}
	s.passivate()
}

func emitsJSON(t *trial, u *userFunction) {
	const message = "some json message"
	s, id := u.journal(t, eventSourcedJSONName)
	s.send(esCommand(&protocol.Command{
		EntityId: id, Id: 1, Name: "EmitJsonEvent", Payload: pack(&eventlogmodel.JsonEvent{Id: id, Message: message}),
	}))
	got := s.next("the reply")
	out, _ := got.(*eventsourcedpb.EventSourcedStreamOut)
	require.Len(t, out.GetReply().GetEvents(), 1, "the events in %v", got)
	event := out.GetReply().GetEvents()[0]
	requireEqual(t, esReply(&esAnswer{CommandId: 1, ClientAction: replyWith(&emptypb.Empty{}), Events: []*anypb.Any{event}}), got, "the reply")

	require.Truef(t, strings.HasPrefix(event.GetTypeUrl(), jsonURLPrefix), "the type URL %q has to begin with %s", event.GetTypeUrl(), jsonURLPrefix)
	number, typ, n := protowire.ConsumeTag(event.GetValue())
	require.NoError(t, protowire.ParseError(min(n, 0)), "decode the tag in the value of the event, %q", event.GetValue())
	require.Equal(t, protowire.Number(1), number, "the number of the field in the value of the event")
	require.Equal(t, protowire.BytesType, typ, "the wire type of field 1 in the value of the event")
	document, m := protowire.ConsumeBytes(event.GetValue()[n:])
	require.Equal(t, len(event.GetValue()), n+m, "the size of the value of the event, of which field 1 has to be all")
	var content map[string]any
	require.NoError(t, json.Unmarshal(document, &content), "decode the JSON document %q", document)
	require.Equal(t, map[string]any{"message": message}, content, "the JSON document")
	s.passivate()
}

// jsonEvent is a JSON event as some language has encoded it.
func jsonEvent(document string) *anypb.Any {
	return &anypb.Any{
		TypeUrl: jsonURLPrefix + "io.example.SomeEvent",
		Value:   protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), document),
	}
}

func readsJSON(t *trial, u *userFunction) {
	u.deliver(t, "ProcessAnyEvent", jsonEvent(`{ "message" : "some json message" }`), subject("ce-subject"),
		logSays(from, "some json message"))
}

func readsJSONOfACall(t *trial, u *userFunction) {
	u.deliver(t, "ProcessAnyEvent", pack(jsonEvent(`{"message":"some json message"}`)), nil, logSays("", "some json message"))
}

// from is the id of the entity that has emitted an event.
const from = "entity-1"

// subject is what the metadata of an event has besides what all events have: from, under the
// key of the subject of a CloudEvent.
func subject(key string) []*protocol.MetadataEntry {
	return []*protocol.MetadataEntry{textEntry(key, from)}
}

func textEntry(key, value string) *protocol.MetadataEntry {
	return &protocol.MetadataEntry{Key: key, Value: &protocol.MetadataEntry_StringValue{StringValue: value}}
}

// deliver delivers an event to the subscriber, as a proxy does, and requires a response.
func (u *userFunction) deliver(t *trial, method string, event *anypb.Any, more []*protocol.MetadataEntry, want ...*actionpb.ActionResponse) {
	u.need(t, subscriberName)
	fullMethod := actionpb.ActionProtocol_HandleUnary_FullMethodName
	if method == "ProcessEventTwo" {
		fullMethod = actionpb.ActionProtocol_HandleStreamedOut_FullMethodName
	}
	s := u.open(t, fullMethod, &actionpb.ActionResponse{})
	s.send(&actionpb.ActionCommand{
		ServiceName: subscriberName, Name: method, Payload: event,
		Metadata: &protocol.Metadata{Entries: append([]*protocol.MetadataEntry{
			textEntry("ce-id", "1"),
			textEntry("ce-source", "eventlogeventing-one"),
			textEntry("ce-specversion", "1.0"),
			textEntry("ce-type", event.GetTypeUrl()),
			textEntry("Content-Type", "application/vnd.cloudstate.protobuf.any"),
		}, more...)},
	})
	s.halfClose()
	for i, response := range want {
		got := s.next("response %d to the event", i+1)
		if r, ok := got.(*actionpb.ActionResponse); ok && r.GetForward() != nil {
			r.GetForward().Metadata = nil // a user function may hand on that of the command
		}
		requireEqual(t, response, got, "response %d to the event", i+1)
	}
	s.expectEnd()
}

func logReply(message string) *eventlogmodel.ProcessStep {
	return &eventlogmodel.ProcessStep{Step: &eventlogmodel.ProcessStep_Reply{Reply: &eventlogmodel.Reply{Message: message}}}
}

func logForward(message string) *eventlogmodel.ProcessStep {
	return &eventlogmodel.ProcessStep{Step: &eventlogmodel.ProcessStep_Forward{Forward: &eventlogmodel.Forward{Message: message}}}
}

// logSays is the response that replies.
func logSays(id, message string) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{
		Reply: &protocol.Reply{Payload: pack(&eventlogmodel.Response{Id: id, Message: message})},
	}}
}

func logForwards(id, message string) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Forward{
		Forward: forward(subscriberName, "Effect", &eventlogmodel.EffectRequest{Id: id, Message: message}),
	}}
}

func eventOne(step *eventlogmodel.ProcessStep) *anypb.Any {
	return pack(&eventlogmodel.EventOne{Step: step})
}

func repliesWithSubject(t *trial, u *userFunction) {
	u.deliver(t, "ProcessEventOne", eventOne(logReply("one")), subject("ce-subject"), logSays(from, "one"))
}

func forwardsWithSubject(t *trial, u *userFunction) {
	u.deliver(t, "ProcessEventOne", eventOne(logForward("one")), subject("ce-subject"), logForwards(from, "one"))
}

func streamsWithSubject(t *trial, u *userFunction) {
	event := &eventlogmodel.EventTwo{Step: []*eventlogmodel.ProcessStep{logReply("one"), logForward("two"), logReply("three")}}
	u.deliver(t, "ProcessEventTwo", pack(event), subject("ce-subject"),
		logSays(from, "one"), logForwards(from, "two"), logSays(from, "three"))
}

func readsSubjectInAnotherCase(t *trial, u *userFunction) {
	u.deliver(t, "ProcessEventOne", eventOne(logReply("one")), subject("Ce-Subject"),
		logSays(from, "one"))
}

func repliesWithoutSubject(t *trial, u *userFunction) {
	u.deliver(t, "ProcessEventOne", eventOne(logReply("one")), nil, logSays("", "one"))
}

func repliesToForward(t *trial, u *userFunction) {
	u.need(t, subscriberName)
	s := u.open(t, actionpb.ActionProtocol_HandleUnary_FullMethodName, &actionpb.ActionResponse{})
	s.send(&actionpb.ActionCommand{
		ServiceName: subscriberName, Name: "Effect", Payload: pack(&eventlogmodel.EffectRequest{Id: from, Message: "one"}),
	})
	s.halfClose()
	s.expect(logSays(from, "one"), "the response")
	s.expectEnd()
}
