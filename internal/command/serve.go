package command

import (
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// An Incoming receives the messages of a stream, one after the other.
type Incoming interface {
	// IsCommand reports whether the service must wait for the present message to be
	// handled before it stops.
	IsCommand() bool
	// Free lets the memory of the present message be used again.
	Free()
}

// An Outgoing is a message to the proxy.
type Outgoing interface {
	// Send sends the message, or several.
	Send(stream grpc.ServerStream) error
	// Free lets the memory of the message be used again.
	Free()
}

// Serve receives messages into in, has them handled one at a time, and sends the answers.
// It ends when the proxy half-closes the stream, after the last answer, or when the
// service stops.
//
// handle returns the answer to the present message, if it has one, and whether the stream
// is over. abort returns the last answer of a stream whose goroutine is ending, because
// handle has panicked or, if that is nil, has called runtime.Goexit.
func Serve[Out Outgoing](stream grpc.ServerStream, running *Gauge, in Incoming, handle func() (out Out, answered, over bool), abort func(panicked any) Out) error {
	for {
		if err := stream.RecvMsg(in); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		over, err := serveOne(stream, running, in, handle, abort)
		if over || err != nil {
			return err
		}
	}
}

func serveOne[Out Outgoing](stream grpc.ServerStream, running *Gauge, in Incoming, handle func() (out Out, answered, over bool), abort func(panicked any) Out) (over bool, err error) {
	defer in.Free()
	if in.IsCommand() {
		if !running.Begin() {
			return true, status.Error(codes.Unavailable, "the service is stopping")
		}
		defer running.End()
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		out := abort(recover())
		defer out.Free()
		over, err = true, out.Send(stream)
	}()
	out, answered, over := handle()
	returned = true
	if !answered {
		return over, nil
	}
	defer out.Free()
	return over || running.Closed(), out.Send(stream)
}
