package conformance

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// An entityKind is what checks have to know of a kind of entity, to be the same for all.
type entityKind struct {
	name string // in sentences
	// The models, of which all have the method Call, but model the method Process.
	model, two, configured string
	prefix                 string        // of the ids of entities
	response               proto.Message // to a request that does nothing, of services that are not the model
	empty                  proto.Message // of the user function
	texts                  crashTexts
}

// crashTexts are what clients see when an activation dies (protocol section 3.1).
type crashTexts struct{ reply, failure, message, termination, queued string }

var eventSourcedKind = &entityKind{
	name:  "event sourced",
	model: eventSourcedModelName, two: eventSourcedTwoName, configured: eventSourcedConfiguredName,
	prefix:   "EventSourced",
	response: &eventsourcedmodel.Response{},
	empty:    &eventsourcedpb.EventSourcedStreamOut{},
	texts: crashTexts{
		reply: "Unexpected entity reply", failure: "Unexpected entity failure", message: "Unexpected entity message",
		termination: "Unexpected entity termination", queued: "Entity terminated",
	},
}

var valueEntityKind = &entityKind{
	name:  "value",
	model: valueModelName, two: valueTwoName, configured: valueConfiguredName,
	prefix:   "Value",
	response: &valuemodel.Response{},
	empty:    &valueentitypb.ValueEntityStreamOut{},
	texts: crashTexts{
		reply: "Unexpected Value entity reply", failure: "Unexpected Value entity failure", message: "Unexpected Value entity failure",
		termination: "Unexpected Value entity termination", queued: "Value entity terminated",
	},
}

var crdtKind = &entityKind{
	name:  "CRDT",
	model: crdtModelName, two: crdtTwoName, configured: crdtConfiguredName,
	prefix:   "GCounter",
	response: &crdtmodel.Response{},
	empty:    &crdtpb.CrdtStreamOut{},
	texts: crashTexts{
		reply: "Entity terminating", failure: "Entity terminating", message: "Entity terminating",
		termination: "Entity terminating", queued: "Entity terminating",
	},
}

// init returns the first message of the proxy, for an entity of which nothing is stored.
func (k *entityKind) init(service, id string) proto.Message {
	switch k {
	case eventSourcedKind:
		return eventSourcedInit(service, id, nil)
	case valueEntityKind:
		return valueInit(service, id, nil)
	default:
		return crdtInit(service, id, nil)
	}
}

// command returns the message of the proxy with a command.
func (k *entityKind) command(c *protocol.Command) proto.Message {
	switch k {
	case eventSourcedKind:
		return esCommand(c)
	case valueEntityKind:
		return veCommand(c)
	default:
		return crCommand(c)
	}
}

// reply returns the message of the user function that answers a command, and changes nothing.
func (k *entityKind) reply(commandID int64, action *protocol.ClientAction, effects ...*protocol.SideEffect) proto.Message {
	switch k {
	case eventSourcedKind:
		return esReply(&esAnswer{CommandId: commandID, ClientAction: action, SideEffects: effects})
	case valueEntityKind:
		return veReply(&veAnswer{CommandId: commandID, ClientAction: action, SideEffects: effects})
	default:
		return crReply(&crAnswer{CommandId: commandID, ClientAction: action, SideEffects: effects})
	}
}

// failure returns the message of the user function that gives an entity up.
func (k *entityKind) failure(f *protocol.Failure) proto.Message {
	switch k {
	case eventSourcedKind:
		return &eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Failure{Failure: f}}
	case valueEntityKind:
		return &valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Failure{Failure: f}}
	default:
		return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Failure{Failure: f}}
	}
}

func eventSourcedInit(service, id string, snapshot *eventsourcedpb.EventSourcedSnapshot) proto.Message {
	return esInit(&eventsourcedpb.EventSourcedInit{ServiceName: service, EntityId: id, Snapshot: snapshot})
}

func event(sequence int64, payload *anypb.Any) proto.Message {
	return esEvent(&eventsourcedpb.EventSourcedEvent{Sequence: sequence, Payload: payload})
}

func valueInit(service, id string, value *anypb.Any) proto.Message {
	return veInit(&valueentitypb.ValueEntityInit{
		ServiceName: service, EntityId: id, State: &valueentitypb.ValueEntityInitState{Value: value},
	})
}

func crdtInit(service, id string, delta *crdtpb.CrdtDelta) proto.Message {
	return crInit(&crdtpb.CrdtInit{ServiceName: service, EntityId: id, Delta: delta})
}
