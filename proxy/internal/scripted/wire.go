package scripted

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// A wire is what all streams of the protocol have in common.
type wire[In, Out any] struct {
	*end

	send   func(*Out) error
	inputs chan *In // closed when the proxy has half-closed
}

// An end is how the handler of a stream waits for what the test decides.
type end struct {
	t      testing.TB
	ctx    context.Context //nolint:containedctx // of the stream, which this is
	result chan error
}

// newWire returns a wire that passes messages on to the test, until the stream is over.
func newWire[In, Out any](tb testing.TB, stream interface{ Context() context.Context }, receive func() (*In, error), send func(*Out) error) *wire[In, Out] {
	tb.Helper()
	w := &wire[In, Out]{
		end:    &end{t: tb, ctx: stream.Context(), result: make(chan error, 1)},
		send:   send,
		inputs: make(chan *In),
	}
	go func() { // ends with the context of the stream, which ends with its handler
		defer close(w.inputs)
		for {
			message, err := receive()
			if err != nil {
				return
			}
			select {
			case w.inputs <- message:
			case <-w.ctx.Done():
				return
			}
		}
	}()
	return w
}

// Receive waits for the next message; nil means that the proxy has half-closed the
// stream, or that it is broken.
func (w *wire[In, Out]) Receive() *In {
	return <-w.inputs
}

// RequireHalfClosed requires that the proxy half-closes the stream next.
func (w *wire[In, Out]) RequireHalfClosed() {
	w.t.Helper()
	require.Nil(w.t, w.Receive())
	require.NoError(w.t, w.ctx.Err(), "the stream was cancelled, want half-closed")
}

// Send sends a message.
func (w *wire[In, Out]) Send(message *Out) {
	w.t.Helper()
	require.NoError(w.t, w.send(message))
}

// Close requires that the proxy half-closes the stream next, and ends it.
func (w *wire[In, Out]) Close() {
	w.t.Helper()
	w.RequireHalfClosed()
	w.End(nil)
}

// End ends the stream, with OK if err is nil.
func (e *end) End(err error) {
	e.result <- err
}

// Cancelled waits until the stream is over.
func (e *end) Cancelled() {
	<-e.ctx.Done()
}

// Context returns the context of the stream.
func (e *end) Context() context.Context {
	return e.ctx
}

// requireCommand requires that a message is a command with this id, and returns it.
func requireCommand(tb testing.TB, message interface{ GetCommand() *protocol.Command }, id int64, name string) *protocol.Command {
	tb.Helper()
	command := message.GetCommand()
	require.NotNil(tb, command, "want command %d, got %v", id, message)
	require.Equal(tb, id, command.GetId())
	require.Equal(tb, name, command.GetName())
	return command
}
