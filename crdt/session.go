package crdt

import (
	"context"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A session is one stream of the protocol as a state machine over its messages: it knows
// nothing of gRPC. It is not safe for concurrent use.
type session struct {
	component.Session[*activation]

	types map[string]*entityType // by service
}

func newSession(types map[string]*entityType, env *component.Env) *session {
	return &session{types: types, Session: component.Session[*activation]{Env: env, Texts: texts}}
}

// handle takes the next message of the proxy. If that has a delta of a set without elements,
// these are in set, which is nil otherwise. It returns the answer, which the caller must free
// and which may have no messages, and whether the session is over.
func (s *session) handle(ctx context.Context, in *crdtpb.CrdtStreamIn, set *setDelta) (out *answer, over bool) {
	out = acquireAnswer()
	if f := s.dispatch(ctx, in, set, out); f != nil {
		out.Free()
		return s.end(ctx, f, in), true
	}
	return out, false
}

// end logs why the session ends, and returns the message that says so.
func (s *session) end(ctx context.Context, f *command.Fault, in *crdtpb.CrdtStreamIn) *answer {
	s.Log(ctx, f, in.GetCommand().GetName())
	out := acquireAnswer()
	out.setFault(f)
	return out
}

func (s *session) dispatch(ctx context.Context, in *crdtpb.CrdtStreamIn, set *setDelta, out *answer) *command.Fault {
	m := in.GetMessage()
	if m, ok := m.(*crdtpb.CrdtStreamIn_Init); ok {
		return s.init(ctx, m.Init, set)
	}
	if f := s.Check(); f != nil {
		if _, ok := m.(*crdtpb.CrdtStreamIn_Delete); ok {
			return nil // a value that was deleted before it was used here (decision A-11)
		}
		return f
	}
	switch m := m.(type) {
	case *crdtpb.CrdtStreamIn_Command:
		return s.Active.command(m.Command, out) //nolint:contextcheck // the activation has the one of its stream
	case *crdtpb.CrdtStreamIn_Delta:
		return s.Active.delta(m.Delta, set, out)
	case *crdtpb.CrdtStreamIn_StreamCancelled:
		return s.Active.cancelled(m.StreamCancelled, out)
	case *crdtpb.CrdtStreamIn_Delete:
		s.Active.deleted()
		return nil
	}
	return command.ProtocolFault(0, texts.Empty)
}

func (s *session) init(ctx context.Context, init *crdtpb.CrdtInit, set *setDelta) *command.Fault {
	var activate func() (*activation, *command.Fault)
	if t := s.types[init.GetServiceName()]; t != nil {
		activate = func() (*activation, *command.Fault) { return t.activate(ctx, s.Env, init, set) }
	}
	return s.Init(init.GetServiceName(), init.GetEntityId(), activate)
}
