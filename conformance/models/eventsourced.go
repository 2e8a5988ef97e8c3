package models

import (
	"context"
	"errors"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/eventsourced"
)

// EventSourced declares EventSourcedTckModel.
var EventSourced = &eventsourced.Entity[*eventSourcedModel]{
	Service:       &pb.EventSourcedTckModel_ServiceDesc,
	PersistenceID: "event-sourced-tck-model",
	New:           func(string) *eventSourcedModel { return &eventSourcedModel{} },
	Events:        []eventsourced.Event[*eventSourcedModel]{eventsourced.On((*eventSourcedModel).persisted)},
	Snapshot:      eventsourced.SnapshotOf((*eventSourcedModel).snapshot, (*eventSourcedModel).restore),
	SnapshotEvery: 5,
}

// eventSourcedModel has a text as its state, to which every event appends.
type eventSourcedModel struct {
	eventsourced.Base
	pb.UnsafeEventSourcedTckModelServer

	state string
}

var _ pb.EventSourcedTckModelServer = (*eventSourcedModel)(nil)

// Process carries out the actions and replies with the state.
func (m *eventSourcedModel) Process(ctx context.Context, request *pb.Request) (*pb.Response, error) {
	var forwarded *pb.Response
	for _, a := range request.GetActions() {
		var err error
		switch a := a.GetAction().(type) {
		case *pb.RequestAction_Emit:
			m.Emit(&pb.Persisted{Value: a.Emit.GetValue()})
		case *pb.RequestAction_Forward:
			forwarded, err = pb.NewEventSourcedTwoClient(entity.Forward(ctx)).Call(ctx, &pb.Request{Id: a.Forward.GetId()})
		case *pb.RequestAction_Effect:
			_, err = pb.NewEventSourcedTwoClient(effectOf(ctx, a.Effect)).Call(ctx, &pb.Request{Id: a.Effect.GetId()})
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
	return &pb.Response{Message: m.state}, nil
}

func (m *eventSourcedModel) persisted(event *pb.Persisted) { m.state += event.GetValue() }

func (m *eventSourcedModel) snapshot() *pb.Persisted { return &pb.Persisted{Value: m.state} }

func (m *eventSourcedModel) restore(snapshot *pb.Persisted) { m.state = snapshot.GetValue() }
