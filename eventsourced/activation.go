package eventsourced

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// An activation is the life of one instance: from the init message of a stream to its
// end. It is not safe for concurrent use.
type activation[S Instance] struct {
	typ      *entityType[S]
	env      *component.Env
	ctx      context.Context //nolint:containedctx // the stream's, which lives as long
	id       string
	instance S
	header   command.Header
	decode   func(any) error // a.decodePayload, bound once instead of for each command
	sequence int64           // of the last event that was applied
	applying bool            // an event handler runs, or has panicked
	spent    bool            // a restart was asked for
	current  current
}

// current is the command that is being handled. Its zero value means that there is none.
type current struct {
	answer      *answer // takes what is emitted; nil if no command is running
	method      *command.Method
	payload     *anypb.Any
	commandID   int64
	snapshotDue bool
	fault       *fault // raised by Emit; stands even if the handler recovers
}

// activate makes an instance and restores the snapshot, if there is one.
func (t *entityType[S]) activate(ctx context.Context, env *component.Env, init *eventsourcedpb.EventSourcedInit) (_ activity, f *fault) {
	defer func() {
		if r := recover(); r != nil {
			f = panicked(0, r)
		}
	}()
	a := &activation[S]{typ: t, env: env, id: init.GetEntityId()}
	a.ctx = a.header.NewContext(ctx)
	a.decode = a.decodePayload
	a.instance = t.create(a.id)
	b := a.instance.base()
	if b.owner != nil {
		return nil, unexpected(0, fmt.Errorf("the New of %s returned an instance that is in use; it must return a new one each time", t.service))
	}
	b.owner = a
	if snapshot := init.GetSnapshot(); snapshot.GetSnapshot() != nil {
		if f := a.restore(snapshot.GetSnapshot()); f != nil {
			return nil, f
		}
		a.sequence = snapshot.GetSnapshotSequence()
	}
	return a, nil
}

func (a *activation[S]) restore(snapshot *anypb.Any) *fault {
	handler := a.typ.snapshot
	if handler == nil || !handler.accepts(snapshot.GetTypeUrl()) {
		return &fault{description: fmt.Sprintf("No snapshot handler found for snapshot %s on %s. If it was renamed, declare its successor with entity.Alias",
			snapshot.GetTypeUrl(), a.typ.service)}
	}
	if err := handler.restore(a.instance, snapshot); err != nil {
		return unexpected(0, fmt.Errorf("restore a snapshot: %w", err))
	}
	return nil
}

// release forgets the instance, so that using it later is noticed.
func (a *activation[S]) release() {
	a.instance.base().owner = nil
}

// event replays an event.
func (a *activation[S]) event(event *eventsourcedpb.EventSourcedEvent) (f *fault) {
	defer func() {
		if r := recover(); r != nil {
			f = panicked(0, r)
		}
	}()
	payload := event.GetPayload()
	handler := a.typ.handlerFor(payload.GetTypeUrl())
	if handler == nil {
		return a.noHandler(fmt.Sprintf("%s, which is event %d of %q,", payload.GetTypeUrl(), event.GetSequence(), a.id))
	}
	decoded, err := handler.decode(payload)
	if err != nil {
		return unexpected(0, fmt.Errorf("replay event %d of %q: %w", event.GetSequence(), a.id, err))
	}
	a.sequence = event.GetSequence()
	a.applying = true
	handler.apply(a.instance, decoded)
	a.applying = false
	return nil
}

func (a *activation[S]) noHandler(event string) *fault {
	return &fault{description: fmt.Sprintf("No event handler found for event %s on %s; known: %s. If it was renamed, declare its successor with entity.Alias",
		event, a.typ.service, a.typ.knownEvents())}
}

// command handles a command and returns the answer, or why the activation ends.
func (a *activation[S]) command(c *protocol.Command) (*answer, *fault) {
	method, f := a.check(c)
	if f != nil {
		return nil, f
	}
	out := acquireAnswer()
	if f := a.handle(method, c, out); f != nil {
		out.free()
		return nil, f
	}
	return out, nil
}

// handle handles a command that was checked, and completes its answer.
func (a *activation[S]) handle(method *command.Method, c *protocol.Command, out *answer) *fault {
	a.header.Reset(method)
	a.current = current{answer: out, method: method, payload: c.GetPayload(), commandID: c.GetId()}
	returned, f, err := a.call(c)
	done := a.current
	a.current = current{}
	switch {
	case f != nil:
		return f
	case done.fault != nil:
		return done.fault
	case a.applying:
		return unexpected(c.GetId(), errors.New("an event handler panicked, and the command handler recovered; the state cannot be trusted"))
	case err != nil:
		a.fail(err, &done)
		return nil
	}
	return a.reply(returned, &done)
}

// check returns the method that a command calls, or what is wrong with the command
// (protocol section 3.3.3).
func (a *activation[S]) check(c *protocol.Command) (*command.Method, *fault) {
	if c.GetEntityId() != a.id {
		return nil, protocolFault(c.GetId(), "Receiving entity is not the intended recipient of command")
	}
	if a.spent {
		return nil, protocolFault(c.GetId(), "Received a command after a failure that asked for a restart")
	}
	if c.GetPayload() == nil {
		return nil, protocolFault(c.GetId(), "No command payload")
	}
	method := a.typ.methods[c.GetName()]
	if method == nil {
		return nil, &fault{commandID: c.GetId(), description: fmt.Sprintf("No command handler found for command [%s] on %s", c.GetName(), a.typ.service)}
	}
	if err := method.CheckPayload(c.GetPayload()); err != nil {
		return nil, unexpected(c.GetId(), err)
	}
	return method, nil
}

// call runs the handler and returns what it has returned. A panic does not leave call.
func (a *activation[S]) call(c *protocol.Command) (returned any, f *fault, err error) {
	defer func() {
		if r := recover(); r != nil {
			f = panicked(c.GetId(), r)
		}
	}()
	ctx := &command.Context{
		Context:  command.WithMetadata(a.ctx, c.GetMetadata()),
		EntityID: a.id,
		Method:   a.current.method,
	}
	returned, err = a.current.method.Call(ctx, a.instance, a.decode, a.env.Unary)
	return returned, nil, err
}

// decodePayload is called by generated code. A request that does not decode is a mistake
// of the client, so it costs the entity nothing.
func (a *activation[S]) decodePayload(request any) error {
	if err := a.current.method.DecodePayload(a.current.payload, request); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

// fail answers a command whose handler returned an error. Nothing that the command has
// done may stick: the proxy restarts the entity if it has emitted events (protocol
// section 3.3.3, decision A-23).
func (a *activation[S]) fail(err error, done *current) {
	failure := command.Failure(done.commandID, err)
	a.spent = len(done.answer.reply.GetEvents()) > 0
	failure.Restart = a.spent
	done.answer.setFailure(failure)
}

// reply answers a command whose handler returned no error.
func (a *activation[S]) reply(returned any, done *current) *fault {
	answer := done.answer
	values, err := done.method.AppendReply(answer.values, returned)
	if errors.Is(err, command.ErrNoReply) {
		return unexpected(0, err)
	}
	if err != nil {
		return unexpected(done.commandID, err)
	}
	answer.setReply(done.commandID, done.method.ReplyURL, values, a.header.Metadata())
	if done.snapshotDue {
		snapshot, f := a.takeSnapshot()
		if f != nil {
			return f
		}
		answer.reply.Snapshot = snapshot
	}
	return nil
}

func (a *activation[S]) takeSnapshot() (snapshot *anypb.Any, f *fault) {
	defer func() {
		if r := recover(); r != nil {
			f = panicked(0, r)
		}
	}()
	snapshot, err := a.typ.snapshot.take(a.instance)
	if err != nil {
		return nil, unexpected(0, fmt.Errorf("take a snapshot: %w", err))
	}
	return snapshot, nil
}

// emit implements [Base.Emit] for one event.
func (a *activation[S]) emit(event any) {
	if a.current.answer == nil || a.applying {
		panic(misuse) //nolint:forbidigo // a mistake in the program that cannot be returned
	}
	for _, h := range a.typ.events {
		values, matches, err := h.appendTo(a.current.answer.values, event)
		if !matches {
			continue
		}
		if err != nil {
			a.raise(unexpected(a.current.commandID, fmt.Errorf("emit event %d of %q: %w", a.sequence+1, a.id, err)))
		}
		a.current.answer.addEvent(h.url, values)
		a.sequence++
		if every := a.typ.snapshotEvery; every > 0 && a.sequence%every == 0 {
			a.current.snapshotDue = true
		}
		a.applying = true
		h.apply(a.instance, event)
		a.applying = false
		return
	}
	a.raise(a.noHandler(fmt.Sprintf("%T", event)))
}

// raise ends the command and the activation from within Emit.
func (a *activation[S]) raise(f *fault) {
	f.stack = debug.Stack()
	a.current.fault = f
	panic(f) //nolint:forbidigo // Emit cannot return an error; call recovers
}

// lastSequence implements [Base.Sequence].
func (a *activation[S]) lastSequence() int64 { return a.sequence }

// accepts reports whether a snapshot of this type URL can be restored.
func (h *snapshotHandler[S]) accepts(url string) bool {
	_, found := h.names[entity.StoredName(url)]
	return found
}
