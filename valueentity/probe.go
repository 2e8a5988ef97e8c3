package valueentity

import (
	"bytes"
	"context"
	"errors"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// observe lets a probe look into the activation.
func (a *activation) observe(ctx context.Context, env *component.Env, typ activator, p *component.Probe) {
	ctx = component.WithProbe(ctx, nil)
	a.state.observe(p)
	p.Activation = inspection{activation: a, another: func(stored *anypb.Any) (*activation, *command.Fault) {
		return typ.activate(ctx, env, &valueentitypb.ValueEntityInit{EntityId: a.EntityID(), State: &valueentitypb.ValueEntityInitState{Value: stored}})
	}}
}

// inspection is what a probe can do with an activation.
type inspection struct {
	*activation

	another func(stored *anypb.Any) (*activation, *command.Fault)
}

var _ component.Value = inspection{}

// Instance implements [component.Activation].
func (i inspection) Instance() any { return i.instance }

// State implements [component.Value].
func (i inspection) State() (state any, exists bool) { return i.state.current() }

// Another implements [component.Value].
func (i inspection) Another(stored *anypb.Any) (component.Value, error) {
	other, f := i.another(stored)
	if f != nil {
		return nil, errors.New(f.Description)
	}
	return inspection{activation: other, another: i.another}, nil
}

// observe implements [state].
func (m *memory[V]) observe(p *component.Probe) { m.probe = p }

// current implements [state].
func (m *memory[V]) current() (any, bool) { return m.value, m.exists }

// observeCreated tells a probe if a handler has changed the empty value that it got because
// there is no state.
func (m *memory[V]) observeCreated() {
	if m.probe == nil || !m.created {
		return
	}
	empty, _ := m.codec.Append(nil, m.codec.New()) // an error is one of the next line as well
	if now, err := m.codec.Append(nil, m.value); err != nil || !bytes.Equal(now, empty) {
		m.probe.Discarded(m.value, m.codec.New())
	}
}

// misused panics because a method of Base was called at the wrong time. There may be no memory.
func (m *memory[V]) misused() {
	if m != nil && m.probe != nil {
		m.probe.Misused(misuse)
	}
	panic(misuse) //nolint:forbidigo // a mistake in the program that cannot be returned
}

// EncodeState implements [component.StateEncoder].
func (t *entityType[S]) EncodeState(state any) (*anypb.Any, error) {
	if stored, ok := state.(*anypb.Any); ok {
		return stored, nil
	}
	return t.prototype.encode(t.codec, state)
}
