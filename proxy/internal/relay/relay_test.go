package relay_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/relay"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// A fixture is a relay whose host is the test.
type fixture struct {
	t         *testing.T
	relay     *relay.Relay
	spec      *spec.Spec
	submitted *relay.Call // the last one
	left      int
	completed []*routing.Response
}

func start(t *testing.T) *fixture {
	t.Helper()
	services, err := spec.New(scripted.Spec(t), spec.Options{})
	require.NoError(t, err)
	f := &fixture{t: t, spec: services}
	f.relay = &relay.Relay{
		Timeout:  time.Minute,
		Buffer:   1 << 20,
		Complete: func(_ context.Context, _ *routing.Command, r *routing.Response) { f.completed = append(f.completed, r) },
		Submit: func(call *relay.Call) relay.Host {
			f.submitted = call
			return f
		},
	}
	return f
}

// Left implements relay.Host.
func (f *fixture) Left(call *relay.Call) {
	require.Same(f.t, f.submitted, call)
	f.left++
}

// A caller waits for the end of a call.
type caller struct {
	f    *fixture
	call *relay.Call
	got  []*routing.Response
	done chan error
}

// begin starts a command for entity e and lets a caller wait for it, who refuses what refuse
// says. It works in a bubble only, as do the other methods.
func (f *fixture) begin(ctx context.Context, method string, refuse error) *caller {
	f.t.Helper()
	command := &routing.Command{Method: f.spec.Service(scripted.CRDT).Method(method), Payload: scripted.Question("e", "hello")}
	wait := f.relay.Start(ctx, command)
	c := &caller{f: f, call: f.submitted, done: make(chan error, 1)}
	go func() {
		c.done <- wait(func(response *routing.Response) error {
			c.got = append(c.got, response)
			return refuse
		})
	}()
	synctest.Wait()
	return c
}

func (c *caller) requireWaiting(got ...*routing.Response) {
	c.f.t.Helper()
	synctest.Wait()
	require.Empty(c.f.t, c.done)
	require.Equal(c.f.t, got, c.got)
}

func (c *caller) requireEnd(code codes.Code, got ...*routing.Response) {
	c.f.t.Helper()
	require.Equal(c.f.t, code, status.Code(<-c.done))
	require.Equal(c.f.t, got, c.got)
}

// answer returns a response with a side effect.
func answer(text string) *routing.Response {
	return &routing.Response{
		Action:      scripted.Replied(scripted.Answer(text)),
		SideEffects: []*protocol.SideEffect{{ServiceName: text}},
	}
}

// effects returns what is left of a response that nobody reads.
func effects(of *routing.Response) *routing.Response {
	return &routing.Response{SideEffects: of.SideEffects}
}

func TestRelay_PassesResponsesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		one, two, three := answer("one"), answer("two"), answer("three")
		c := f.begin(t.Context(), "Watch", nil)
		require.Equal(t, relay.Entity{Service: f.spec.Service(scripted.CRDT), ID: "e"}, c.call.To)
		c.call.Deliver(one)
		c.requireWaiting(one)
		c.call.Deliver(two)
		c.call.Finish(three)
		c.requireEnd(codes.OK, one, two, three)
		require.Zero(t, f.left)

		c = f.begin(t.Context(), "Ask", nil)
		c.call.Finish(one)
		c.requireEnd(codes.OK, one)
		c = f.begin(t.Context(), "Ask", nil)
		c.call.End(status.Error(codes.DataLoss, "lost"))
		c.call.End(nil) // it has ended
		c.requireEnd(codes.DataLoss)
		require.Zero(t, f.left)
		require.Empty(t, f.completed)
	})
}

//
func TestRelay_RefusesCommands(t *testing.T) {
	t.Parallel()
	f := start(t)
	try := func(payload *anypb.Any) error {
		command := &routing.Command{Method: f.spec.Service(scripted.CRDT).Method("Ask"), Payload: payload}
		return f.relay.Start(t.Context(), command)(func(*routing.Response) error { return errors.New("there is no response") })
	}
	err := try(scripted.Question("", "hello"))
	require.Equal(t, status.Error(codes.InvalidArgument, "entity key must not be empty").Error(), err.Error())
	err = try(&anypb.Any{TypeUrl: scripted.QuestionURL, Value: []byte{0x0a, 0xff}})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.ErrorContains(t, err, "scripted.CRDT")
	require.Nil(t, f.submitted)
	f.relay.Submit = func(*relay.Call) relay.Host { return nil }
	require.Equal(t, codes.Unavailable, status.Code(try(scripted.Question("e", "hello"))))
}

// A client does not wait for ever, but a stream that has begun may pause as long as it likes.
func TestRelay_Timeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		begin, late, first, second := time.Now(), answer("late"), answer("first"), answer("second")
		c := f.begin(t.Context(), "Ask", nil)
		err := <-c.done
		require.Equal(t, time.Minute, time.Since(begin))
		require.Equal(t, status.Error(codes.DeadlineExceeded, `scripted.CRDT "e" did not answer Ask within 1m0s`).Error(), err.Error())
		require.Equal(t, 1, f.left)
		require.True(t, c.call.Abandoned())
		c.call.Finish(late) // its outcome counts
		require.Equal(t, []*routing.Response{late}, f.completed)

		c = f.begin(t.Context(), "Watch", nil)
		c.call.Deliver(first)
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		c.requireWaiting(first)
		c.call.Finish(second)
		c.requireEnd(codes.OK, first, second)
		require.Equal(t, 1, f.left)
	})
}

func TestRelay_CallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		first, second, third := answer("first"), answer("second"), answer("third")
		ctx, cancel := context.WithCancel(t.Context())
		c := f.begin(ctx, "Watch", nil)
		c.call.Deliver(first)
		c.requireWaiting(first)
		cancel()
		c.requireEnd(codes.Canceled, first)
		require.Equal(t, 1, f.left)
		c.call.Deliver(second)
		require.Equal(t, []*routing.Response{effects(second)}, f.completed, "nobody reads it")

		f.completed = nil
		c = f.begin(t.Context(), "Watch", status.Error(codes.Unavailable, "the connection is broken"))
		c.call.Deliver(first)
		c.requireEnd(codes.Unavailable, first)
		require.Equal(t, 2, f.left)
		c.call.Deliver(second)
		c.call.Finish(third)
		require.Equal(t, []*routing.Response{effects(second), effects(third)}, f.completed)

		c = f.begin(t.Context(), "Ask", status.Error(codes.Unavailable, "the connection is broken"))
		c.call.Finish(first)
		c.requireEnd(codes.Unavailable, first)
		require.Equal(t, 2, f.left, "there was no more")
	})
}

// When a call ends although its entity goes on, as at shutdown, what comes afterwards is not
// lost.
func TestRelay_ResponsesAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		c := f.begin(t.Context(), "Watch", nil)
		c.call.End(nil)
		c.requireEnd(codes.OK)
		late := answer("late")
		c.call.Deliver(late)
		require.Equal(t, []*routing.Response{effects(late)}, f.completed)
		require.Zero(t, f.left)
	})
}

// A stream that is read more slowly than it is written does not grow without limit.
func TestRelay_SlowCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		f.relay.Buffer = 2 * 300 // two small responses
		read := make(chan struct{})
		command := &routing.Command{Method: f.spec.Service(scripted.CRDT).Method("Watch"), Payload: scripted.Question("e", "hello")}
		wait := f.relay.Start(t.Context(), command)
		call := f.submitted
		done := make(chan error, 1)
		go func() {
			done <- wait(func(*routing.Response) error {
				<-read
				return nil
			})
		}()
		small := &routing.Response{Action: scripted.Replied(scripted.Answer("small"))}
		large := &routing.Response{Action: scripted.Replied(scripted.Answer(strings.Repeat("large", 1000)))}
		call.Deliver(small)
		synctest.Wait() // it is read now
		call.Deliver(large)
		call.Deliver(small)
		require.False(t, call.Abandoned(), "one may be large")
		read <- struct{}{}
		read <- struct{}{}
		synctest.Wait()
		call.Deliver(small)
		call.Deliver(small)
		require.False(t, call.Abandoned(), "what was read does not count")
		require.Empty(t, f.completed)

		last := answer("last")
		call.Deliver(last)
		require.True(t, call.Abandoned())
		require.Equal(t, []*routing.Response{effects(small), effects(small), effects(last)}, f.completed, "side effects happen")
		call.Deliver(last)
		require.Len(t, f.completed, 4)
		call.End(nil) // it has ended
		read <- struct{}{}
		err := <-done
		require.Equal(t, codes.ResourceExhausted, status.Code(err))
		require.ErrorContains(t, err, "the responses of /scripted.CRDT/Watch are read too slowly: more than 600 bytes wait in the proxy")
		require.Zero(t, f.left, "the host knows")
	})
}
