package entities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// An activation is a stream to the user function, and what is known of the entity at
// its end. It belongs to the goroutine of its runner.
type activation struct {
	stream  eventsourcedpb.EventSourced_HandleClient
	cancel  context.CancelFunc
	outputs chan output // what the user function sends; closed after an error

	head        store.Head
	lastCommand int64
}

// An output is a message of the user function, or the error that ended the stream.
type output struct {
	message *eventsourcedpb.EventSourcedStreamOut
	err     error
}

// open opens a stream. The activation must be ended.
func (r *runner) open(ctx context.Context) (*activation, *crash) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := r.entities.config.UserFunction.Handle(ctx)
	if err != nil {
		cancel()
		crash := newCrash(textTermination, fmt.Errorf("open a stream to the user function: %w", err))
		return nil, crash.forEverybody(codes.Unavailable)
	}
	a := &activation{stream: stream, cancel: cancel, outputs: make(chan output, 1)}
	go a.receive()
	return a, nil
}

// receive passes on what the user function sends. It ends with the stream; end waits
// for it.
func (a *activation) receive() {
	defer close(a.outputs)
	for {
		message, err := a.stream.Recv()
		a.outputs <- output{message: message, err: err}
		if err != nil {
			return
		}
	}
}

// send sends a message. It waits while the user function is slow to read.
func (a *activation) send(message *eventsourcedpb.EventSourcedStreamIn) error {
	return a.stream.Send(message)
}

// why returns what ended the stream, after send has returned an error.
func (a *activation) why(err error) *crash {
	if !errors.Is(err, io.EOF) {
		return newCrash(textTermination, fmt.Errorf("send to the user function: %w", err))
	}
	out := <-a.outputs // io.EOF means that the receiver knows more
	return out.crash(noCommand)
}

// end half-closes the stream and waits until the user function has ended it, which
// it must do promptly and without another message. After the limit, the stream is
// cancelled. The error says what the user function did wrong.
func (a *activation) end(limit time.Duration) error {
	defer a.cancel()
	err := a.stream.CloseSend()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case out, open := <-a.outputs:
			switch {
			case !open:
				return err
			case out.err == nil:
				err = errors.Join(err, fmt.Errorf("the user function sent a message after the stream was half-closed: %v", out.message))
			case !errors.Is(out.err, io.EOF) && err == nil:
				err = fmt.Errorf("the user function ended a half-closed stream with an error, want OK: %w", out.err)
			}
		case <-timer.C:
			err = errors.Join(err, fmt.Errorf("the user function did not end a half-closed stream within %v; it was cancelled", limit))
			a.cancel()
		}
	}
}
