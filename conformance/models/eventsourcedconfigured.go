package models

import (
	"context"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/eventsourced"
)

// EventSourcedConfigured declares the model of an event sourced entity that sets when it is
// passivated.
var EventSourcedConfigured = &eventsourced.Entity[*eventSourcedConfigured]{
	Service:        &pb.EventSourcedConfigured_ServiceDesc,
	PersistenceID:  "event-sourced-configured",
	New:            func(string) *eventSourcedConfigured { return &eventSourcedConfigured{} },
	PassivateAfter: passivateAfter,
}

type eventSourcedConfigured struct {
	eventsourced.Base
	pb.UnsafeEventSourcedConfiguredServer
}

var _ pb.EventSourcedConfiguredServer = (*eventSourcedConfigured)(nil)

// Call replies with an empty response.
func (*eventSourcedConfigured) Call(context.Context, *pb.Request) (*pb.Response, error) {
	return &pb.Response{}, nil
}
