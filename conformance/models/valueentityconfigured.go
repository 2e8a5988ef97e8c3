package models

import (
	"context"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// ValueEntityConfigured declares the model of a value entity that sets when it is
// passivated.
var ValueEntityConfigured = &valueentity.Entity[*valueConfigured]{
	Service:        &pb.ValueEntityConfigured_ServiceDesc,
	PersistenceID:  "value-entity-configured",
	New:            func(string) *valueConfigured { return &valueConfigured{} },
	PassivateAfter: passivateAfter,
}

type valueConfigured struct {
	valueentity.Base[*pb.Persisted]
	pb.UnsafeValueEntityConfiguredServer
}

var _ pb.ValueEntityConfiguredServer = (*valueConfigured)(nil)

// Call replies with an empty response.
func (*valueConfigured) Call(context.Context, *pb.Request) (*pb.Response, error) {
	return &pb.Response{}, nil
}
