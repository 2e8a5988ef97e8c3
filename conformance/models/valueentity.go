package models

import (
	"context"
	"errors"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// ValueEntity declares ValueEntityTckModel.
var ValueEntity = &valueentity.Entity[*valueModel]{
	Service:       &pb.ValueEntityTckModel_ServiceDesc,
	PersistenceID: "value-entity-tck-model",
	New:           func(string) *valueModel { return &valueModel{} },
}

// valueModel has a text as its state.
type valueModel struct {
	valueentity.Base[*pb.Persisted]
	pb.UnsafeValueEntityTckModelServer
}

var _ pb.ValueEntityTckModelServer = (*valueModel)(nil)

// Process carries out the actions and replies with the state.
func (m *valueModel) Process(ctx context.Context, request *pb.Request) (*pb.Response, error) {
	var forwarded *pb.Response
	for _, a := range request.GetActions() {
		var err error
		switch a := a.GetAction().(type) {
		case *pb.RequestAction_Update:
			m.Update(&pb.Persisted{Value: a.Update.GetValue()})
		case *pb.RequestAction_Delete:
			m.Delete()
		case *pb.RequestAction_Forward:
			forwarded, err = pb.NewValueEntityTwoClient(entity.Forward(ctx)).Call(ctx, &pb.Request{Id: a.Forward.GetId()})
		case *pb.RequestAction_Effect:
			_, err = pb.NewValueEntityTwoClient(effectOf(ctx, a.Effect)).Call(ctx, &pb.Request{Id: a.Effect.GetId()})
		case *pb.RequestAction_Fail:
			err = errors.New(a.Fail.GetMessage())
		}
		if err != nil {
			return nil, err
		}
	}
	if forwarded != nil {
		return forwarded, nil
	}
	return &pb.Response{Message: m.State().GetValue()}, nil
}
