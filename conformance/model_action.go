package conformance

import (
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// act makes requests to ActionTckModel, and what it has to answer.
var act actionTckModel

type actionTckModel struct{}

func (actionTckModel) request(groups ...*actionmodel.ProcessGroup) *actionmodel.Request {
	return &actionmodel.Request{Groups: groups}
}

func (actionTckModel) group(steps ...*actionmodel.ProcessStep) *actionmodel.ProcessGroup {
	return &actionmodel.ProcessGroup{Steps: steps}
}

func (actionTckModel) reply(message string) *actionmodel.ProcessStep {
	return &actionmodel.ProcessStep{Step: &actionmodel.ProcessStep_Reply{Reply: &actionmodel.Reply{Message: message}}}
}

func (actionTckModel) forward(id string) *actionmodel.ProcessStep {
	return &actionmodel.ProcessStep{Step: &actionmodel.ProcessStep_Forward{Forward: &actionmodel.Forward{Id: id}}}
}

func (actionTckModel) fail(message string) *actionmodel.ProcessStep {
	return &actionmodel.ProcessStep{Step: &actionmodel.ProcessStep_Fail{Fail: &actionmodel.Fail{Message: message}}}
}

func (actionTckModel) effect(id string, synchronous bool) *actionmodel.ProcessStep {
	return &actionmodel.ProcessStep{Step: &actionmodel.ProcessStep_Effect{
		Effect: &actionmodel.SideEffect{Id: id, Synchronous: synchronous},
	}}
}

// says is the response that replies.
func (actionTckModel) says(message string, effects ...*protocol.SideEffect) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{
		Response:    &actionpb.ActionResponse_Reply{Reply: &protocol.Reply{Payload: pack(&actionmodel.Response{Message: message})}},
		SideEffects: effects,
	}
}

func (actionTckModel) forwards(id string, effects ...*protocol.SideEffect) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{
		Response:    &actionpb.ActionResponse_Forward{Forward: forward(actionTwoName, "Call", &actionmodel.OtherRequest{Id: id})},
		SideEffects: effects,
	}
}

func (actionTckModel) fails(message string, effects ...*protocol.SideEffect) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{
		Response:    &actionpb.ActionResponse_Failure{Failure: &protocol.Failure{Description: message}},
		SideEffects: effects,
	}
}

// nothing is the response without a reply.
func (actionTckModel) nothing(effects ...*protocol.SideEffect) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{SideEffects: effects}
}

func (actionTckModel) affects(id string, synchronous bool) *protocol.SideEffect {
	return sideEffect(actionTwoName, &actionmodel.OtherRequest{Id: id}, synchronous)
}
