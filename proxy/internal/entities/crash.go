package entities

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/relay"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// texts are what clients see when an activation dies (protocol section 3.1).
type texts struct {
	// The client of the command that is under way.
	reply, failure, message, termination string
	// Everybody, when what is stored cannot be read.
	recovery string
	// All others.
	queued string
}

var eventSourcedTexts = texts{
	reply:       "Unexpected entity reply",
	failure:     "Unexpected entity failure",
	message:     "Unexpected entity message",
	termination: "Unexpected entity termination",
	recovery:    "Error recovering event log",
	queued:      "Entity terminated",
}

// unknown is the status code of everything in the table of the protocol.
const unknown = codes.Unknown

// noCommand is the id of the outstanding command when there is none.
const noCommand int64 = 0

// A crash is the unplanned end of an activation.
type crash struct {
	cause   error // for the log
	current error // for the client of the command that is under way, or else the first one
	queued  error // for all others
}

// crash returns a crash that answers the current command with one of the texts.
func (t *texts) crash(text string, cause error) *crash {
	return &crash{
		cause:   fmt.Errorf("%s: %w", text, cause),
		current: status.Error(unknown, text),
		queued:  status.Error(unknown, t.queued),
	}
}

// forEverybody lets a crash answer all commands alike: none has been sent.
func (c *crash) forEverybody(code codes.Code) *crash {
	c.current = status.Error(code, status.Convert(c.current).Message())
	c.queued = c.current
	return c
}

// crash returns how an output ends an activation that waits for the reply to a
// command, or for nothing.
func (o output) crash(t *texts, command int64) *crash {
	switch {
	case errors.Is(o.err, io.EOF):
		return t.crash(t.termination, errors.New("the user function ended the stream, although it was not half-closed"))
	case o.err != nil:
		return t.crash(t.termination, fmt.Errorf("the stream broke: %w", o.err))
	case o.failure != nil:
		return t.crash(t.failure, fmt.Errorf("the user function gave up the entity: %s", o.failure.GetDescription()))
	case o.answer == nil:
		return t.crash(t.message, errors.New("the user function sent a message that is neither a reply nor a failure"))
	case command == noCommand:
		return t.crash(t.reply, fmt.Errorf("the user function replied to command %d, but no command was outstanding", o.answer.command))
	default:
		return t.crash(t.reply, fmt.Errorf("the user function replied to command %d, but command %d was outstanding", o.answer.command, command))
	}
}

// goodbye says whether an output is the end of a stream as it comes when the user
// function stops or restarts. For an entity that is idle it is no fault: nothing is lost,
// and the next command activates it again.
func (o output) goodbye() bool {
	return errors.Is(o.err, io.EOF) || status.Code(o.err) == codes.Unavailable
}

// crash answers every command of an activation that has died, and reports it once.
// Commands that arrive from now on wait for the next activation.
func (r *runner) crash(ctx context.Context, current *relay.Call, how *crash) {
	if ctx.Err() == nil {
		r.Service.Meter.Count(observe.Failed)
		r.report(ctx, current, how.cause)
	} else {
		how = &crash{current: relay.Stopping(), queued: relay.Stopping()}
	}
	queued := r.queue.drain()
	if current == nil && len(queued) > 0 {
		current, queued = queued[0], queued[1:]
	}
	if current != nil {
		current.End(how.current)
	}
	for _, c := range queued {
		c.End(how.queued)
	}
}

// report reports a fault of the entity, at a command or without one.
func (r *runner) report(ctx context.Context, at *relay.Call, err error) {
	r.entities.config.Report(ctx, r.Fault(at, err))
}
