package crdt

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

var texts = &command.Texts{
	Kind:        "CRDT entity",
	NoInit:      "Expected Init message",
	Inited:      "Duplicate init event for the same entity",
	Empty:       "Empty or unknown in message",
	WrongEntity: "Receiving CRDT entity is not the intended recipient of command",
	NoPayload:   "No command payload for CRDT entity",
	Unexpected:  "Unexpected failure",
}

// Why a value may not be changed.
const (
	betweenCommands = "crdt: a value was changed outside of a command. Change it in a command handler, before it returns."
	inChangeTurn    = "crdt: a value was changed by the handler of a streamed command that follows a change. " +
		"It may be changed before the loop over Changes, and after the loop when the client has gone, but not in the loop or when the loop was left."
	inUnwinding = "crdt: a value was changed by a deferred function of a streamed command whose entity is dropped from memory, so that nobody would see the change. " +
		"Change it after the loop over Changes, which is left when the client has gone."
)

// activation is the life of one instance: from the init message of a stream to its end. It
// does not depend on the Go type of the entity, and is not safe for concurrent use.
type activation struct {
	command.Runner

	typ      *entityType
	env      *component.Env
	ctx      context.Context //nolint:containedctx // the stream's, which lives as long
	instance Instance
	base     entityBase
	data     Data
	guard    guard
	watches  map[int64]*watch // by command id
	gone     bool             // the value was deleted

	// The command in progress.
	running     bool
	deleting    bool
	consistency crdtpb.CrdtWriteConsistency
}

// activate makes an instance with the value that the proxy has.
func (t *entityType) activate(ctx context.Context, env *component.Env, init *crdtpb.CrdtInit, set *setDelta) (_ *activation, f *command.Fault) {
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(0, r)
		}
	}()
	a := &activation{typ: t, env: env, ctx: ctx, instance: t.create(init.GetEntityId()), watches: map[int64]*watch{}}
	a.Init(ctx, texts, &env.Environment, t.service, t.methods, init.GetEntityId())
	a.base = a.instance.entityBase()
	a.data = a.base.value()
	if err := checkData(a.data); err != nil {
		return nil, texts.Fault(0, fmt.Errorf("the value of a new %s: %w", t.service, err))
	}
	if !a.base.bind(a) {
		return nil, texts.Fault(0, fmt.Errorf("the New of %s returned an instance that is in use; it must return a new one each time", t.service))
	}
	a.guard.refuse(betweenCommands)
	attach(a.data, &a.guard)
	if probe := component.ProbeOf(ctx); probe != nil {
		a.observe(probe)
	}
	if delta := init.GetDelta(); delta != nil {
		if err := applyReceived(a.data, delta, set); err != nil {
			return nil, texts.Fault(0, err)
		}
	}
	return a, nil
}

// Release forgets the instance, so that using it later is noticed, and ends its streams.
func (a *activation) Release() {
	a.drop()
	a.guard.release()
	if a.guard.probe == nil { // which is to learn of what comes later
		a.base.bind(nil)
	}
}

// drop ends all streams, without a last turn.
func (a *activation) drop() {
	for id, w := range a.watches {
		delete(a.watches, id)
		a.release(w)
	}
}

// release ends a stream, without a last turn. That a deferred function of its handler panics
// concerns nobody else, so it is only logged.
func (a *activation) release(w *watch) {
	a.guard.refuse(inUnwinding)
	defer func() {
		a.guard.refuse(betweenCommands)
		if r := recover(); r != nil {
			a.env.LogFault(a.ctx, texts.Kind, texts.Recovered(w.id, r), a.typ.service, a.EntityID(), w.method.Name)
		}
	}()
	w.release()
}

// delete implements [Base.Delete].
func (a *activation) delete() { a.deleting = true }

// delta takes a change of other nodes. A value that does not exist at the proxy yet is
// created by it.
func (a *activation) delta(delta *crdtpb.CrdtDelta, set *setDelta, out *answer) *command.Fault {
	if a.gone {
		return nil
	}
	if err := applyReceived(a.data, delta, set); err != nil {
		return texts.Fault(0, err)
	}
	return a.notify(out)
}

// deleted takes the news that another node has deleted the value.
func (a *activation) deleted() {
	a.gone = true
	a.drop()
}

// command handles a command and completes its answer, or says why the activation ends.
func (a *activation) command(c *protocol.Command, out *answer) *command.Fault {
	method, f := a.Check(c)
	if f != nil {
		return f
	}
	if a.gone {
		out.fail(&protocol.Failure{CommandId: c.GetId(), Description: "Entity deleted"})
		return nil
	}
	if stream := a.typ.streams[method.Name]; stream != nil {
		return a.streamed(stream, c, out)
	}
	return a.unary(method, c, out)
}

// begin and end enclose a run of the user's code that may change the value. begin returns
// what is needed to find out whether it did.
func (a *activation) begin() (before *crdtpb.CrdtDelta) {
	a.running, a.deleting, a.consistency = true, false, crdtpb.CrdtWriteConsistency_LOCAL
	if a.data.changed() { // only a register that is new
		before = a.data.delta()
	}
	a.guard.allow()
	return before
}

func (a *activation) end() {
	a.running = false
	a.guard.refuse(betweenCommands)
}

// changedSince reports whether the user's code has changed the value.
func (a *activation) changedSince(before *crdtpb.CrdtDelta) bool {
	if before == nil {
		return a.data.changed()
	}
	return !proto.Equal(before, a.data.delta())
}

// unary handles a command with one reply. No panic leaves it.
func (a *activation) unary(method *command.Method, c *protocol.Command, out *answer) (f *command.Fault) {
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(c.GetId(), r)
		}
	}()
	before := a.begin()
	returned, f, err := a.Call(a.instance, method, c)
	a.end()
	switch {
	case f != nil:
		return f
	case err != nil:
		return a.fail(c.GetId(), err, before, out)
	}
	if out.reply.SideEffects, f = a.Answer(c.GetId(), returned, &out.Answer); f != nil {
		return f
	}
	return a.reply(c.GetId(), out)
}

// fail answers a command whose handler returned an error. A change cannot be undone, so
// there must be none (protocol section 3.5.2).
func (a *activation) fail(commandID int64, err error, before *crdtpb.CrdtDelta, out *answer) *command.Fault {
	if a.changedSince(before) {
		return &command.Fault{
			CommandID:   commandID,
			Description: "CRDT was changed during failed command handling, this is not allowed. The handler has returned: " + err.Error(),
		}
	}
	out.fail(command.Failure(commandID, err))
	return nil
}

// reply completes the reply to a command that has succeeded, and then tells the streams.
func (a *activation) reply(commandID int64, out *answer) *command.Fault {
	out.reply.StateAction = a.stateAction(out)
	out.setReply(commandID)
	if out.reply.GetStateAction() == nil {
		return nil
	}
	return a.notify(out)
}

// stateAction returns what becomes of the value, or nil if nothing does. To delete it wins
// over changes.
func (a *activation) stateAction(out *answer) *crdtpb.CrdtStateAction {
	if a.deleting {
		a.deleted()
		return out.deleted(a.consistency)
	}
	delta := pendingDelta(a.data)
	if delta == nil {
		return nil
	}
	a.data.reset()
	return out.updated(delta, a.consistency)
}

// streamed handles a command with a stream of replies: its first turn. No panic leaves it.
func (a *activation) streamed(method *command.StreamMethod, c *protocol.Command, out *answer) (f *command.Fault) {
	w := newWatch(a.ctx, &a.env.Environment, a.typ.service, a.EntityID(), method, c)
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(c.GetId(), r)
		}
		switch {
		case w.done:
			w.cancel()
		case f != nil:
			a.watches[w.id] = w // its handler may be suspended, and ends when the entity is dropped
		}
	}()
	w.start(func() error { return a.handle(w) })
	before := a.begin()
	elements := w.run(firstTurn)
	a.end()
	if w.err != nil {
		return a.fail(c.GetId(), w.err, before, out)
	}
	var first element
	if len(elements) > 0 {
		first, elements = elements[0], elements[1:]
	}
	out.Action.Action = first.action.GetAction()
	rest := w.rest()
	if len(elements) == 0 {
		first.effects, rest = append(first.effects, rest...), nil
	}
	out.reply.SideEffects = first.effects
	out.reply.Streamed = w.stream && (!w.done || len(elements) > 0)
	f = a.reply(c.GetId(), out)
	if f != nil {
		return f
	}
	a.sendElements(w, elements, rest, out)
	if !w.done && !a.gone {
		a.watches[w.id] = w // from now on: its own change is not news to it
	} else if !w.done {
		a.release(w)
	}
	return nil
}

// handle runs the handler of a streamed command inside of the interceptor.
func (a *activation) handle(w *watch) error {
	interceptor := a.env.Stream
	if interceptor == nil {
		return w.method.Desc.Handler(a.instance, w)
	}
	return interceptor(a.instance, w, &grpc.StreamServerInfo{
		FullMethod:     w.method.FullName,
		IsServerStream: true,
	}, w.method.Desc.Handler)
}

// sendElements adds what a handler has sent after the reply. The last element ends the
// client's stream if the handler has returned.
func (a *activation) sendElements(w *watch, elements []element, rest []*protocol.SideEffect, out *answer) {
	for i, e := range elements {
		m := &crdtpb.CrdtStreamedMessage{CommandId: w.id, ClientAction: e.action, SideEffects: e.effects}
		if last := i == len(elements)-1; last {
			m.SideEffects = append(m.SideEffects, rest...)
			m.EndStream = w.done
		}
		out.add(m)
	}
}

// notify runs the handlers of all streams after a change, in the order of their commands.
func (a *activation) notify(out *answer) *command.Fault {
	if len(a.watches) == 0 {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(a.watches)) {
		if f := a.change(a.watches[id], out); f != nil {
			return f
		}
	}
	return nil
}

// change runs a handler for a turn that follows a change. No panic leaves it.
func (a *activation) change(w *watch, out *answer) (f *command.Fault) {
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(w.id, r)
		}
	}()
	a.guard.refuse(inChangeTurn)
	elements := w.run(changeTurn)
	a.guard.refuse(betweenCommands)
	rest := w.rest()
	if !w.done {
		if len(elements) == 0 && len(rest) > 0 {
			elements, rest = []element{{effects: rest}}, nil
		}
		a.sendElements(w, elements, rest, out)
		return nil
	}
	delete(a.watches, w.id)
	w.cancel()
	switch {
	case w.err != nil:
		failure := command.Failure(w.id, w.err)
		elements = append(elements, element{action: &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: failure}}})
	case len(elements) == 0:
		elements = []element{{}} // there has to be one, to end the stream
	}
	a.sendElements(w, elements, rest, out)
	return nil
}

// cancelled runs the last turn of a stream whose client has gone. It answers also for
// streams that are not known, because the proxy waits for it (decision A-08). No panic
// leaves it.
func (a *activation) cancelled(c *protocol.StreamCancelled, out *answer) (f *command.Fault) {
	w := a.watches[c.GetId()]
	if w == nil {
		out.setCancelled(c.GetId(), nil, nil)
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(c.GetId(), r)
		}
	}()
	delete(a.watches, w.id)
	w.cancel()
	before := a.begin()
	w.run(lastTurn)
	a.end()
	if err := w.err; err != nil && a.changedSince(before) && status.Code(err) != codes.Canceled {
		return texts.Fault(c.GetId(), fmt.Errorf("the value was changed in the last turn of a stream, whose handler then returned: %w", err))
	}
	effects := w.rest()
	action := a.stateAction(out)
	out.setCancelled(c.GetId(), effects, action)
	if action == nil {
		return nil
	}
	return a.notify(out)
}
