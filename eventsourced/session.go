package eventsourced

import (
	"context"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// activator is an entity type, whatever its Go type is.
type activator interface {
	activate(ctx context.Context, env *component.Env, init *eventsourcedpb.EventSourcedInit) (activity, *command.Fault)
}

// activity is an activation, whatever the Go type of its entity is.
type activity interface {
	event(event *eventsourcedpb.EventSourcedEvent) *command.Fault
	command(command *protocol.Command) (*answer, *command.Fault)
	Release()
}

// A session is one stream of the protocol as a state machine over its messages: it knows
// nothing of gRPC. It is not safe for concurrent use.
type session struct {
	component.Session[activity]

	types map[string]activator // by service
}

func newSession(types map[string]activator, env *component.Env) *session {
	return &session{types: types, Session: component.Session[activity]{Env: env, Texts: texts}}
}

// handle takes the next message of the proxy. It returns the answer, which the caller must
// free, or nil if the message has none, and whether the session is over.
func (s *session) handle(ctx context.Context, in *eventsourcedpb.EventSourcedStreamIn) (out *answer, over bool) {
	out, f := s.dispatch(ctx, in)
	if f == nil {
		return out, false
	}
	return s.end(ctx, f, in), true
}

// end logs why the session ends, and returns the message that says so.
func (s *session) end(ctx context.Context, f *command.Fault, in *eventsourcedpb.EventSourcedStreamIn) *answer {
	s.Log(ctx, f, in.GetCommand().GetName())
	out := acquireAnswer()
	out.setFault(f)
	return out
}

func (s *session) dispatch(ctx context.Context, in *eventsourcedpb.EventSourcedStreamIn) (*answer, *command.Fault) {
	m := in.GetMessage()
	if m, ok := m.(*eventsourcedpb.EventSourcedStreamIn_Init); ok {
		return nil, s.init(ctx, m.Init)
	}
	if f := s.Check(); f != nil {
		return nil, f
	}
	switch m := m.(type) {
	case *eventsourcedpb.EventSourcedStreamIn_Command:
		return s.Active.command(m.Command)
	case *eventsourcedpb.EventSourcedStreamIn_Event:
		return nil, s.Active.event(m.Event)
	}
	return nil, command.ProtocolFault(0, texts.Empty)
}

func (s *session) init(ctx context.Context, init *eventsourcedpb.EventSourcedInit) *command.Fault {
	var activate func() (activity, *command.Fault)
	if t := s.types[init.GetServiceName()]; t != nil {
		activate = func() (activity, *command.Fault) { return t.activate(ctx, s.Env, init) }
	}
	return s.Init(init.GetServiceName(), init.GetEntityId(), activate)
}
