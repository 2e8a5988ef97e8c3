package entities

import (
	"context"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
)

// A kind is what sets one kind of entities apart from the others: its protocol, and
// where its state is kept.
type kind interface {
	// texts are what clients see when an activation dies.
	texts() *texts
	// open opens a stream to the user function for one activation of an entity.
	open(ctx context.Context, of entity) (stream, error)
}

// A stream is an activation in the protocol of its kind, with what is known of the
// entity in the store. It is used by one goroutine, apart from receive, which another
// one may call.
type stream interface {
	// recover sends what is stored. It returns a sendError if that was not possible, and
	// other errors if it could not be read.
	recover(ctx context.Context) error
	// command sends a command. It waits while the user function is slow to read.
	command(command *protocol.Command) error
	// receive waits for the next message of the user function, or the end.
	receive() output
	// CloseSend half-closes the stream.
	CloseSend() error
}

// An output is a message of the user function, or the error that ended the stream. A
// message with neither an answer nor a failure is empty.
type output struct {
	message any // for the log
	answer  *answer
	failure *protocol.Failure
	err     error
}

// An answer is a reply of any kind of entity.
type answer struct {
	command  int64 // the id of the command that it answers
	response routing.Response
	// commit stores what the reply asks for; nil if that is nothing. Any error means
	// that the activation cannot go on: it does not know the store any more.
	commit func(ctx context.Context) error
	// violation is what the reply must not contain, although it does no harm: it is
	// ignored (protocol sections 3.3.2 and 11, A-24). Nil for nothing.
	violation error
	restart   bool // the entity must be recovered before the next command
}

// A sendError is why something could not be sent to the user function.
type sendError struct{ err error }

func (e sendError) Error() string { return "send to the user function: " + e.err.Error() }

func (e sendError) Unwrap() error { return e.err }
