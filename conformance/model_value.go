package conformance

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// ve makes requests to ValueEntityTckModel, and what it has to answer.
var ve valueEntityModel

type valueEntityModel struct{}

func (valueEntityModel) update(value string) *valuemodel.RequestAction {
	return &valuemodel.RequestAction{Action: &valuemodel.RequestAction_Update{Update: &valuemodel.Update{Value: value}}}
}

func (valueEntityModel) delete() *valuemodel.RequestAction {
	return &valuemodel.RequestAction{Action: &valuemodel.RequestAction_Delete{Delete: &valuemodel.Delete{}}}
}

func (valueEntityModel) forward(id string) *valuemodel.RequestAction {
	return &valuemodel.RequestAction{Action: &valuemodel.RequestAction_Forward{Forward: &valuemodel.Forward{Id: id}}}
}

func (valueEntityModel) effect(id string, synchronous bool) *valuemodel.RequestAction {
	return &valuemodel.RequestAction{Action: &valuemodel.RequestAction_Effect{
		Effect: &valuemodel.Effect{Id: id, Synchronous: synchronous},
	}}
}

func (valueEntityModel) fail(message string) *valuemodel.RequestAction {
	return &valuemodel.RequestAction{Action: &valuemodel.RequestAction_Fail{Fail: &valuemodel.Fail{Message: message}}}
}

// says is the reply with a state.
func (valueEntityModel) says(state string) *protocol.ClientAction {
	return replyWith(&valuemodel.Response{Message: state})
}

func (valueEntityModel) forwards(id string) *protocol.ClientAction {
	return forwardTo(valueTwoName, "Call", &valuemodel.Request{Id: id})
}

func (valueEntityModel) affects(id string, synchronous bool) *protocol.SideEffect {
	return sideEffect(valueTwoName, &valuemodel.Request{Id: id}, synchronous)
}

// state is a state as it is stored.
func (valueEntityModel) state(value string) *anypb.Any {
	return pack(&valuemodel.Persisted{Value: value})
}

func (m valueEntityModel) updates(value string) *valueentitypb.ValueEntityAction {
	return &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Update{
		Update: &valueentitypb.ValueEntityUpdate{Value: m.state(value)},
	}}
}

func (valueEntityModel) deletes() *valueentitypb.ValueEntityAction {
	return &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Delete{
		Delete: &valueentitypb.ValueEntityDelete{},
	}}
}
