package valueentity

import (
	"context"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// activator is an entity type, whatever its Go type is.
type activator interface {
	activate(ctx context.Context, env *component.Env, init *valueentitypb.ValueEntityInit) (*activation, *command.Fault)
}

// A session is one stream of the protocol as a state machine over its messages: it knows
// nothing of gRPC. It is not safe for concurrent use.
type session struct {
	component.Session[*activation]

	types map[string]activator // by service
}

func newSession(types map[string]activator, env *component.Env) *session {
	return &session{types: types, Session: component.Session[*activation]{Env: env, Texts: texts}}
}

// handle takes the next message of the proxy. It returns the answer, which the caller must
// free, or nil if the message has none, and whether the session is over.
func (s *session) handle(ctx context.Context, in *valueentitypb.ValueEntityStreamIn) (out *answer, over bool) {
	out, f := s.dispatch(ctx, in)
	if f == nil {
		return out, false
	}
	return s.end(ctx, f, in), true
}

// end logs why the session ends, and returns the message that says so.
func (s *session) end(ctx context.Context, f *command.Fault, in *valueentitypb.ValueEntityStreamIn) *answer {
	s.Log(ctx, f, in.GetCommand().GetName())
	out := acquireAnswer()
	out.setFault(f)
	return out
}

func (s *session) dispatch(ctx context.Context, in *valueentitypb.ValueEntityStreamIn) (*answer, *command.Fault) {
	m := in.GetMessage()
	if m, ok := m.(*valueentitypb.ValueEntityStreamIn_Init); ok {
		return nil, s.init(ctx, m.Init)
	}
	if f := s.Check(); f != nil {
		return nil, f
	}
	if m, ok := m.(*valueentitypb.ValueEntityStreamIn_Command); ok {
		return s.Active.command(m.Command) //nolint:contextcheck // the activation has the one of its stream
	}
	return nil, command.ProtocolFault(0, texts.Empty)
}

func (s *session) init(ctx context.Context, init *valueentitypb.ValueEntityInit) *command.Fault {
	var activate func() (*activation, *command.Fault)
	if t := s.types[init.GetServiceName()]; t != nil {
		activate = func() (*activation, *command.Fault) { return t.activate(ctx, s.Env, init) }
	}
	return s.Init(init.GetServiceName(), init.GetEntityId(), activate)
}
