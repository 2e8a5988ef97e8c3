package frontend

import (
	"context"
	"encoding/base64"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// grpcWire is the wire of a gRPC call.
type grpcWire struct {
	stream grpc.ServerStream
	in     frame
}

func (w *grpcWire) Context() context.Context { return w.stream.Context() }

// Metadata implements Call. Binary headers are text in base64, as on the wire.
func (w *grpcWire) Metadata() *protocol.Metadata {
	header, _ := metadata.FromIncomingContext(w.stream.Context())
	return requestMetadata(header, func(name, value string) string {
		if strings.HasSuffix(name, "-bin") {
			return base64.RawStdEncoding.EncodeToString([]byte(value))
		}
		return value
	})
}

func (w *grpcWire) SetHeader(from *protocol.Metadata) error {
	header := metadata.MD{}
	for name, value := range replyHeaders(from) {
		header.Append(name, value)
	}
	if len(header) == 0 {
		return nil
	}
	return w.stream.SetHeader(header)
}

func (w *grpcWire) recv() ([]byte, error) {
	if err := w.stream.RecvMsg(&w.in); err != nil {
		return nil, err
	}
	return w.in.data, nil
}

func (w *grpcWire) send(reply []byte) error {
	return w.stream.SendMsg(&frame{data: reply})
}
