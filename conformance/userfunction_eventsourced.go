package conformance

import (
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// esAnswer is what an event sourced entity answers.
type esAnswer = eventsourcedpb.EventSourcedReply

func esInit(init *eventsourcedpb.EventSourcedInit) *eventsourcedpb.EventSourcedStreamIn {
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{Init: init}}
}

func esEvent(event *eventsourcedpb.EventSourcedEvent) *eventsourcedpb.EventSourcedStreamIn {
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Event{Event: event}}
}

func esCommand(c *protocol.Command) *eventsourcedpb.EventSourcedStreamIn {
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Command{Command: c}}
}

func esReply(reply *esAnswer) *eventsourcedpb.EventSourcedStreamOut {
	return &eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Reply{Reply: reply}}
}

// An eventSourced is an activation of EventSourcedTckModel.
type eventSourced struct {
	*stream

	id       string
	commands int64 // sent so far
}

// eventSourced activates an entity. It has no snapshot if that is nil.
func (u *userFunction) eventSourced(t *trial, snapshot *eventsourcedpb.EventSourcedSnapshot) *eventSourced {
	u.need(t, eventSourcedModelName)
	return u.activateEventSourced(t, u.newID("entity"), snapshot)
}

func (u *userFunction) activateEventSourced(t *trial, id string, snapshot *eventsourcedpb.EventSourcedSnapshot) *eventSourced {
	e := &eventSourced{stream: u.open(t, eventsourcedpb.EventSourced_Handle_FullMethodName, &eventsourcedpb.EventSourcedStreamOut{}), id: id}
	e.send(esInit(&eventsourcedpb.EventSourcedInit{ServiceName: eventSourcedModelName, EntityId: id, Snapshot: snapshot}))
	return e
}

// replay replays events, of which the first has the sequence number first.
func (e *eventSourced) replay(first int64, values ...string) {
	for i, payload := range es.persisted(values...) {
		e.send(esEvent(&eventsourcedpb.EventSourcedEvent{Sequence: first + int64(i), Payload: payload}))
	}
}

// process sends a command, and requires an answer, into which it fills the id of the command.
func (e *eventSourced) process(want *esAnswer, actions ...*eventsourcedmodel.RequestAction) {
	e.request(actions...)
	want.CommandId = e.commands
	if failure := want.GetClientAction().GetFailure(); failure != nil {
		failure.CommandId = e.commands
	}
	e.expect(esReply(want), "the reply to command %d, %v", e.commands, actions)
}

// request sends the next command.
func (e *eventSourced) request(actions ...*eventsourcedmodel.RequestAction) {
	e.commands++
	e.send(esCommand(&protocol.Command{
		EntityId: e.id, Id: e.commands, Name: "Process",
		Payload: pack(&eventsourcedmodel.Request{Id: e.id, Actions: actions}),
	}))
}
