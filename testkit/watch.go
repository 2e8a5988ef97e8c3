package testkit

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol"
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
	l := newLink(k, probe)
	defer l.close()
	var s session
	switch info.FullMethod {
	case eventsourcedpb.EventSourced_Handle_FullMethodName:
		s = newEventSourcedSession(l, probe)
	case valueentitypb.ValueEntity_Handle_FullMethodName:
		s = newValueSession(l, probe)
	case crdtpb.Crdt_Handle_FullMethodName:
		s = newCRDTSession(l, probe)
	case actionpb.ActionProtocol_HandleStreamedIn_FullMethodName,
		actionpb.ActionProtocol_HandleStreamedOut_FullMethodName,
		actionpb.ActionProtocol_HandleStreamed_FullMethodName:
		s = &actionSession{kit: k}
	default:
		return handler(srv, stream)
	}
	watched := &watchedStream{ServerStream: stream, link: l, ctx: component.WithProbe(stream.Context(), probe), session: s}
	return l.run(func() error {
		defer s.ended()
		return handler(srv, watched)
	})
}

// watchedStream is a stream with a session.
type watchedStream struct {
	grpc.ServerStream

	link    *link
	ctx     context.Context //nolint:containedctx // a stream has one
	session session
}

// Context returns the context of the stream, with the probe.
func (s *watchedStream) Context() context.Context { return s.ctx }

// RecvMsg receives a message of the proxy, or loses it.
func (s *watchedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	in, ok := m.(wire.Received)
	if !ok {
		return nil
	}
	if isCommand(in.Received()) && s.link.kit.injected.take(CommandLost) != 0 {
		s.link.sever()
	}
	if s.link.severed() {
		return errBroken
	}
	s.session.received(in.Received())
	return nil
}

// SendMsg sends a message to the proxy, or loses it.
func (s *watchedStream) SendMsg(m any) error {
	out, ok := m.(proto.Message)
	if !ok {
		return s.ServerStream.SendMsg(m)
	}
	if isReply(out) && s.link.kit.injected.take(ReplyLost) != 0 {
		s.link.sever()
	}
	if s.link.severed() {
		return errBroken
	}
	s.session.sent(out)
	return s.ServerStream.SendMsg(m)
}

// isCommand reports whether a message of the proxy is a command for an entity.
func isCommand(m proto.Message) bool {
	in, ok := m.(interface{ GetCommand() *protocol.Command })
	return ok && in.GetCommand() != nil
}

// isReply reports whether a message of the service is the reply of an entity.
func isReply(m proto.Message) bool {
	switch out := m.(type) {
	case *eventsourcedpb.EventSourcedStreamOut:
		return out.GetReply() != nil
	case *valueentitypb.ValueEntityStreamOut:
		return out.GetReply() != nil
	case *crdtpb.CrdtStreamOut:
		return out.GetReply() != nil
	default:
		return false
	}
}
