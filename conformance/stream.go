package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// A stream is a call of the protocol, from the side of the proxy. On the wire all four call
// kinds are streams, so one type does for all.
type stream struct {
	t       *trial
	calls   grpc.ClientStream
	answer  answer
	timeout time.Duration
	cancel  context.CancelCauseFunc
}

// An answer is what a user function sends in a call. All kinds can send a failure.
type answer interface {
	proto.Message
	GetFailure() *protocol.Failure
}

// open begins a call of a method of the protocol, whose answers are of the type of answer.
func (u *userFunction) open(t *trial, fullMethod string, answer answer) *stream {
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	calls, err := u.Conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, fullMethod)
	require.NoError(t, err, "call %s", fullMethod)
	return &stream{t: t, calls: calls, answer: answer, timeout: u.Timeout, cancel: cancel}
}

// send sends a message. That the other side has ended the call shows when something is
// received.
func (s *stream) send(m proto.Message) {
	if err := s.calls.SendMsg(m); err != nil && !errors.Is(err, io.EOF) {
		require.NoError(s.t, err, "send %v", m)
	}
}

// halfClose says that nothing more will be sent.
func (s *stream) halfClose() {
	require.NoError(s.t, s.calls.CloseSend(), "half-close the call")
}

// errTimeout is why a call is cancelled that has been waited for.
var errTimeout = errors.New("timeout")

// receive returns the next answer, or how the call has ended.
func (s *stream) receive() (answer, error) {
	timer := time.AfterFunc(s.timeout, func() { s.cancel(errTimeout) })
	defer timer.Stop()
	m := s.answer.ProtoReflect().New().Interface().(answer) //nolint:errcheck // as what it was made from
	err := s.calls.RecvMsg(m)
	if err != nil && errors.Is(context.Cause(s.calls.Context()), errTimeout) {
		return nil, fmt.Errorf("nothing came within %v", s.timeout)
	}
	return m, err
}

// next returns the next answer. There has to be one.
func (s *stream) next(what string, args ...any) answer {
	m, err := s.receive()
	if errors.Is(err, io.EOF) {
		err = errors.New("the call has ended with OK")
	}
	require.NoErrorf(s.t, err, "receive "+what, args...)
	return m
}

// expect requires that the next answer is this one.
func (s *stream) expect(want proto.Message, what string, args ...any) {
	requireEqual(s.t, want, s.next(what, args...), what, args...)
}

// expectFailure requires that the next answer is a failure with the id of a command, or with
// 0, and that the call ends after it. It returns the text.
func (s *stream) expectFailure(commandID int64) string {
	got := s.next("a failure")
	failure := got.GetFailure()
	require.NotNil(s.t, failure, "expected a failure, received %v", got)
	require.Equal(s.t, commandID, failure.GetCommandId(), "the command id of the failure %v", failure)
	require.NotEmpty(s.t, failure.GetDescription(), "the description of the failure")
	s.expectEnd()
	return failure.GetDescription()
}

// expectEnd requires that the call ends with OK, and that nothing comes before its end.
func (s *stream) expectEnd() {
	m, err := s.receive()
	if err == nil {
		s.t.Fatalf("expected the end of the call, received %v", m)
	}
	require.ErrorIs(s.t, err, io.EOF, "the call has to end with OK")
}

// passivate half-closes the call, as a proxy does that passivates an entity, and requires
// that it ends.
func (s *stream) passivate() {
	s.halfClose()
	s.expectEnd()
}
