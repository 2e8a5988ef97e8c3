package crdts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/relay"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// An activation is a stream to the user function. It belongs to the goroutine of its
// runner.
type activation struct {
	runner *runner
	stream crdtpb.Crdt_HandleClient
	ctx    context.Context //nolint:containedctx // of the stream, which this is
	cancel context.CancelFunc
	others sync.WaitGroup // goroutines: what receives, and what waits for other nodes

	held *replica.View // what the user function holds; nil for nothing
	told uint64        // of how many changes by other nodes it knows

	lastCommand int64
	// Where the commands are, by id: sent, in the hands of the cluster, open as streams, and
	// cancelled but not yet confirmed. All but open streams are operations, during which the
	// user function is told nothing.
	sent      map[int64]*relay.Call
	writing   map[int64]*written
	open      map[int64]*relay.Call
	cancelled map[int64]*relay.Call

	closing bool // half-closed
	deleted bool // half-closed, because there is nothing more to come
	crashed bool
	ended   bool // the user function has ended the stream
}

// written is a command whose change other nodes have to get before it goes on.
type written struct {
	call   *relay.Call
	finish func()
	later  []*crdtpb.CrdtStreamedMessage // came while it was written
}

// open opens a stream. The activation must be closed.
func (r *runner) open(ctx context.Context) (*activation, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := r.entities.userFunction.Handle(ctx)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open a stream to the user function: %w", err)
	}
	a := &activation{
		runner: r, stream: stream, ctx: ctx, cancel: cancel,
		sent: map[int64]*relay.Call{}, writing: map[int64]*written{}, open: map[int64]*relay.Call{}, cancelled: map[int64]*relay.Call{},
	}
	a.others.Go(a.receive)
	return a, nil
}

// receive passes on what the user function sends, until the end.
func (a *activation) receive() {
	for {
		message, err := a.stream.Recv()
		a.runner.inbox.put(func() {
			switch {
			case a.runner.now != a || a.crashed:
			case err != nil:
				a.end(err)
			default:
				a.message(message)
			}
		})
		if err != nil {
			return
		}
	}
}

// close waits until nothing of the activation goes on.
func (a *activation) close() {
	a.cancel()
	a.others.Wait()
}

// over says whether the activation is.
func (a *activation) over() bool {
	return a.crashed || a.ended && len(a.writing) == 0
}

// idle says whether no command is under way, and no stream open.
func (a *activation) idle() bool { return a.operations() == 0 && len(a.open) == 0 }

// operations counts what may still change the CRDT.
func (a *activation) operations() int { return len(a.sent) + len(a.writing) + len(a.cancelled) }

// send sends a message. It waits while the user function is slow to read.
func (a *activation) send(message *crdtpb.CrdtStreamIn) {
	if a.crashed || a.closing {
		return
	}
	// Of an io.EOF, the receiver knows more.
	if err := a.stream.Send(message); err != nil && !errors.Is(err, io.EOF) {
		a.crash(nil, fmt.Errorf("send to the user function: %w", err))
	}
}

// init sends the first message, with the CRDT if there is one.
func (a *activation) init() {
	a.held, a.told = a.runner.replica.View()
	a.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Init{Init: &crdtpb.CrdtInit{
		ServiceName: a.runner.Service.Name, EntityId: a.runner.ID, Delta: a.state(),
	}}})
}

// command sends a command.
func (a *activation) command(c *relay.Call) {
	a.lastCommand++
	c.ID, c.Sent = a.lastCommand, c.Meter().Start()
	a.sent[c.ID] = c
	message := &protocol.Command{
		EntityId: a.runner.ID,
		Id:       a.lastCommand,
		Name:     c.Command.Method.Name,
		Payload:  c.Command.Payload,
		Streamed: c.Streamed(),
	}
	if a.runner.entities.config.Metadata {
		message.Metadata = c.Command.Metadata
	}
	a.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Command{Command: message}})
}

// cancelStream tells the user function that the client of an open stream has gone.
func (a *activation) cancelStream(id int64) {
	c := a.open[id]
	if a.closing {
		return // the stream ends anyway
	}
	delete(a.open, id)
	a.cancelled[id] = c
	a.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_StreamCancelled{
		StreamCancelled: &protocol.StreamCancelled{EntityId: a.runner.ID, Id: id},
	}})
}

// settle does what can be done while no command is under way: it tells the user function
// what other nodes have changed, and lets the entity leave memory if it has to.
func (a *activation) settle() {
	if a.crashed || a.closing || a.operations() > 0 {
		return
	}
	if a.runner.replica.Deleted() {
		a.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delete{Delete: &crdtpb.CrdtDelete{}}})
		a.deleted = true
		a.halfClose()
		return
	}
	a.catchUp()
	_, closed := a.runner.entities.phase()
	if !a.crashed && len(a.open) == 0 && (closed || len(a.runner.passivating) > 0) {
		a.halfClose()
	}
	if !a.closing && !a.crashed {
		a.runner.settled.Store(1 + a.told)
	}
}

// catchUp sends one delta with all that is different.
func (a *activation) catchUp() {
	var delta *crdtpb.CrdtDelta
	var err error
	switch {
	case a.held == nil:
		if a.told == a.runner.replica.Changes() {
			return
		}
		a.held, a.told = a.runner.replica.View()
		delta = a.state()
	case a.runner.replica.Differs():
		delta, a.told, err = a.runner.replica.Tell(a.held)
	}
	if err != nil {
		a.crash(nil, fmt.Errorf("the user function cannot be told what other nodes have changed, and starts over: %w", err))
		return
	}
	if delta != nil {
		a.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: delta}})
	}
}

// halfClose ends this side of the stream.
func (a *activation) halfClose() {
	if a.crashed || a.closing {
		return
	}
	a.closing = true
	if err := a.stream.CloseSend(); err != nil {
		a.crash(nil, fmt.Errorf("half-close the stream: %w", err))
	}
}

// timeout handles the end of a time without any activity: an idle entity leaves memory,
// and one that does not do so when it has to is aborted.
func (a *activation) timeout(limit time.Duration) {
	switch {
	case a.closing && !a.ended:
		a.crash(nil, fmt.Errorf("the user function did not end a half-closed stream within %v; it was cancelled", limit))
	case a.idle():
		a.halfClose()
	}
}

// end handles the end of the stream.
func (a *activation) end(err error) {
	switch {
	case a.closing && errors.Is(err, io.EOF), !a.closing && a.idle() && goodbye(err):
		a.ended = true
		a.finishAll()
	case errors.Is(err, io.EOF):
		a.crash(nil, errors.New("Unexpected entity termination due to stream closure")) //nolint:staticcheck // the text of the protocol
	default:
		a.crash(nil, fmt.Errorf("Entity crashed: %w", err)) //nolint:staticcheck // the text of the protocol
	}
}

// goodbye says whether an error is how a stream ends when the user function stops or
// restarts. For an entity that is idle it is no fault: nothing is lost.
func goodbye(err error) bool {
	return errors.Is(err, io.EOF) || status.Code(err) == codes.Unavailable
}

// finishAll answers what is left after the stream of a deleted entity has ended.
func (a *activation) finishAll() {
	for _, c := range a.sent {
		c.End(deleted())
	}
	for _, c := range a.open {
		c.End(nil)
	}
	clear(a.sent)
	clear(a.open)
	clear(a.cancelled)
}

// crash ends the activation in an unplanned way. Everybody who waits gets the same answer;
// the state is in the replica.
func (a *activation) crash(at *relay.Call, cause error) {
	if a.crashed {
		return
	}
	a.crashed = true
	answer := status.Error(codes.Unknown, terminating)
	if a.ctx.Err() != nil { // everything is
		answer = relay.Stopping()
	} else {
		a.runner.Service.Meter.Count(observe.Failed)
		a.runner.entities.config.Tell(a.ctx, a.runner.Fault(at, cause))
	}
	a.cancel()
	if at != nil {
		at.End(answer)
	}
	for _, c := range a.sent {
		c.End(answer)
	}
	for _, w := range a.writing {
		w.call.End(answer)
	}
	for _, c := range a.open {
		c.End(answer)
	}
	clear(a.sent)
	clear(a.writing)
	clear(a.open)
	clear(a.cancelled)
}
