package crdt

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// turn is why the handler of a streamed command runs.
type turn int

const (
	// firstTurn is the run that begins with the command.
	firstTurn turn = iota
	// changeTurn follows a change of the value.
	changeTurn
	// lastTurn comes when the client has gone.
	lastTurn
	// releaseTurn comes when the entity is dropped from memory: the handler must not go on.
	releaseTurn
)

// An element is what a handler sends: a client action, with the side effects that it asked
// for before.
type element struct {
	action  *protocol.ClientAction
	effects []*protocol.SideEffect
}

// A watch is a streamed command: its handler as a coroutine of the entity, and the stream
// that the handler gets. It implements grpc.ServerStream, and is used by the goroutine of
// the entity only, directly or by the coroutine.
type watch struct {
	id      int64 // of the command
	method  *command.StreamMethod
	ctx     *command.Context
	cancel  context.CancelFunc
	header  command.Header
	payload *anypb.Any // the request; nil once it was received
	stream  bool       // the client wants a stream of replies

	resume func() (struct{}, bool) // runs the handler until it is suspended, or has returned
	stop   func()                  // ends the coroutine
	pause  func(struct{}) bool     // suspends the handler
	turn   turn
	sent   []element // in this turn
	done   bool      // the handler has returned
	err    error     // what it has returned
}

// released is what the handler is unwound with when its entity is dropped.
type released struct{}

// newWatch returns a streamed command that has not begun.
func newWatch(parent context.Context, env *command.Environment, service, entityID string, method *command.StreamMethod, c *protocol.Command) *watch {
	w := &watch{id: c.GetId(), method: method, payload: c.GetPayload(), stream: c.GetStreamed()}
	ctx, cancel := context.WithCancel(w.header.NewContext(parent))
	w.header.Reset(method.FullName)
	w.cancel = cancel
	w.ctx = env.NewContext(ctx, service, method.Name, c.GetMetadata())
	w.ctx.EntityID, w.ctx.Stream = entityID, w
	w.ctx.Effects.OnForward = func(forward *protocol.Forward) error {
		return w.send(&protocol.ClientAction{Action: &protocol.ClientAction_Forward{Forward: forward}})
	}
	return w
}

// start prepares the coroutine that runs handle. It begins with the first resume.
func (w *watch) start(handle func() error) {
	w.resume, w.stop = iter.Pull(func(pause func(struct{}) bool) {
		w.pause = pause
		defer func() {
			if p := recover(); p != nil && p != any(released{}) {
				panic(p) //nolint:forbidigo // it goes on in the goroutine of the entity, which recovers
			}
		}()
		err := handle()
		if effectErr := w.ctx.Effects.End(); err == nil {
			err = effectErr
		}
		w.done, w.err = true, err
	})
}

// run runs the handler for one turn, and returns what it has sent.
func (w *watch) run(t turn) []element {
	w.turn, w.sent = t, nil
	w.resume()
	return w.sent
}

// rest returns the side effects that the handler asked for after its last element.
func (w *watch) rest() []*protocol.SideEffect { return w.ctx.Effects.TakeSideEffects() }

// release ends the coroutine of an entity that is dropped from memory.
func (w *watch) release() {
	w.turn = releaseTurn
	w.cancel()
	w.stop()
}

// suspend waits for the next change. It returns false when the client has gone.
func (w *watch) suspend() bool {
	if w.turn == lastTurn || !w.stream {
		return false
	}
	if !w.pause(struct{}{}) || w.turn == releaseTurn {
		panic(released{}) //nolint:forbidigo // unwinds the handler, whose entity is gone
	}
	return w.turn == changeTurn
}

// send adds an element.
func (w *watch) send(action *protocol.ClientAction) error {
	if w.done {
		return status.Errorf(codes.FailedPrecondition, "%s: sent after the handler has returned", w.method.FullName)
	}
	if w.turn != firstTurn && w.turn != changeTurn {
		return status.Errorf(codes.Canceled, "%s: the client has gone", w.method.FullName)
	}
	w.sent = append(w.sent, element{action: action, effects: w.rest()})
	return nil
}

// Context returns the context of the command, which ends when the client has gone.
func (w *watch) Context() context.Context { return w.ctx }

// SetHeader adds to the metadata of the first reply.
func (w *watch) SetHeader(md metadata.MD) error { return w.header.SetHeader(md) }

// SendHeader is SetHeader: the metadata travels with the first reply.
func (w *watch) SendHeader(md metadata.MD) error { return w.header.SetHeader(md) }

// SetTrailer does nothing, because the protocol has no place for trailers.
func (w *watch) SetTrailer(metadata.MD) {}

// RecvMsg receives the request, and then io.EOF.
func (w *watch) RecvMsg(request any) error {
	if w.payload == nil {
		return io.EOF
	}
	err := w.method.DecodePayload(w.payload, request)
	w.payload = nil
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

// SendMsg sends a reply. A nil reply sends the side effects alone.
func (w *watch) SendMsg(reply any) error {
	value, err := w.method.AppendReply(nil, reply)
	if errors.Is(err, command.ErrNoReply) {
		return w.send(nil)
	}
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	payload := &protocol.Reply{Payload: &anypb.Any{TypeUrl: w.method.ReplyURL, Value: value}, Metadata: w.header.Metadata()}
	w.header.Reset(w.method.FullName)
	return w.send(&protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: payload}})
}

var _ grpc.ServerStream = (*watch)(nil)
