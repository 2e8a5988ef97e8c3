package models

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/eventlogmodel"
	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/eventsourced"
)

// EventSourcedJSON declares EventSourcedEntityTwo.
var EventSourcedJSON = &eventsourced.Entity[*eventSourcedJSON]{
	Service:       &pb.EventSourcedEntityTwo_ServiceDesc,
	PersistenceID: "eventlogeventing-two",
	New:           func(string) *eventSourcedJSON { return &eventSourcedJSON{} },
	Events: []eventsourced.Event[*eventSourcedJSON]{
		eventsourced.On(func(*eventSourcedJSON, jsonEvent) {}, entity.JSON(jsonEventName)),
	},
}

// jsonEvent is an event that is stored as JSON.
type jsonEvent struct {
	Message string `json:"message"`
}

const jsonEventName = "JsonEvent"

// eventSourcedJSON emits JSON events for [EventLogSubscriber].
type eventSourcedJSON struct {
	eventsourced.Base
	pb.UnsafeEventSourcedEntityTwoServer
}

var _ pb.EventSourcedEntityTwoServer = (*eventSourcedJSON)(nil)

// EmitJsonEvent emits an event with the message of the request.
func (m *eventSourcedJSON) EmitJsonEvent(_ context.Context, request *pb.JsonEvent) (*emptypb.Empty, error) { //nolint:revive // the name is the model's
	m.Emit(jsonEvent{Message: request.GetMessage()})
	return &emptypb.Empty{}, nil
}
