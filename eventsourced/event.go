package eventsourced

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
)

// An Event is an event type with its handler. Use [On] to make one.
type Event[S Instance] struct {
	handler *eventHandler[S]
	err     error
}

// eventHandler is an event handler without the type of its event.
type eventHandler[S Instance] struct {
	event reflect.Type
	names []string // everything that is replayed into it
	url   string   // what new events are stored under
	// appendTo appends the encoding of an event to dst, and returns false if the event is
	// of another type.
	appendTo func(dst []byte, event any) ([]byte, bool, error)
	apply    func(instance S, event any)
	decode   func(payload *anypb.Any) (any, error)
}

// On declares that apply handles events of type E: when they are emitted, and again
// whenever they are replayed. It must change the state of its receiver only, depend on
// nothing but its arguments, and not fail, because what it handles has already happened.
//
//	eventsourced.On((*Cart).itemAdded)
//
// E is a pointer to a protobuf message, a primitive, or anything else together with
// [entity.JSON]. Events that were stored under another name, or in another shape, are
// read with [entity.Alias] and [Upcast].
func On[S Instance, E any](apply func(S, E), options ...entity.CodecOption) Event[S] {
	if apply == nil {
		return Event[S]{err: fmt.Errorf("the handler of event %s is nil", reflect.TypeFor[E]())}
	}
	codec, err := entity.NewCodec[E](options...)
	if err != nil {
		return Event[S]{err: err}
	}
	return Event[S]{handler: &eventHandler[S]{
		event: reflect.TypeFor[E](),
		names: codec.Names(),
		url:   codec.TypeURL(),
		appendTo: func(dst []byte, event any) ([]byte, bool, error) {
			e, ok := event.(E)
			if !ok {
				return dst, false, nil
			}
			dst, err := codec.Append(dst, e)
			return dst, true, err
		},
		apply:  func(instance S, event any) { apply(instance, event.(E)) }, //nolint:errcheck // appendTo or decode has seen it
		decode: func(payload *anypb.Any) (any, error) { return codec.Decode(payload) },
	}}
}

// Upcast also reads events, or a snapshot, that were stored in a former shape, and
// converts them to the present one. The options are those of the former type.
//
//	eventsourced.On((*Cart).itemAdded, eventsourced.Upcast(func(e *v1.ItemAdded) *v2.ItemAdded { ... }))
//
// It is [entity.Upcast], here so that a declaration needs one package.
func Upcast[Old, New any](convert func(Old) New, options ...entity.CodecOption) entity.CodecOption {
	return entity.Upcast(convert, options...)
}

// A Snapshot is how the state of an entity is stored as one value. The zero value means
// that there are no snapshots. Use [SnapshotOf] to make one.
type Snapshot[S Instance] struct {
	handler *snapshotHandler[S]
	err     error
}

type snapshotHandler[S Instance] struct {
	names   map[string]struct{} // everything that is restored
	encode  func(snapshot any) (*anypb.Any, error)
	take    func(instance S) (*anypb.Any, error)
	restore func(instance S, payload *anypb.Any) error
}

// SnapshotOf declares snapshots of type T: take returns the state as one value, restore
// brings a new instance into that state. Snapshots only save time, as they replace the
// replay of the events before them.
//
// What T may be and what the options do is as in [On].
func SnapshotOf[S Instance, T any](take func(S) T, restore func(S, T), options ...entity.CodecOption) Snapshot[S] {
	if take == nil || restore == nil {
		return Snapshot[S]{err: fmt.Errorf("the snapshot of type %s needs two functions, one to take it and one to restore it", reflect.TypeFor[T]())}
	}
	codec, err := entity.NewCodec[T](options...)
	if err != nil {
		return Snapshot[S]{err: err}
	}
	names := map[string]struct{}{}
	for _, name := range codec.Names() {
		names[name] = struct{}{}
	}
	return Snapshot[S]{handler: &snapshotHandler[S]{
		names: names,
		encode: func(snapshot any) (*anypb.Any, error) {
			value, ok := snapshot.(T)
			if !ok {
				return nil, fmt.Errorf("it is a %T, want a %s", snapshot, reflect.TypeFor[T]())
			}
			return codec.Encode(value)
		},
		take: func(instance S) (*anypb.Any, error) { return codec.Encode(take(instance)) },
		restore: func(instance S, payload *anypb.Any) error {
			value, err := codec.Decode(payload)
			if err != nil {
				return err
			}
			restore(instance, value)
			return nil
		},
	}}
}
