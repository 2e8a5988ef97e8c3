package frontend_test

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
)

// rawCodec lets a client send and receive []byte.
type rawCodec struct{ name string }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	data, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("%T is not []byte", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("%T is not *[]byte", v)
	}
	*into = data.Materialize()
	return nil
}

func (c rawCodec) Name() string { return c.name }

// raw makes a call take and return bytes.
func raw() grpc.CallOption { return grpc.ForceCodecV2(rawCodec{"proto"}) }

// bidi describes any method to a client, which may then break its promises.
var bidi = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

// receiveAll returns the messages of a stream and its error, which is nil for OK.
func receiveAll(stream grpc.ClientStream) ([]string, error) {
	var messages []string
	for {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			return messages, ignoreEOF(err)
		}
		messages = append(messages, string(message))
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
