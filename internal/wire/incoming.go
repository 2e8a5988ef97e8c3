package wire

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// A Buffer is memory for one message of a stream. Streams take turns to use it.
type Buffer interface {
	comparable

	// Decode decodes a message that consists of one field with this tag, if it is one of
	// those that make up a stream. entityID is the entity of the stream.
	Decode(tag byte, field []byte, entityID string) bool
	// Message returns the message that the buffer is for, for protobuf to decode others.
	Message() proto.Message
	// EntityID returns the entity that the message names if it is an init message, else "".
	EntityID() string
	// IsCommand reports whether the message is a command.
	IsCommand() bool
	// Trim gives up memory that an unusually large message has taken.
	Trim()
}

// Incoming receives the messages of a stream, one after the other, each into memory from a
// pool, so that an idle stream keeps none. It is a [Message].
type Incoming[B Buffer] struct {
	// Pool has buffers of type B.
	Pool *sync.Pool
	// Buffer has the present message, from when it was received until it is freed.
	Buffer B

	entityID string // of the stream; empty before the init message
	general  bool   // the present message was decoded by protobuf, and may have anything in it
}

// UnmarshalWire decodes the next message.
func (in *Incoming[B]) UnmarshalWire(data []byte) error {
	in.Buffer = in.Pool.Get().(B) //nolint:errcheck // the pool has nothing else
	in.general = true
	if len(data) > 0 {
		field, n := protowire.ConsumeBytes(data[1:])
		in.general = n != len(data)-1 || !in.Buffer.Decode(data[0], field, in.entityID)
	}
	if in.general {
		if err := proto.Unmarshal(data, in.Buffer.Message()); err != nil { //nolint:forbidigo // a message of the protocol
			in.Free()
			return err
		}
	}
	if in.entityID == "" {
		in.entityID = in.Buffer.EntityID()
	}
	return nil
}

// Received implements [Received].
func (in *Incoming[B]) Received() proto.Message { return in.Buffer.Message() }

// IsCommand reports whether the present message is a command.
func (in *Incoming[B]) IsCommand() bool { return in.Buffer.IsCommand() }

// Free lets other streams use the memory of the present message.
func (in *Incoming[B]) Free() {
	if in.general {
		proto.Reset(in.Buffer.Message())
		in.general = false
	}
	in.Buffer.Trim()
	in.Pool.Put(in.Buffer)
	var none B
	in.Buffer = none
}
