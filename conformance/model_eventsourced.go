package conformance

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// es makes requests to EventSourcedTckModel, and what it has to answer.
var es eventSourcedModel

type eventSourcedModel struct{}

func (eventSourcedModel) emit(value string) *eventsourcedmodel.RequestAction {
	return &eventsourcedmodel.RequestAction{Action: &eventsourcedmodel.RequestAction_Emit{
		Emit: &eventsourcedmodel.Emit{Value: value},
	}}
}

func (m eventSourcedModel) emitAll(values ...string) []*eventsourcedmodel.RequestAction {
	actions := make([]*eventsourcedmodel.RequestAction, 0, len(values))
	for _, value := range values {
		actions = append(actions, m.emit(value))
	}
	return actions
}

func (eventSourcedModel) forward(id string) *eventsourcedmodel.RequestAction {
	return &eventsourcedmodel.RequestAction{Action: &eventsourcedmodel.RequestAction_Forward{
		Forward: &eventsourcedmodel.Forward{Id: id},
	}}
}

func (eventSourcedModel) effect(id string, synchronous bool) *eventsourcedmodel.RequestAction {
	return &eventsourcedmodel.RequestAction{Action: &eventsourcedmodel.RequestAction_Effect{
		Effect: &eventsourcedmodel.Effect{Id: id, Synchronous: synchronous},
	}}
}

func (eventSourcedModel) fail(message string) *eventsourcedmodel.RequestAction {
	return &eventsourcedmodel.RequestAction{Action: &eventsourcedmodel.RequestAction_Fail{
		Fail: &eventsourcedmodel.Fail{Message: message},
	}}
}

// says is the reply with a state.
func (eventSourcedModel) says(state string) *protocol.ClientAction {
	return replyWith(&eventsourcedmodel.Response{Message: state})
}

func (eventSourcedModel) forwards(id string) *protocol.ClientAction {
	return forwardTo(eventSourcedTwoName, "Call", &eventsourcedmodel.Request{Id: id})
}

func (eventSourcedModel) affects(id string, synchronous bool) *protocol.SideEffect {
	return sideEffect(eventSourcedTwoName, &eventsourcedmodel.Request{Id: id}, synchronous)
}

// persisted are events, or a snapshot.
func (eventSourcedModel) persisted(values ...string) []*anypb.Any {
	events := make([]*anypb.Any, 0, len(values))
	for _, value := range values {
		events = append(events, pack(&eventsourcedmodel.Persisted{Value: value}))
	}
	return events
}

func (eventSourcedModel) snapshot(state string) *anypb.Any {
	return pack(&eventsourcedmodel.Persisted{Value: state})
}
