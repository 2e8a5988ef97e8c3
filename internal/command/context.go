// Package command carries commands to the handlers that generated gRPC code
// describes, for all kinds of entities.
package command

import (
	"context"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// A Context is the context of one command. It is a type of its own, not a chain of
// values, because one is made for each command.
type Context struct {
	context.Context //nolint:containedctx // it is a context

	// EntityID is the entity that the command is for; empty for actions.
	EntityID string
	// Service and Name are the full name of the service and the simple name of the method
	// that the command calls.
	Service, Name string
	// Effects take what the handler asks of other services.
	Effects Effects
	// Proxy is how the handler may call other services; nil if there is no way.
	Proxy grpc.ClientConnInterface
	// SendFailure sends a failure as the next element; nil for handlers that do not stream
	// their replies.
	SendFailure func(*protocol.Failure) error

	metadata atomic.Pointer[protocol.Metadata]
}

// Metadata returns the metadata of the command as the proxy sent it. With streamed
// requests it is that of the last one which had some.
func (c *Context) Metadata() *protocol.Metadata { return c.metadata.Load() }

// SetMetadata sets what Metadata returns, unless m is empty.
func (c *Context) SetMetadata(m *protocol.Metadata) {
	if len(m.GetEntries()) > 0 {
		c.metadata.Store(m)
	}
}

type contextKey struct{}

// Value returns the Context itself for the key that [FromContext] uses.
func (c *Context) Value(key any) any {
	if _, ok := key.(contextKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// FromContext returns the command that ctx belongs to, or nil.
func FromContext(ctx context.Context) *Context {
	c, _ := ctx.Value(contextKey{}).(*Context)
	return c
}

// WithMetadata returns ctx with the metadata of a command as gRPC's incoming metadata:
// keys in lower case, bytes under keys that end in "-bin".
func WithMetadata(ctx context.Context, m *protocol.Metadata) context.Context {
	if len(m.GetEntries()) == 0 {
		return ctx
	}
	md := make(metadata.MD, len(m.GetEntries()))
	for _, e := range m.GetEntries() {
		key := strings.ToLower(e.GetKey())
		switch v := e.GetValue().(type) {
		case *protocol.MetadataEntry_StringValue:
			md[key] = append(md[key], v.StringValue)
		case *protocol.MetadataEntry_BytesValue:
			if !strings.HasSuffix(key, binarySuffix) {
				key += binarySuffix
			}
			md[key] = append(md[key], string(v.BytesValue))
		}
	}
	return metadata.NewIncomingContext(ctx, md)
}

// binarySuffix marks the keys of binary metadata in gRPC.
const binarySuffix = "-bin"
