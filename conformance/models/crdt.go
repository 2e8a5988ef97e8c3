package models

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/crdt"
	"github.com/cloudstate-go/cloudstate/entity"
)

// CRDT declares CrdtTckModel.
var CRDT = &crdt.Entity[*crdtModel]{
	Service: &pb.CrdtTckModel_ServiceDesc,
	New:     func(id string) *crdtModel { return &crdtModel{Base: crdt.NewBase(newData(id))} },
}

// crdtModel has a CRDT of the type that its id begins with.
type crdtModel struct {
	crdt.Base[crdt.Data]
	pb.UnsafeCrdtTckModelServer
}

var _ pb.CrdtTckModelServer = (*crdtModel)(nil)

// Process carries out the actions and replies with the state.
func (m *crdtModel) Process(ctx context.Context, request *pb.Request) (*pb.Response, error) {
	var forwarded *pb.Response
	for _, a := range request.GetActions() {
		var err error
		switch a := a.GetAction().(type) {
		case *pb.RequestAction_Update:
			err = m.update(a.Update)
		case *pb.RequestAction_Delete:
			m.Delete()
		case *pb.RequestAction_Forward:
			forwarded, err = pb.NewCrdtTwoClient(entity.Forward(ctx)).Call(ctx, &pb.Request{Id: a.Forward.GetId()})
		case *pb.RequestAction_Fail:
			err = errors.New(a.Fail.GetMessage())
		case *pb.RequestAction_Effect:
			err = callTwo(ctx, a.Effect)
		}
		if err != nil {
			return nil, err
		}
	}
	if forwarded != nil {
		return forwarded, nil
	}
	return &pb.Response{State: stateOf(m.Data())}, nil
}

// ProcessStreamed replies with the state, and with what the request says whenever it
// changes.
func (m *crdtModel) ProcessStreamed(request *pb.StreamedRequest, stream grpc.ServerStreamingServer[pb.Response]) error {
	if err := m.update(request.GetInitialUpdate()); err != nil {
		return err
	}
	if err := m.send(request, stream); err != nil {
		return err
	}
	for data := range m.Changes(stream.Context()) {
		for _, effect := range request.GetEffects() {
			if err := callTwo(stream.Context(), effect); err != nil {
				return err
			}
		}
		if err := m.send(request, stream); err != nil {
			return err
		}
		if end := request.GetEndState(); end != nil && proto.Equal(end, stateOf(data)) {
			return nil
		}
	}
	if stream.Context().Err() == nil { // there was no stream that the client could leave
		return nil
	}
	return m.update(request.GetCancelUpdate())
}

// send sends the state, unless the request wants no replies.
func (m *crdtModel) send(request *pb.StreamedRequest, stream grpc.ServerStreamingServer[pb.Response]) error {
	if request.GetEmpty() {
		return nil
	}
	return stream.Send(&pb.Response{State: stateOf(m.Data())})
}

// update carries out an update, which may be nil.
func (m *crdtModel) update(update *pb.Update) error {
	if update == nil {
		return nil
	}
	m.SetWriteConsistency(crdt.WriteConsistency(update.GetWriteConsistency()))
	return applyUpdate(m.Data(), update)
}

// callTwo asks for a side effect.
func callTwo(ctx context.Context, effect *pb.Effect) error {
	_, err := pb.NewCrdtTwoClient(effectOf(ctx, effect)).Call(ctx, &pb.Request{Id: effect.GetId()})
	return err
}
