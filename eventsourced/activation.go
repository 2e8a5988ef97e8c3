package eventsourced

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

var texts = &command.Texts{
	Kind:        "event sourced entity",
	NoInit:      "Expected Init message",
	Inited:      "Entity already inited",
	Empty:       "Received empty/unknown message",
	WrongEntity: "Receiving entity is not the intended recipient of command",
	NoPayload:   "No command payload",
	Unexpected:  "Unexpected failure",
}

// An activation is the life of one instance: from the init message of a stream to its
// end. It is not safe for concurrent use.
type activation[S Instance] struct {
	command.Runner

	typ      *entityType[S]
	instance S
	sequence int64            // of the last event that was applied
	applying bool             // an event handler runs, or has panicked
	spent    bool             // a restart was asked for
	probe    *component.Probe // nil in production

	// The command in progress.
	answer      *answer // takes what is emitted; nil if no command is running
	commandID   int64
	snapshotDue bool
	fault       *command.Fault // raised by Emit; stands even if the handler recovers
}

// activate makes an instance and restores the snapshot, if there is one.
func (t *entityType[S]) activate(ctx context.Context, env *component.Env, init *eventsourcedpb.EventSourcedInit) (_ activity, f *command.Fault) {
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(0, r)
		}
	}()
	a := &activation[S]{typ: t}
	a.Init(ctx, texts, &env.Environment, t.service, t.methods, init.GetEntityId())
	a.instance = t.create(init.GetEntityId())
	if reflect.ValueOf(a.instance).IsZero() {
		return nil, texts.Fault(0, fmt.Errorf("the New of %s returned nil for %q; it must return an instance", t.service, init.GetEntityId()))
	}
	b := a.instance.base()
	if b.owner != nil {
		return nil, texts.Fault(0, fmt.Errorf("the New of %s returned an instance that is in use; it must return a new one each time", t.service))
	}
	b.owner = a
	if probe := component.ProbeOf(ctx); probe != nil {
		a.observe(ctx, env, probe)
	}
	if snapshot := init.GetSnapshot(); snapshot.GetSnapshot() != nil {
		if f := a.restore(snapshot.GetSnapshot()); f != nil {
			return nil, f
		}
		a.sequence = snapshot.GetSnapshotSequence()
	}
	return a, nil
}

func (a *activation[S]) restore(snapshot *anypb.Any) *command.Fault {
	handler := a.typ.snapshot
	if handler == nil || !handler.accepts(snapshot.GetTypeUrl()) {
		return &command.Fault{Description: fmt.Sprintf("No snapshot handler found for snapshot %s on %s. If it was renamed, declare its successor with entity.Alias",
			snapshot.GetTypeUrl(), a.typ.service)}
	}
	if err := handler.restore(a.instance, snapshot); err != nil {
		return texts.Fault(0, fmt.Errorf("restore a snapshot: %w", err))
	}
	return nil
}

// Release forgets the instance, so that using it later is noticed.
func (a *activation[S]) Release() {
	b := a.instance.base()
	b.owner = nil
	if a.probe != nil {
		b.owner = released{a.probe}
	}
}

// event replays an event.
func (a *activation[S]) event(event *eventsourcedpb.EventSourcedEvent) (f *command.Fault) {
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(0, r)
		}
	}()
	payload := event.GetPayload()
	handler := a.typ.handlerFor(payload.GetTypeUrl())
	if handler == nil {
		return a.noHandler(fmt.Sprintf("%s, which is event %d of %q,", payload.GetTypeUrl(), event.GetSequence(), a.EntityID()))
	}
	decoded, err := handler.decode(payload)
	if err != nil {
		return texts.Fault(0, fmt.Errorf("replay event %d of %q: %w", event.GetSequence(), a.EntityID(), err))
	}
	a.sequence = event.GetSequence()
	a.applying = true
	handler.apply(a.instance, decoded)
	a.applying = false
	return nil
}

func (a *activation[S]) noHandler(event string) *command.Fault {
	return &command.Fault{Description: fmt.Sprintf("No event handler found for event %s on %s; known: %s. If it was renamed, declare its successor with entity.Alias",
		event, a.typ.service, a.typ.knownEvents())}
}

// command handles a command and returns the answer, or why the activation ends.
func (a *activation[S]) command(c *protocol.Command) (*answer, *command.Fault) {
	method, f := a.Check(c)
	if f == nil && a.spent {
		f = command.ProtocolFault(c.GetId(), "Received a command after a failure that asked for a restart")
	}
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

// handle handles a command that was checked, and completes its answer. No panic leaves it,
// be it that of the handler, of its error, of its reply or of the snapshot.
func (a *activation[S]) handle(method *command.Method, c *protocol.Command, out *answer) (f *command.Fault) {
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(c.GetId(), r)
		}
	}()
	a.answer, a.commandID, a.snapshotDue, a.fault = out, c.GetId(), false, nil
	returned, f, err := a.Call(a.instance, method, c)
	a.answer = nil
	switch {
	case a.fault != nil:
		return a.fault
	case f != nil:
		return f
	case a.applying:
		return texts.Fault(c.GetId(), errors.New("an event handler panicked, and the command handler recovered; the state cannot be trusted"))
	case err != nil:
		a.fail(err, out)
		return nil
	}
	return a.reply(returned, out)
}

// fail answers a command whose handler returned an error. Nothing that the command has
// done may stick: the proxy restarts the entity if it has emitted events (protocol
// section 3.3.3, decision A-23).
func (a *activation[S]) fail(err error, out *answer) {
	failure := command.Failure(a.commandID, err)
	a.spent = len(out.reply.GetEvents()) > 0
	failure.Restart = a.spent
	out.fail(failure)
}

// reply answers a command whose handler returned no error.
func (a *activation[S]) reply(returned any, out *answer) (f *command.Fault) {
	if out.reply.SideEffects, f = a.Answer(a.commandID, returned, &out.Answer); f != nil {
		return f
	}
	if a.snapshotDue {
		if out.reply.Snapshot, f = a.takeSnapshot(); f != nil {
			return f
		}
	}
	out.setReply(a.commandID)
	return nil
}

func (a *activation[S]) takeSnapshot() (snapshot *anypb.Any, f *command.Fault) {
	defer func() {
		if r := recover(); r != nil {
			f = texts.Recovered(0, r)
		}
	}()
	snapshot, err := a.typ.snapshot.take(a.instance)
	if err != nil {
		return nil, texts.Fault(0, fmt.Errorf("take a snapshot: %w", err))
	}
	return snapshot, nil
}

// emit implements [Base.Emit] for one event.
func (a *activation[S]) emit(event any) {
	if a.answer == nil || a.applying {
		a.misused()
	}
	for _, h := range a.typ.events {
		values, matches, err := h.appendTo(a.answer.Values, event)
		if !matches {
			continue
		}
		if err != nil {
			a.raise(texts.Fault(a.commandID, fmt.Errorf("emit event %d of %q: %w", a.sequence+1, a.EntityID(), err)))
		}
		a.answer.addEvent(h.url, values)
		a.sequence++
		if every := a.typ.snapshotEvery; every > 0 && a.sequence%every == 0 {
			a.snapshotDue = true
		}
		a.applying = true
		h.apply(a.instance, event)
		a.applying = false
		return
	}
	a.raise(&command.Fault{Description: fmt.Sprintf("No event handler found for event %T on %s; declared are: %s. Add eventsourced.On for it to the field Events%s",
		event, a.typ.service, a.typ.declaredEvents(), emitHint(event))})
}

// emitHint adds what is likely to be wrong with something that was emitted.
func emitHint(event any) string {
	switch reflect.ValueOf(event).Kind() {
	case reflect.Invalid:
		return ", or do not emit nil"
	case reflect.Slice:
		return ", or emit the elements of a slice with three dots after it"
	case reflect.Pointer:
		return ", or emit the value if that is what is declared"
	default:
		return ", or emit a pointer if that is what is declared"
	}
}

// raise ends the command and the activation from within Emit.
func (a *activation[S]) raise(f *command.Fault) {
	f.Stack = debug.Stack()
	a.fault = f
	panic(f) //nolint:forbidigo // Emit cannot return an error; Call recovers
}

// lastSequence implements [Base.Sequence].
func (a *activation[S]) lastSequence() int64 { return a.sequence }

// accepts reports whether a snapshot of this type URL can be restored.
func (h *snapshotHandler[S]) accepts(url string) bool {
	_, found := h.names[entity.StoredName(url)]
	return found
}
