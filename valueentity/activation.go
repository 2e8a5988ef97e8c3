package valueentity

import (
	"context"
	"fmt"
	"reflect"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

var texts = &command.Texts{
	Kind:        "value entity",
	NoInit:      "Expected init message for Value entity",
	Inited:      "Value entity already inited",
	Empty:       "Value entity received empty/unknown message",
	WrongEntity: "Receiving Value entity is not the intended recipient of command",
	NoPayload:   "No command payload for Value entity",
	Unexpected:  "Value entity unexpected failure",
}

// activation is the life of one instance: from the init message of a stream to its end. It
// does not depend on the Go type of the entity, and is not safe for concurrent use.
type activation struct {
	command.Runner

	instance any
	base     base
	state    state
	url      string // under which the state is stored
}

// activate makes an instance with the state that is stored.
func (t *entityType[S]) activate(ctx context.Context, env *component.Env, init *valueentitypb.ValueEntityInit) (_ *activation, f *command.Fault) {
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(0, r)
		}
	}()
	instance := t.create(init.GetEntityId())
	if reflect.ValueOf(instance).IsZero() {
		return nil, texts.Fault(0, fmt.Errorf("the New of %s returned nil for %q; it must return an instance", t.service, init.GetEntityId()))
	}
	a := &activation{instance: instance, base: instance.base(), url: t.url}
	a.Init(ctx, texts, &env.Environment, t.service, t.methods, init.GetEntityId())
	state, ok := a.base.bind(t.codec)
	if !ok {
		return nil, texts.Fault(0, fmt.Errorf("the New of %s returned an instance that is in use; it must return a new one each time", t.service))
	}
	a.state = state
	if probe := component.ProbeOf(ctx); probe != nil {
		a.observe(ctx, env, t, probe)
	}
	if stored := init.GetState().GetValue(); stored != nil {
		if err := state.load(stored); err != nil {
			return nil, texts.Fault(0, err)
		}
	}
	return a, nil
}

// Release forgets the instance, so that using it later is noticed.
func (a *activation) Release() { a.base.release() }

// command handles a command and returns the answer, or why the activation ends.
func (a *activation) command(c *protocol.Command) (*answer, *command.Fault) {
	method, f := a.Check(c)
	if f != nil {
		return nil, f
	}
	out := acquireAnswer()
	if f := a.handle(method, c, out); f != nil {
		out.Free()
		return nil, f
	}
	return out, nil
}

// handle handles a command that was checked, and completes its answer.
func (a *activation) handle(method *command.Method, c *protocol.Command, out *answer) *command.Fault {
	a.state.begin()
	returned, f, err := a.Call(a.instance, method, c)
	a.state.end()
	switch {
	case f != nil:
		return f
	case err != nil:
		return a.fail(c.GetId(), err, out)
	}
	return a.reply(c.GetId(), returned, out)
}

// fail answers a command whose handler returned an error. Nothing that the command has
// done may stick.
func (a *activation) fail(commandID int64, err error, out *answer) (f *command.Fault) {
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(commandID, r)
		}
	}()
	if err := a.state.rollback(); err != nil {
		return texts.Fault(commandID, err)
	}
	out.fail(command.Failure(commandID, err))
	return nil
}

// reply answers a command whose handler returned no error.
func (a *activation) reply(commandID int64, returned any, out *answer) (f *command.Fault) {
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(commandID, r)
		}
	}()
	if out.reply.SideEffects, f = a.Answer(commandID, returned, &out.Answer); f != nil {
		return f
	}
	values, change, err := a.state.commit(out.Values)
	if err != nil {
		return texts.Fault(commandID, err)
	}
	switch change {
	case updated:
		out.setUpdate(a.url, values)
	case deleted:
		out.setDelete()
	case unchanged:
		out.Values = values
	}
	out.setReply(commandID)
	return nil
}
