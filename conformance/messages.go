package conformance

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// The names of the models (TCK models section 2).
const (
	actionModelName            = "cloudstate.tck.model.action.ActionTckModel"
	actionTwoName              = "cloudstate.tck.model.action.ActionTwo"
	valueModelName             = "cloudstate.tck.model.valueentity.ValueEntityTckModel"
	valueTwoName               = "cloudstate.tck.model.valueentity.ValueEntityTwo"
	valueConfiguredName        = "cloudstate.tck.model.valueentity.ValueEntityConfigured"
	eventSourcedModelName      = "cloudstate.tck.model.EventSourcedTckModel"
	eventSourcedTwoName        = "cloudstate.tck.model.EventSourcedTwo"
	eventSourcedConfiguredName = "cloudstate.tck.model.EventSourcedConfigured"
	crdtModelName              = "cloudstate.tck.model.crdt.CrdtTckModel"
	crdtTwoName                = "cloudstate.tck.model.crdt.CrdtTwo"
	crdtConfiguredName         = "cloudstate.tck.model.crdt.CrdtConfigured"
	subscriberName             = "cloudstate.tck.model.eventlogeventing.EventLogSubscriberModel"
	eventSourcedOneName        = "cloudstate.tck.model.eventlogeventing.EventSourcedEntityOne"
	eventSourcedJSONName       = "cloudstate.tck.model.eventlogeventing.EventSourcedEntityTwo"
)

// pack returns a message as payloads have it: the bytes are those that every proto encoder
// that follows the order of fields writes.
func pack(m proto.Message) *anypb.Any {
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err) //nolint:forbidigo // messages of the suite can be encoded
	}
	return &anypb.Any{TypeUrl: protocol.TypeURLPrefix + string(m.ProtoReflect().Descriptor().FullName()), Value: value}
}

// replyWith returns the client action that replies with a message.
func replyWith(m proto.Message) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: &protocol.Reply{Payload: pack(m)}}}
}

// forwardTo returns the client action that forwards to another service.
func forwardTo(service, command string, m proto.Message) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Forward{Forward: forward(service, command, m)}}
}

func forward(service, command string, m proto.Message) *protocol.Forward {
	return &protocol.Forward{ServiceName: service, CommandName: command, Payload: pack(m)}
}

// failWith returns the client action that tells the client of a failure.
func failWith(commandID int64, description string) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Failure{
		Failure: &protocol.Failure{CommandId: commandID, Description: description},
	}}
}

// sideEffect returns a call of another service, which the models have for that.
func sideEffect(service string, m proto.Message, synchronous bool) *protocol.SideEffect {
	return &protocol.SideEffect{ServiceName: service, CommandName: "Call", Payload: pack(m), Synchronous: synchronous}
}
