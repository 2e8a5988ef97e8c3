package frontend

import (
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// A frame is an encoded message.
type frame struct {
	data []byte
}

// codec passes frames through, so that what nobody here knows arrives unchanged (P-165),
// and encodes protobuf messages for the services that the server itself offers.
type codec struct{}

// protobuf is registered by the import of its package.
var protobuf = encoding.GetCodecV2(protocodec.Name)

// Marshal returns the data of a frame itself, which must not be changed afterwards.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return mem.BufferSlice{mem.SliceBuffer(f.data)}, nil
	}
	return protobuf.Marshal(v)
}

// Unmarshal copies the data, because the buffers are used again.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*frame); ok {
		f.data = data.Materialize()
		return nil
	}
	return protobuf.Unmarshal(data, v)
}

// Name returns the name of the protobuf codec, for that is what clients send.
func (codec) Name() string { return protocodec.Name }
