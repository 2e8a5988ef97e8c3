package models

import (
	"context"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/eventsourced"
)

// EventSourcedTwo declares the model that forwards and side effects of [EventSourced] go to.
var EventSourcedTwo = &eventsourced.Entity[*eventSourcedTwo]{
	Service:       &pb.EventSourcedTwo_ServiceDesc,
	PersistenceID: "event-sourced-tck-model-two",
	New:           func(string) *eventSourcedTwo { return &eventSourcedTwo{} },
}

type eventSourcedTwo struct {
	eventsourced.Base
	pb.UnsafeEventSourcedTwoServer
}

var _ pb.EventSourcedTwoServer = (*eventSourcedTwo)(nil)

// Call replies with an empty response.
func (*eventSourcedTwo) Call(context.Context, *pb.Request) (*pb.Response, error) {
	return &pb.Response{}, nil
}
