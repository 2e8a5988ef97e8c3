package proxy_test

import (
	"context"
	"errors"
	"io"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// kinds are the methods of the action that stream, and the protocol's method for each.
var kinds = map[string]struct {
	rpc     string
	in, out bool
}{
	"Ask":  {"HandleUnary", false, false},
	"In":   {"HandleStreamedIn", true, false},
	"Out":  {"HandleStreamedOut", false, true},
	"Both": {"HandleStreamed", true, true},
}

// A streamed is a streamed call that a client has made of the action.
type streamed struct {
	grpc.ClientStream

	f *fixture
}

// stream begins a call of a method of the action.
func (f *fixture) stream(ctx context.Context, method string) *streamed {
	f.t.Helper()
	kind := kinds[method]
	s, err := f.client.NewStream(ctx, &grpc.StreamDesc{ClientStreams: kind.in, ServerStreams: kind.out}, "/"+scripted.Action+"/"+method)
	require.NoError(f.t, err)
	return &streamed{ClientStream: s, f: f}
}

// begin begins a call and sends the request of a method that has one.
func (f *fixture) begin(ctx context.Context, method string) *streamed {
	f.t.Helper()
	s := f.stream(ctx, method)
	if !kinds[method].in {
		s.send("u1")
		require.NoError(f.t, s.CloseSend())
	}
	return s
}

// accept waits for the call of a method of the action, and takes its header.
func (f *fixture) accept(method string) *scripted.ActionCall {
	f.t.Helper()
	call := f.AcceptCall()
	rpc := kinds[method].rpc
	if rpc == "" { // Tell and Take
		rpc = "HandleUnary"
	}
	call.RequireHeader(rpc, method)
	return call
}

func (s *streamed) send(id string) {
	s.f.t.Helper()
	require.NoError(s.f.t, s.SendMsg(wrapperspb.String(id)))
}

// receive waits for the next reply.
func (s *streamed) receive() (string, error) {
	reply := &wrapperspb.StringValue{}
	err := s.RecvMsg(reply)
	return reply.GetValue(), err
}

func (s *streamed) requireAnswer(text string) {
	s.f.t.Helper()
	got, err := s.receive()
	require.NoError(s.f.t, err)
	require.Equal(s.f.t, text, got)
}

// requireEnd requires that the call ends well, without a further reply.
func (s *streamed) requireEnd() {
	s.f.t.Helper()
	text, err := s.receive()
	require.ErrorIs(s.f.t, err, io.EOF, "got %q", text)
}

// requireStatus requires that the call ends with a status, without a further reply.
func (s *streamed) requireStatus(code codes.Code, text string) {
	s.f.t.Helper()
	_, err := s.receive()
	require.False(s.f.t, err == nil || errors.Is(err, io.EOF), "the call ended well, or not at all")
	require.Equal(s.f.t, code.String(), status.Code(err).String())
	require.Equal(s.f.t, text, status.Convert(err).Message())
}

// effect returns a side effect on an entity, or on an action.
func effect(service, command, id string, synchronous bool) *protocol.SideEffect {
	return &protocol.SideEffect{ServiceName: service, CommandName: command, Payload: scripted.Question(id, "effect"), Synchronous: synchronous}
}

// told lets an entity take a side effect, when a test tells it to go on.
func (f *fixture) told(id string) {
	f.t.Helper()
	target := f.Accept()
	target.RequireInit(id)
	target.Reply(target.RequireCommand(1, "Tell"), scripted.Nothing())
}

// requireNoFaults requires that nothing was reported.
func (f *fixture) requireNoFaults() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Empty(f.t, f.faults)
}

// takeFaults returns what was reported so far.
func (f *fixture) takeFaults() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	texts := make([]string, 0, len(f.faults))
	for _, fault := range f.faults {
		texts = append(texts, fault.String())
	}
	f.faults = nil
	return texts
}
