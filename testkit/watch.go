package testkit

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// A session sees what passes between the proxy and one activation of an entity, or one call of
// an action. Its methods are called by the goroutine of the entity, which does nothing else
// meanwhile, and those of an action concurrently. Messages are valid only until they return.
type session interface {
	// received is called with each message of the proxy, before the service handles it.
	received(in proto.Message)
	// sent is called with each message of the service, before the proxy gets it.
	sent(out proto.Message)
	// ended is called when the stream is over.
	ended()
}

// watchStream is an interceptor of the streams of the protocol.
func (k *Kit) watchStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	probe := &component.Probe{}
	var s session
	switch info.FullMethod {
	case eventsourcedpb.EventSourced_Handle_FullMethodName:
		s = newEventSourcedSession(k, probe)
	case valueentitypb.ValueEntity_Handle_FullMethodName:
		s = newValueSession(k, probe)
	case crdtpb.Crdt_Handle_FullMethodName:
		s = newCRDTSession(k, probe)
	case actionpb.ActionProtocol_HandleStreamedIn_FullMethodName,
		actionpb.ActionProtocol_HandleStreamedOut_FullMethodName,
		actionpb.ActionProtocol_HandleStreamed_FullMethodName:
		s = &actionSession{kit: k}
	default:
		return handler(srv, stream)
	}
	defer s.ended()
	return handler(srv, &watchedStream{ServerStream: stream, ctx: component.WithProbe(stream.Context(), probe), session: s})
}

// watchedStream is a stream with a session.
type watchedStream struct {
	grpc.ServerStream

	ctx     context.Context //nolint:containedctx // a stream has one
	session session
}

// Context returns the context of the stream, with the probe.
func (s *watchedStream) Context() context.Context { return s.ctx }

// RecvMsg receives a message of the proxy.
func (s *watchedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if in, ok := m.(wire.Received); ok {
		s.session.received(in.Received())
	}
	return nil
}

// SendMsg sends a message to the proxy.
func (s *watchedStream) SendMsg(m any) error {
	if out, ok := m.(proto.Message); ok {
		s.session.sent(out)
	}
	return s.ServerStream.SendMsg(m)
}
