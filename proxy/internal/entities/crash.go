package entities

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
)

// What clients see when an activation dies (protocol section 3.1).
const (
	textReply       = "Unexpected entity reply"
	textFailure     = "Unexpected entity failure"
	textMessage     = "Unexpected entity message"
	textTermination = "Unexpected entity termination"
	textRecovery    = "Error recovering event log"
	textQueued      = "Entity terminated"
)

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

// newCrash returns a crash that answers the current command with a text.
func newCrash(text string, cause error) *crash {
	return &crash{
		cause:   fmt.Errorf("%s: %w", text, cause),
		current: status.Error(unknown, text),
		queued:  status.Error(unknown, textQueued),
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
func (o output) crash(command int64) *crash {
	switch message := o.message.GetMessage().(type) {
	case nil:
		switch {
		case errors.Is(o.err, io.EOF):
			return newCrash(textTermination, errors.New("the user function ended the stream, although it was not half-closed"))
		case o.err != nil:
			return newCrash(textTermination, fmt.Errorf("the stream broke: %w", o.err))
		default:
			return newCrash(textMessage, errors.New("the user function sent a message that is neither a reply nor a failure"))
		}
	case *eventsourcedpb.EventSourcedStreamOut_Failure:
		return newCrash(textFailure, fmt.Errorf("the user function gave up the entity at command %d: %s", message.Failure.GetCommandId(), message.Failure.GetDescription()))
	case *eventsourcedpb.EventSourcedStreamOut_Reply:
		if command == noCommand {
			return newCrash(textReply, fmt.Errorf("the user function replied to command %d, but no command was outstanding", message.Reply.GetCommandId()))
		}
		return newCrash(textReply, fmt.Errorf("the user function replied to command %d, but command %d was outstanding", message.Reply.GetCommandId(), command))
	default:
		return newCrash(textMessage, fmt.Errorf("the user function sent a message of unknown type %T", message))
	}
}

// crash answers every command of an activation that has died, and reports it once.
// Commands that arrive from now on wait for the next activation.
func (r *runner) crash(ctx context.Context, current *pending, how *crash) {
	if ctx.Err() == nil {
		r.report(ctx, current, how.cause)
	} else {
		how = &crash{current: shuttingDown(), queued: shuttingDown()}
	}
	queued := r.queue.drain()
	if current == nil && len(queued) > 0 {
		current, queued = queued[0], queued[1:]
	}
	if current != nil {
		current.finish(outcome{err: how.current})
	}
	for _, p := range queued {
		p.finish(outcome{err: how.queued})
	}
}

// report reports a fault of the entity, at a command or without one.
func (r *runner) report(ctx context.Context, at *pending, err error) {
	fault := routing.Fault{Service: r.service.Name, EntityID: r.id, Err: err}
	if at != nil {
		fault.Command = at.command.Method.Name
	}
	r.entities.config.Report(ctx, fault)
}

// violation returns what a reply must not contain, although it does no harm: it is
// ignored (protocol sections 3.3.2 and 11, A-24).
func violation(reply *eventsourcedpb.EventSourcedReply) error {
	events, snapshot := len(reply.GetEvents()), reply.GetSnapshot()
	switch {
	case reply.GetClientAction().GetFailure() != nil && (events > 0 || snapshot != nil):
		return errors.New("the reply is a failure, but has events or a snapshot; they were ignored")
	case events == 0 && snapshot != nil:
		return errors.New("the reply has a snapshot, but no events; the snapshot was ignored")
	default:
		return nil
	}
}
