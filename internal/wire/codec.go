// Package wire is where the messages of the protocol meet the wire: it decodes those that
// come for every command and every event without leaving anything to the garbage
// collector.
package wire

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto" // registers the codec below
	"google.golang.org/grpc/mem"
	protobuf "google.golang.org/protobuf/proto"
)

// A Message decodes itself, into memory that it uses again.
type Message interface {
	// UnmarshalWire decodes data, which it must not keep.
	UnmarshalWire(data []byte) error
}

// Received is what messages implement that interceptors of the server get to see.
type Received interface {
	// Received returns the message as protobuf describes it. It is valid until the next one is
	// received.
	Received() protobuf.Message
}

// A Reply is sent by a unary method that wants its memory back.
type Reply interface {
	// Message returns what is sent.
	Message() any
	// Free is called when the message has been encoded.
	Free()
}

// Codec returns the codec of a server that receives into a [Message] and sends a [Reply].
// It treats all other messages as gRPC does.
func Codec() encoding.CodecV2 { return codec{base} }

// base is gRPC's own codec, taken before a program can have registered another one. If it
// has, in an init function that ran even earlier, a plain one takes its place.
var base = func() encoding.CodecV2 {
	if c := encoding.GetCodecV2(proto.Name); c != nil {
		return c
	}
	return plain{}
}()

// plain encodes and decodes protobuf messages.
type plain struct{}

// Name returns the name that gRPC knows the encoding by.
func (plain) Name() string { return proto.Name }

// Marshal encodes v.
func (plain) Marshal(v any) (mem.BufferSlice, error) {
	message, ok := v.(protobuf.Message)
	if !ok {
		return nil, fmt.Errorf("encode a %T, want a protobuf message", v)
	}
	data, err := protobuf.Marshal(message)
	if err != nil {
		return nil, err
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal decodes data into v.
func (plain) Unmarshal(data mem.BufferSlice, v any) error {
	message, ok := v.(protobuf.Message)
	if !ok {
		return fmt.Errorf("decode into a %T, want a protobuf message", v)
	}
	return protobuf.Unmarshal(data.Materialize(), message) //nolint:forbidigo // this is a codec
}

type codec struct{ encoding.CodecV2 }

// Unmarshal decodes data into v.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	message, ok := v.(Message)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	return message.UnmarshalWire(buffer.ReadOnlyData())
}

// Marshal encodes v.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	reply, ok := v.(Reply)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	defer reply.Free()
	return c.CodecV2.Marshal(reply.Message())
}
