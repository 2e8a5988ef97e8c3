package component

import (
	"context"

	"github.com/cloudstate-go/cloudstate/internal/command"
)

// A Session is what the streams of all kinds of entities have in common, as a state machine
// that knows nothing of gRPC: at first an init message, then what is for the entity. A is an
// activation. It is not safe for concurrent use.
type Session[A interface {
	comparable
	Release()
}] struct {
	Env   *Env
	Texts *command.Texts
	// Active is the activation; the zero value before the init message.
	Active A

	// What the init message said, for the log.
	service, entityID string
}

// Init takes the init message. activate makes the activation of an entity type, and is nil
// if the service is unknown.
func (s *Session[A]) Init(service, entityID string, activate func() (A, *command.Fault)) *command.Fault {
	if s.Check() == nil {
		return command.ProtocolFault(0, s.Texts.Inited)
	}
	s.service, s.entityID = service, entityID
	if activate == nil {
		return command.ProtocolFault(0, "Service not found: "+service)
	}
	active, f := activate()
	if f == nil {
		s.Active = active
	}
	return f
}

// Check returns what is wrong with a message that is for the entity: that there is none.
func (s *Session[A]) Check() *command.Fault {
	var none A
	if s.Active == none {
		return command.ProtocolFault(0, s.Texts.NoInit)
	}
	return nil
}

// Log records why the session ends, and with which command.
func (s *Session[A]) Log(ctx context.Context, f *command.Fault, name string) {
	s.Env.LogFault(ctx, s.Texts.Kind, f, s.service, s.entityID, name)
}

// Close ends the session after its stream has ended.
func (s *Session[A]) Close() {
	if s.Check() == nil {
		s.Active.Release()
	}
}
