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
	release()
}

// A session is one stream of the protocol as a state machine over its messages: it knows
// nothing of gRPC. It is not safe for concurrent use.
type session struct {
	types  map[string]activator // by service
	env    *component.Env
	active activity // nil before the init message

	// service and entityID are what the init message said, for the log.
	service, entityID string
}

// handle takes the next message of the proxy. It returns the answer, which the caller must
// free, or nil if the message has none, and whether the session is over.
func (s *session) handle(ctx context.Context, in *eventsourcedpb.EventSourcedStreamIn) (out *answer, over bool) {
	out, f := s.dispatch(ctx, in)
	if f == nil {
		return out, false
	}
	s.env.LogFault(ctx, texts.Kind, f, s.service, s.entityID, in.GetCommand().GetName())
	out = acquireAnswer()
	out.setFault(f)
	return out, true
}

func (s *session) dispatch(ctx context.Context, in *eventsourcedpb.EventSourcedStreamIn) (*answer, *command.Fault) {
	m := in.GetMessage()
	if init, ok := m.(*eventsourcedpb.EventSourcedStreamIn_Init); ok {
		return nil, s.init(ctx, init.Init)
	}
	if s.active == nil {
		return nil, command.ProtocolFault(0, texts.NoInit)
	}
	switch m := m.(type) {
	case *eventsourcedpb.EventSourcedStreamIn_Command:
		return s.active.command(m.Command)
	case *eventsourcedpb.EventSourcedStreamIn_Event:
		return nil, s.active.event(m.Event)
	}
	return nil, command.ProtocolFault(0, texts.Empty)
}

func (s *session) init(ctx context.Context, init *eventsourcedpb.EventSourcedInit) *command.Fault {
	if s.active != nil {
		return command.ProtocolFault(0, texts.Inited)
	}
	s.service, s.entityID = init.GetServiceName(), init.GetEntityId()
	typ := s.types[s.service]
	if typ == nil {
		return command.ProtocolFault(0, "Service not found: "+s.service)
	}
	active, f := typ.activate(ctx, s.env, init)
	if f == nil {
		s.active = active
	}
	return f
}

// close ends the session after the stream has ended.
func (s *session) close() {
	if s.active != nil {
		s.active.release()
	}
}
