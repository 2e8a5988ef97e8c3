package models

import (
	"context"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// ValueEntityTwo declares the model that forwards and side effects of [ValueEntity] go to.
var ValueEntityTwo = &valueentity.Entity[*valueTwo]{
	Service:       &pb.ValueEntityTwo_ServiceDesc,
	PersistenceID: "value-entity-tck-model-two",
	New:           func(string) *valueTwo { return &valueTwo{} },
}

type valueTwo struct {
	valueentity.Base[*pb.Persisted]
	pb.UnsafeValueEntityTwoServer
}

var _ pb.ValueEntityTwoServer = (*valueTwo)(nil)

// Call replies with an empty response.
func (*valueTwo) Call(context.Context, *pb.Request) (*pb.Response, error) {
	return &pb.Response{}, nil
}
