package eventsourced

import (
	"context"
	"log/slog"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// activator is an entity type, whatever its Go type is.
type activator interface {
	activate(ctx context.Context, env *component.Env, init *eventsourcedpb.EventSourcedInit) (activity, *fault)
}

// activity is an activation, whatever the Go type of its entity is.
type activity interface {
	event(event *eventsourcedpb.EventSourcedEvent) *fault
	command(command *protocol.Command) (*eventsourcedpb.EventSourcedStreamOut, *fault)
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

// handle takes the next message of the proxy. It returns the answer, or nil if the message
// has none, and whether that answer is the last one.
func (s *session) handle(ctx context.Context, in *eventsourcedpb.EventSourcedStreamIn) (out *eventsourcedpb.EventSourcedStreamOut, last bool) {
	var f *fault
	switch m := in.GetMessage().(type) {
	case *eventsourcedpb.EventSourcedStreamIn_Command:
		if s.active == nil {
			f = errNoInit
			break
		}
		if out, f = s.active.command(m.Command); f != nil {
			return s.end(ctx, f, m.Command.GetName()), true
		}
		return out, false
	case *eventsourcedpb.EventSourcedStreamIn_Event:
		if s.active == nil {
			f = errNoInit
			break
		}
		f = s.active.event(m.Event)
	case *eventsourcedpb.EventSourcedStreamIn_Init:
		f = s.init(ctx, m.Init)
	default:
		f = protocolFault(0, "Received empty/unknown message")
		if s.active == nil {
			f = errNoInit
		}
	}
	if f != nil {
		return s.end(ctx, f, ""), true
	}
	return nil, false
}

var errNoInit = protocolFault(0, "Expected Init message")

func (s *session) init(ctx context.Context, init *eventsourcedpb.EventSourcedInit) (f *fault) {
	if s.active != nil {
		return protocolFault(0, "Entity already inited")
	}
	s.service, s.entityID = init.GetServiceName(), init.GetEntityId()
	typ := s.types[init.GetServiceName()]
	if typ == nil {
		return protocolFault(0, "Service not found: %s", init.GetServiceName())
	}
	active, f := typ.activate(ctx, s.env, init)
	if f != nil {
		return f
	}
	s.active = active
	return nil
}

// end logs why the stream ends, once, and returns the message that says so.
func (s *session) end(ctx context.Context, f *fault, command string) *eventsourcedpb.EventSourcedStreamOut {
	attrs := []slog.Attr{
		slog.String("service", s.service), slog.String("entity", s.entityID), slog.String("command", command),
		slog.String("error", f.description),
	}
	if f.stack != nil {
		attrs = append(attrs, slog.String("stack", string(f.stack)))
	}
	s.env.Logger.LogAttrs(ctx, slog.LevelError, "event sourced entity failed; the proxy drops it and reloads it for the next command", attrs...)
	return faultOut(f)
}

// close ends the session after the stream has ended.
func (s *session) close() {
	if s.active != nil {
		s.active.release()
	}
}
