// Package wire is where the messages of the protocol meet the wire: it decodes those that
// come for every command and every event without leaving anything to the garbage
// collector.
package wire

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec below is built on it
	"google.golang.org/grpc/mem"
)

// A Message decodes itself, into memory that it uses again.
type Message interface {
	// UnmarshalWire decodes data, which it must not keep.
	UnmarshalWire(data []byte) error
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
func Codec() encoding.CodecV2 {
	return codec{encoding.GetCodecV2("proto")}
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
