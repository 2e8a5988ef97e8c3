package models

import (
	"context"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/crdt"
)

// CRDTConfigured declares the model of a CRDT entity that sets when it is passivated.
var CRDTConfigured = &crdt.Entity[*crdtConfigured]{
	Service:        &pb.CrdtConfigured_ServiceDesc,
	New:            func(string) *crdtConfigured { return &crdtConfigured{Base: crdt.NewBase(crdt.NewGCounter())} },
	PassivateAfter: passivateAfter,
}

// crdtConfigured has a counter that it never changes.
type crdtConfigured struct {
	crdt.Base[*crdt.GCounter]
	pb.UnsafeCrdtConfiguredServer
}

var _ pb.CrdtConfiguredServer = (*crdtConfigured)(nil)

// Call replies with an empty response.
func (*crdtConfigured) Call(context.Context, *pb.Request) (*pb.Response, error) {
	return &pb.Response{}, nil
}
