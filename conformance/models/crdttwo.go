package models

import (
	"context"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/crdt"
)

// CRDTTwo declares the model that forwards and side effects of [CRDT] go to.
var CRDTTwo = &crdt.Entity[*crdtTwo]{
	Service: &pb.CrdtTwo_ServiceDesc,
	New:     func(string) *crdtTwo { return &crdtTwo{Base: crdt.NewBase(crdt.NewGCounter())} },
}

// crdtTwo has a counter that it never changes.
type crdtTwo struct {
	crdt.Base[*crdt.GCounter]
	pb.UnsafeCrdtTwoServer
}

var _ pb.CrdtTwoServer = (*crdtTwo)(nil)

// Call replies with an empty response. It deletes the CRDT if an action does.
func (m *crdtTwo) Call(_ context.Context, request *pb.Request) (*pb.Response, error) {
	for _, a := range request.GetActions() {
		if a.GetDelete() != nil {
			m.Delete()
		}
	}
	return &pb.Response{}, nil
}
