package models

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/emptypb"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/eventlogmodel"
	"github.com/cloudstate-go/cloudstate/eventsourced"
)

// EventSourcedOne declares EventSourcedEntityOne.
var EventSourcedOne = &eventsourced.Entity[*eventSourcedOne]{
	Service:       &pb.EventSourcedEntityOne_ServiceDesc,
	PersistenceID: "eventlogeventing-one",
	New:           func(string) *eventSourcedOne { return &eventSourcedOne{} },
	Events: []eventsourced.Event[*eventSourcedOne]{
		eventsourced.On(func(*eventSourcedOne, *pb.EventOne) {}),
		eventsourced.On(func(*eventSourcedOne, *pb.EventTwo) {}),
	},
}

// eventSourcedOne emits protobuf events for [EventLogSubscriber].
type eventSourcedOne struct {
	eventsourced.Base
	pb.UnsafeEventSourcedEntityOneServer
}

var _ pb.EventSourcedEntityOneServer = (*eventSourcedOne)(nil)

// EmitEvent emits the event of the request.
func (m *eventSourcedOne) EmitEvent(_ context.Context, request *pb.EmitEventRequest) (*emptypb.Empty, error) {
	switch e := request.GetEvent().(type) {
	case *pb.EmitEventRequest_EventOne:
		m.Emit(e.EventOne)
	case *pb.EmitEventRequest_EventTwo:
		m.Emit(e.EventTwo)
	default:
		return nil, fmt.Errorf("the request %v has no event", request)
	}
	return &emptypb.Empty{}, nil
}
