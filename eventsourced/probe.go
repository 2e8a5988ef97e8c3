package eventsourced

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// observe lets a probe look into the activation. All that is different then is in tables and
// in places that only mistakes reach.
func (a *activation[S]) observe(ctx context.Context, env *component.Env, p *component.Probe) {
	a.probe, a.typ = p, a.typ.observed(p)
	p.Activation = inspection[S]{activation: a, ctx: component.WithProbe(ctx, nil), env: env}
}

// observed returns an entity type that decodes each event again as soon as it is encoded.
func (t *entityType[S]) observed(p *component.Probe) *entityType[S] {
	o := *t
	o.events = make([]*eventHandler[S], 0, len(t.events))
	for _, h := range t.events {
		checked := *h
		checked.appendTo = func(dst []byte, event any) ([]byte, bool, error) {
			encoded, matches, err := h.appendTo(dst, event)
			if matches && err == nil {
				decoded, err := h.decode(&anypb.Any{TypeUrl: h.url, Value: encoded[len(dst):]})
				p.Encoded(event, decoded, err)
			}
			return encoded, matches, err
		}
		o.events = append(o.events, &checked)
	}
	return &o
}

// inspection is what a probe can do with an activation.
type inspection[S Instance] struct {
	*activation[S]

	ctx context.Context //nolint:containedctx // the stream's, without the probe
	env *component.Env
}

var _ component.EventSourced = inspection[Instance]{}

// Instance implements [component.Activation].
func (i inspection[S]) Instance() any { return i.instance }

// Sequence implements [component.EventSourced].
func (i inspection[S]) Sequence() int64 { return i.sequence }

// Another implements [component.EventSourced].
func (i inspection[S]) Another(snapshot *anypb.Any, sequence int64) (component.EventSourced, error) {
	init := &eventsourcedpb.EventSourcedInit{EntityId: i.EntityID()}
	if snapshot != nil {
		init.Snapshot = &eventsourcedpb.EventSourcedSnapshot{Snapshot: snapshot, SnapshotSequence: sequence}
	}
	other, f := i.typ.activate(i.ctx, i.env, init)
	if f != nil {
		return nil, errors.New(f.Description)
	}
	return inspection[S]{activation: other.(*activation[S]), ctx: i.ctx, env: i.env}, nil //nolint:errcheck // of the same type
}

// Replay implements [component.EventSourced].
func (i inspection[S]) Replay(event *anypb.Any) error {
	return faultError(i.event(&eventsourcedpb.EventSourcedEvent{Sequence: i.sequence + 1, Payload: event}))
}

// TakeSnapshot implements [component.EventSourced].
func (i inspection[S]) TakeSnapshot() (*anypb.Any, error) {
	if i.typ.snapshot == nil {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	snapshot, f := i.takeSnapshot()
	return snapshot, faultError(f)
}

func faultError(f *command.Fault) error {
	if f == nil {
		return nil
	}
	return errors.New(f.Description)
}

// misused panics because Emit was called at the wrong time.
func (a *activation[S]) misused() {
	if a.probe != nil {
		a.probe.Misused(misuse)
	}
	panic(misuse) //nolint:forbidigo // a mistake in the program that cannot be returned
}

// released is the owner of a Base after its activation, if there was a probe.
type released struct{ probe *component.Probe }

func (r released) emit(any) {
	r.probe.Misused(misuse)
	panic(misuse) //nolint:forbidigo // a mistake in the program that cannot be returned
}

func (r released) lastSequence() int64 { return 0 }

// EncodeEvent implements [component.EventEncoder].
func (t *entityType[S]) EncodeEvent(event any) (*anypb.Any, error) {
	if stored, ok := event.(*anypb.Any); ok {
		return stored, nil
	}
	for _, h := range t.events {
		value, matches, err := h.appendTo(nil, event)
		if matches {
			return &anypb.Any{TypeUrl: h.url, Value: value}, err
		}
	}
	return nil, fmt.Errorf("it is a %T, and the declaration has no handler for that; declared are: %s%s", event, t.declaredEvents(), emitHint(event))
}

// EncodeSnapshot implements [component.EventEncoder].
func (t *entityType[S]) EncodeSnapshot(snapshot any) (*anypb.Any, error) {
	if t.snapshot == nil {
		return nil, errors.New("the declaration has no snapshots; set the field Snapshot")
	}
	if stored, ok := snapshot.(*anypb.Any); ok {
		return stored, nil
	}
	return t.snapshot.encode(snapshot)
}
