package models

import (
	"context"

	"github.com/cloudstate-go/cloudstate/action"
	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
)

// ActionTwo declares the model that forwards and side effects of [Action] go to.
var ActionTwo = &action.Action{
	Service: &pb.ActionTwo_ServiceDesc,
	Server:  actionTwo{},
}

type actionTwo struct{ pb.UnsafeActionTwoServer }

var _ pb.ActionTwoServer = actionTwo{}

// Call replies with an empty response.
func (actionTwo) Call(context.Context, *pb.OtherRequest) (*pb.Response, error) {
	return &pb.Response{}, nil
}
