package valueentity

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/internal/component"
)

// Base makes a type a value entity with a state of type V: a pointer to a protobuf message,
// a primitive, or anything else together with [entity.JSON] in the declaration. Embed it
// as a value:
//
//	type Cart struct {
//		valueentity.Base[*domain.Cart]
//		...
//	}
//
// A state that is stored as JSON is named by the declaration:
//
//	type Thermostat struct {
//		valueentity.Base[Settings]
//		...
//	}
//
//	State: []entity.CodecOption{entity.JSON("settings")},
//
// Where an entity begins with another state than the empty one, its handlers ask Exists.
//
// Its methods may be called only by the handlers of the entity, while they run. They panic
// at any other time.
type Base[V any] struct {
	memory *memory[V]
}

// Instance is what entity types are that embed [Base].
type Instance interface {
	base() base
}

// base is a Base, whatever the type of its state is.
type base interface {
	// newCodec returns the codec of the state, with the type URL that it writes.
	newCodec(options []entity.CodecOption) (codec any, url string, err error)
	// encode encodes a state with such a codec.
	encode(codec any, state any) (*anypb.Any, error)
	// bind gives the base the memory of an activation, with nothing stored in it. It
	// returns false if the base has one.
	bind(codec any) (state, bool)
	// release takes the memory away.
	release()
}

// state is the memory of an activation, whatever its type is.
type state interface {
	// load takes the state as it is stored.
	load(stored *anypb.Any) error
	// begin and end enclose the run of a handler.
	begin()
	end()
	// commit keeps what a command has done that has succeeded. It appends the new state to
	// values, if it was updated.
	commit(values []byte) ([]byte, change, error)
	// rollback undoes what a command has done that has failed.
	rollback() error
	// observe lets a probe see the memory.
	observe(p *component.Probe)
	// current returns the state as it is in memory, and whether there is one.
	current() (any, bool)
}

// change is what a command has done to the state.
type change int

const (
	unchanged change = iota
	updated
	deleted
)

func (b *Base[V]) base() base { return b }

// State returns the state, with what this command has done to it. If nothing is stored, it
// is an empty value: a new message, or the zero value of V.
//
// The handler may change the value in place, but what it changes counts only if it then
// calls Update.
func (b *Base[V]) State() V { return b.running().get() }

// Exists reports whether there is a state: one that is stored, or was updated by this
// command, and not deleted.
func (b *Base[V]) Exists() bool { return b.running().exists }

// Update sets the state. It is encoded when the handler returns, and stored before the
// reply to the command is sent. Of several calls of Update and Delete in a command the last
// one counts.
//
// A state that is a nil message, or that cannot be encoded, makes the command fail and
// drops the entity.
func (b *Base[V]) Update(state V) { b.running().update(state) }

// Delete deletes the state. The entity lives on, with an empty state, and may be updated
// again.
func (b *Base[V]) Delete() { b.running().remove() }

func (b *Base[V]) running() *memory[V] {
	if b.memory == nil || !b.memory.running {
		b.memory.misused()
	}
	return b.memory
}

// misuse is what the methods of Base panic with when they are called at the wrong time.
const misuse = "valueentity: a method of Base was called outside of a command. Call it in a command handler, before it returns, " +
	"and not in a constructor or another goroutine."

func (b *Base[V]) newCodec(options []entity.CodecOption) (any, string, error) {
	codec, err := entity.NewCodec[V](options...)
	if err != nil {
		return nil, "", err
	}
	return codec, codec.TypeURL(), nil
}

func (b *Base[V]) bind(codec any) (state, bool) {
	if b.memory != nil {
		return nil, false
	}
	b.memory = &memory[V]{codec: codec.(*entity.Codec[V])} //nolint:errcheck // what newCodec has returned
	return b.memory, true
}

func (b *Base[V]) encode(codec any, state any) (*anypb.Any, error) {
	v, ok := state.(V)
	if !ok {
		return nil, fmt.Errorf("the state is a %T, want a %s", state, reflect.TypeFor[V]())
	}
	return codec.(*entity.Codec[V]).Encode(v) //nolint:errcheck // what newCodec has returned
}

func (b *Base[V]) release() {
	if b.memory.probe == nil { // which is to learn of what comes later
		b.memory = nil
	}
}
