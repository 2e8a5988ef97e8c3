package command

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// A Header collects what a handler sets with grpc.SetHeader, which becomes the
// metadata of its reply. It stands in for the transport stream of a gRPC call,
// because the real one belongs to the proxy and not to the caller.
//
// The zero value is ready for use. It is safe for concurrent use.
type Header struct {
	mu     sync.Mutex
	method string
	header metadata.MD
}

// NewContext returns the context of an entity's stream as its handlers may see it:
// without the metadata of the stream itself, and with h to take what they set.
func (h *Header) NewContext(stream context.Context) context.Context {
	return grpc.NewContextWithServerTransportStream(metadata.NewIncomingContext(stream, nil), h)
}

// Reset forgets what was set and begins to collect for a method, by its full name.
func (h *Header) Reset(method string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.method, h.header = method, nil
}

// Method returns the full name of the method, as gRPC writes it.
func (h *Header) Method() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.method
}

// SetHeader adds to the metadata of the reply. It fails if the protocol cannot carry md.
func (h *Header) SetHeader(md metadata.MD) error {
	if err := checkMetadata(md); err != nil {
		return status.Errorf(codes.Internal, "%s: %v", h.Method(), err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.header = metadata.Join(h.header, md)
	return nil
}

// SendHeader is SetHeader: the metadata travels with the reply.
func (h *Header) SendHeader(md metadata.MD) error { return h.SetHeader(md) }

// SetTrailer refuses, because the protocol has no place for trailers.
func (h *Header) SetTrailer(metadata.MD) error {
	return fmt.Errorf("%s: a reply has no trailers in the Cloudstate protocol; use grpc.SetHeader", h.Method())
}

// Metadata returns what was set, sorted by key, and nil if nothing was. Values of keys
// that end in "-bin" become bytes.
func (h *Header) Metadata() *protocol.Metadata {
	h.mu.Lock()
	defer h.mu.Unlock()
	return toMetadata(h.header)
}
