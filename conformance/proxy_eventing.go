package conformance

import (
	"bytes"
	"context"
	"maps"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/eventingpb"
	"github.com/cloudstate-go/cloudstate/conformance/internal/interceptor"
	"github.com/cloudstate-go/cloudstate/conformance/internal/probepb"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventlogmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// proxyEventingChecks are those of events that methods get, and of replies that are published.
var proxyEventingChecks = checks[*rig]{
	"P-200": {
		"an event for a unary method":    withEventLogs(checkEventOne),
		"an event for a streamed method": withEventLogs(checkEventTwo),
		"every service gets every event": withEventLogs(checkEverySubscriber),
	},
	"P-201": {"the metadata of an event": withEventLogs(checkEventMetadata)},
	"P-202": {"the event of the model": withEventLogs(checkJSONEvent)},
	"P-203": {"from a unary method": withEventLogs(checkForwardedEvent)},
	"P-204": {"events of two types": withEventLogs(checkGroups)},
	"P-205": {"the first event fails": withEventLogs(checkRedelivery)},
	"P-207": {
		"a protobuf message":  withTopics(checkMapping(pack(&probepb.Fields{Text: "here"}), "Typed", "cloudstate.conformance.Fields", "application/protobuf")),
		"an empty message":    withTopics(checkMapping(pack(&probepb.Fields{}), "Typed", "cloudstate.conformance.Fields", "application/protobuf")),
		"JSON":                withTopics(checkMapping(&anypb.Any{TypeUrl: "json.cloudstate.io/thing", Value: wrapped(`{"a":1}`)}, "Other", "thing", "application/json")),
		"empty JSON":          withTopics(checkMapping(&anypb.Any{TypeUrl: "json.cloudstate.io/thing"}, "Other", "thing", "application/json")),
		"a string":            withTopics(checkMapping(packString("hello"), "Other", "", "text/plain; charset=utf-8")),
		"an empty string":     withTopics(checkMapping(packString(""), "Other", "", "text/plain; charset=utf-8")),
		"bytes":               withTopics(checkMapping(&anypb.Any{TypeUrl: "p.cloudstate.io/bytes", Value: wrapped("\xff\x00")}, "Other", "", "application/octet-stream")),
		"no bytes":            withTopics(checkMapping(&anypb.Any{TypeUrl: "p.cloudstate.io/bytes"}, "Other", "", "application/octet-stream")),
		"metadata of a reply": withTopics(checkPublishedMetadata),
	},
}

// wrapped is data in field 1.
func wrapped(data string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), data)
}

// The services that the suite adds for eventing. It answers their calls itself.
const (
	groupsName    = "cloudstate.conformance.eventing.Groups"
	publisherName = "cloudstate.conformance.eventing.Publisher"
	listenerName  = "cloudstate.conformance.eventing.Subscriber"
)

// withEventLogs returns a check that needs a proxy that delivers events of entities.
func withEventLogs(check func(t *trial, r *rig)) func(*trial, *rig) {
	return func(t *trial, r *rig) {
		if !r.proxy.EventLogs {
			t.NotApplicablef("the proxy does not deliver the events of entities, as the target says")
		}
		check(t, r)
	}
}

// withTopics returns a check that needs a proxy with topics.
func withTopics(check func(t *trial, r *rig)) func(*trial, *rig) {
	return func(t *trial, r *rig) {
		if !r.proxy.Topics {
			t.NotApplicablef("the proxy has no topics, as the target says")
		}
		check(t, r)
	}
}

// eventing starts a proxy with services for eventing.
func (r *rig) eventing(t *trial, services ...string) *rig {
	other := r.start(t, func(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
		spec, err := withFile(eventingpb.File_cloudstate_conformance_eventing_proto)(spec)
		if err != nil {
			return nil, err
		}
		for _, name := range services {
			spec.Entities = append(spec.Entities, &protocol.Entity{EntityType: actionType, ServiceName: name})
		}
		return spec, nil
	})
	other.Script(func(s *interceptor.Stream) bool {
		return strings.HasPrefix(s.Service, "cloudstate.conformance.eventing.")
	})
	return other.awaitReady(t)
}

// emitEvent lets the model emit an event.
func (r *rig) emitEvent(t *trial, id string, event *eventlogmodel.EmitEventRequest) {
	event.Id = id
	r.call(t, eventSourcedOneName, "EmitEvent", event, &emptypb.Empty{}).requireReply(&emptypb.Empty{})
	r.accept(t, eventSourcedOneName, id).require(eventSourcedKind.init(eventSourcedOneName, id),
		eventSourcedKind.command(&protocol.Command{EntityId: id, Id: 1, Name: "EmitEvent", Payload: pack(event)}))
}

func emitOne(step *eventlogmodel.ProcessStep) (*eventlogmodel.EventOne, *eventlogmodel.EmitEventRequest) {
	one := &eventlogmodel.EventOne{Step: step}
	return one, &eventlogmodel.EmitEventRequest{Event: &eventlogmodel.EmitEventRequest_EventOne{EventOne: one}}
}

func emitTwo(steps ...*eventlogmodel.ProcessStep) (*eventlogmodel.EventTwo, *eventlogmodel.EmitEventRequest) {
	two := &eventlogmodel.EventTwo{Step: steps}
	return two, &eventlogmodel.EmitEventRequest{Event: &eventlogmodel.EmitEventRequest_EventTwo{EventTwo: two}}
}

// requireEvent requires that a method gets an event, and returns the call and its metadata.
func (r *rig) requireEvent(t *trial, service, method string, event *anypb.Any) (*dialogue, *protocol.Metadata) {
	d := r.acceptMatching(t, withBytes(service, method, event.GetValue()), "for %s of %s with the event %v", method, service, event)
	command, ok := d.message().(*actionpb.ActionCommand)
	if !ok {
		t.Fatalf("want a command of an action")
	}
	without := proto.CloneOf(command)
	without.Metadata = nil
	requireEqual(t, &actionpb.ActionCommand{ServiceName: service, Name: method, Payload: event}, without, "the command with the event")
	return d, command.GetMetadata()
}

func checkEventOne(t *trial, r *rig) {
	id := r.newID("event")
	one, request := emitOne(logReply(id))
	r.emitEvent(t, id, request)
	r.requireEvent(t, subscriberName, "ProcessEventOne", pack(one))
}

func checkEventTwo(t *trial, r *rig) {
	id := r.newID("event")
	two, request := emitTwo(logReply(id), logReply("more"))
	r.emitEvent(t, id, request)
	r.requireEvent(t, subscriberName, "ProcessEventTwo", pack(two))
}

// checkEverySubscriber has a second service, which is slower than the first.
func checkEverySubscriber(t *trial, r *rig) {
	other := r.eventing(t, groupsName)
	id := r.newID("event")
	one, request := emitOne(logReply(id))
	other.emitEvent(t, id, request)
	other.requireEvent(t, subscriberName, "ProcessEventOne", pack(one))
	for _, method := range []string{"One", "All"} {
		d, _ := other.requireEvent(t, groupsName, method, pack(one))
		d.say(actionReply(&emptypb.Empty{}))
		d.End(nil)
	}
}

func checkEventMetadata(t *trial, r *rig) {
	id := r.newID("event")
	one, request := emitOne(logReply(id))
	r.emitEvent(t, id, request)
	_, metadata := r.requireEvent(t, subscriberName, "ProcessEventOne", pack(one))
	entries := metadata.GetEntries()
	require.NotEmpty(t, entries, "the metadata of the event")
	require.Equal(t, "ce-id", entries[0].GetKey(), "the first entry of %v", metadata)
	require.NotEmpty(t, entries[0].GetStringValue(), "the id of the event in %v", metadata)
	requireEqual(t, &protocol.Metadata{Entries: []*protocol.MetadataEntry{
		textEntry("ce-id", entries[0].GetStringValue()),
		textEntry("ce-source", "eventlogeventing-one"),
		textEntry("ce-specversion", "1.0"),
		textEntry("ce-type", pack(one).GetTypeUrl()),
		textEntry("Content-Type", "application/vnd.cloudstate.protobuf.any"),
		textEntry("ce-subject", id),
	}}, metadata, "the metadata of the event")
}

func checkJSONEvent(t *trial, r *rig) {
	id := r.newID("event")
	request := &eventlogmodel.JsonEvent{Id: id, Message: "message of " + id}
	r.call(t, eventSourcedJSONName, "EmitJsonEvent", request, &emptypb.Empty{}).requireReply(&emptypb.Empty{})
	r.accept(t, eventSourcedJSONName, id).require(eventSourcedKind.init(eventSourcedJSONName, id),
		eventSourcedKind.command(&protocol.Command{EntityId: id, Id: 1, Name: "EmitJsonEvent", Payload: pack(request)}))
	d := r.acceptMatching(t, func(s *interceptor.Stream) bool {
		first, ok := s.First().(*actionpb.ActionCommand)
		return ok && s.Service == subscriberName && s.Command == "ProcessAnyEvent" && bytes.Contains(first.GetPayload().GetValue(), []byte(request.GetMessage()))
	}, "for ProcessAnyEvent with the event")
	command, ok := d.message().(*actionpb.ActionCommand)
	require.True(t, ok, "the message is a command")
	require.True(t, strings.HasPrefix(command.GetPayload().GetTypeUrl(), jsonURLPrefix), "the type URL %q of the event is that of JSON", command.GetPayload().GetTypeUrl())
	require.Equal(t, string(wrapped(`{"message":"`+request.GetMessage()+`"}`)), string(command.GetPayload().GetValue()), "the event")
}

func checkForwardedEvent(t *trial, r *rig) {
	id := r.newID("event")
	one, request := emitOne(logForward("message of " + id))
	r.emitEvent(t, id, request)
	r.requireEvent(t, subscriberName, "ProcessEventOne", pack(one))
	effect := &eventlogmodel.EffectRequest{Id: id, Message: "message of " + id}
	r.acceptRequest(t, subscriberName, "Effect", effect).requireHeader(subscriberName, "Effect", effect)
}

// checkGroups has two groups. In the first, events are shared by type.
func checkGroups(t *trial, r *rig) {
	other := r.eventing(t, groupsName)
	a, b := r.newID("event"), r.newID("event")
	one, requestOne := emitOne(logReply(a))
	two, requestTwo := emitTwo(logReply(b))
	other.emitEvent(t, a, requestOne)
	other.emitEvent(t, b, requestTwo)
	for _, expected := range []struct {
		method string
		event  *anypb.Any
	}{{"One", pack(one)}, {"All", pack(one)}, {"Two", pack(two)}, {"All", pack(two)}} {
		d, _ := other.requireEvent(t, groupsName, expected.method, expected.event)
		d.say(actionReply(&emptypb.Empty{}))
		d.End(nil)
	}
	for _, s := range other.Unaccepted() {
		if s.Service == groupsName {
			t.Errorf("an event was delivered that nobody expected:\n%s", s)
		}
	}
}

// redeliveryTimeout is how long a proxy may wait before it delivers an event again, besides
// the time for a message (protocol section 9.2).
const redeliveryTimeout = 5 * time.Second

// checkRedelivery lets the first delivery of the first of two events fail.
func checkRedelivery(t *trial, r *rig) {
	other := r.eventing(t, groupsName)
	const count = 2
	events := make([]*anypb.Any, 0, count)
	for range count {
		id := r.newID("event")
		one, request := emitOne(logReply(id))
		other.emitEvent(t, id, request)
		events = append(events, pack(one))
	}
	for _, event := range events { // the other group goes its own way
		d, _ := other.requireEvent(t, groupsName, "All", event)
		d.say(actionReply(&emptypb.Empty{}))
		d.End(nil)
	}
	d, _ := other.requireEvent(t, groupsName, "One", events[0])
	d.End(status.Error(codes.Unavailable, "the user function restarts"))
	ctx, cancel := context.WithTimeout(t.Context(), redeliveryTimeout+r.target.Timeout)
	defer cancel()
	again, err := other.Accept(ctx, interceptor.Action(groupsName, "One"))
	require.NoError(t, err, "the event was not delivered again")
	for i, event := range events {
		if i > 0 {
			again = other.acceptAction(t, groupsName, "One").Stream
		}
		d := other.dialogue(t, again)
		command, ok := d.message().(*actionpb.ActionCommand)
		require.True(t, ok, "the message is a command")
		requireEqual(t, event, command.GetPayload(), "event %d", i+1)
		d.say(actionReply(&emptypb.Empty{}))
		d.End(nil)
	}
}

// attributes returns the metadata of an event by lower-case key.
func attributes(metadata *protocol.Metadata) map[string]string {
	all := map[string]string{}
	for _, entry := range metadata.GetEntries() {
		all[strings.ToLower(entry.GetKey())] = entry.GetStringValue()
	}
	return all
}

// publish lets the publisher reply with something, which is published.
func (r *rig) publish(t *trial, reply *protocol.Reply) {
	request := &probepb.Fields{Text: r.newID("publish")}
	s := r.stream(t, publisherName, "Publish", unaryCall, &probepb.Fields{})
	s.send(request)
	s.closeSend()
	d := r.acceptRequest(t, publisherName, "Publish", request)
	d.requireHeader(publisherName, "Publish", request)
	d.say(&actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{Reply: reply}})
	d.End(nil)
}

// checkMapping returns a check that publishes a payload, and requires that a method gets it as
// it was.
func checkMapping(payload *anypb.Any, method, ceType, contentType string) func(*trial, *rig) {
	return func(t *trial, r *rig) {
		other := r.eventing(t, publisherName, listenerName)
		other.publish(t, &protocol.Reply{Payload: payload})
		d, metadata := other.requireEvent(t, listenerName, method, payload)
		got := attributes(metadata)
		for _, set := range []string{"ce-id", "ce-time"} {
			require.NotEmpty(t, got[set], "the entry %s in %v", set, metadata)
			delete(got, set)
		}
		want := map[string]string{"ce-source": publisherName, "ce-specversion": "1.0", "ce-type": ceType, "content-type": contentType}
		require.True(t, maps.Equal(want, got), "the metadata of the event: want %v, got %v", want, got)
		d.say(actionReply(&emptypb.Empty{}))
		d.End(nil)
	}
}

func checkPublishedMetadata(t *trial, r *rig) {
	other := r.eventing(t, publisherName, listenerName)
	want := map[string]string{
		"ce-id": "some-id", "ce-source": "some source", "ce-specversion": "1.0", "ce-type": "cloudstate.conformance.Fields",
		"ce-subject": "some subject", "ce-time": "2020-01-02T03:04:05Z", "content-type": "application/protobuf",
	}
	entries := make([]*protocol.MetadataEntry, 0, len(want))
	for key, value := range want {
		entries = append(entries, textEntry(key, value))
	}
	payload := pack(&probepb.Fields{Text: "here"})
	other.publish(t, &protocol.Reply{Payload: payload, Metadata: &protocol.Metadata{Entries: entries}})
	d, metadata := other.requireEvent(t, listenerName, "Typed", payload)
	require.True(t, maps.Equal(want, attributes(metadata)), "the metadata of the event: want %v, got %v", want, metadata)
	d.say(actionReply(&emptypb.Empty{}))
	d.End(nil)
}
