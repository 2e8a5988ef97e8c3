package entities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
)

// An activation is a stream to the user function with what reads from it. It belongs
// to the goroutine of its runner.
type activation struct {
	stream  stream
	texts   *texts
	cancel  context.CancelFunc
	outputs chan output // what the user function sends; closed after an error

	lastCommand int64
}

// open opens a stream. The activation must be ended.
func (r *runner) open(ctx context.Context) (*activation, *crash) {
	kind := r.entities.kind
	ctx, cancel := context.WithCancel(ctx)
	stream, err := kind.open(ctx, r.entity)
	if err != nil {
		cancel()
		texts := kind.texts()
		crash := texts.crash(texts.termination, fmt.Errorf("open a stream to the user function: %w", err))
		return nil, crash.forEverybody(codes.Unavailable)
	}
	a := &activation{stream: stream, texts: kind.texts(), cancel: cancel, outputs: make(chan output, 1)}
	go a.receive()
	return a, nil
}

// receive passes on what the user function sends. It ends with the stream; end waits
// for it.
func (a *activation) receive() {
	defer close(a.outputs)
	for {
		out := a.stream.receive()
		a.outputs <- out
		if out.err != nil {
			return
		}
	}
}

// recover brings the entity to the state that is stored.
func (a *activation) recover(ctx context.Context) *crash {
	err := a.stream.recover(ctx)
	var unsent sendError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unsent):
		return a.why(unsent.err)
	default:
		return a.texts.crash(a.texts.recovery, err).forEverybody(unknown)
	}
}

// why returns what ended the stream, after something could not be sent.
func (a *activation) why(err error) *crash {
	if !errors.Is(err, io.EOF) {
		return a.texts.crash(a.texts.termination, sendError{err})
	}
	out := <-a.outputs // io.EOF means that the receiver knows more
	return out.crash(a.texts, noCommand)
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
