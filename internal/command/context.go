// Package command carries commands to the handlers that generated gRPC code
// describes, for all kinds of entities.
package command

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"

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

	// Stream is what a kind keeps for the handler of a streaming method; nil for the others.
	Stream any

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
