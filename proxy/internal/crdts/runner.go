package crdts

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/relay"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replication"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// A runner runs one entity, one activation after the other. All but its inbox and settled
// belongs to its goroutine.
type runner struct {
	entity

	entities *Entities
	inbox    *inbox
	replica  *replication.Entity

	now         *activation     // nil between activations
	waiting     []*relay.Call   // for the next activation
	passivating []chan struct{} // closed when the entity has left memory

	// settled is one more than the number of changes by other nodes that the user function
	// knows of, or 0 while something is under way.
	settled atomic.Uint64
}

// busy notes that something is under way. It comes before tasks are taken out of the inbox,
// so that there is always one of both to see.
func (r *runner) busy() { r.settled.Store(0) }

// isSettled says whether the user function holds what the replica has.
func (r *runner) isSettled() bool {
	return r.inbox.empty() && r.settled.Load() == 1+r.replica.Changes()
}

// run activates the entity for as long as there is a reason to.
func (r *runner) run(ctx context.Context) {
	for {
		r.activate(ctx)
		for _, gone := range r.passivating {
			close(gone)
		}
		r.passivating = nil
		if len(r.waiting) == 0 && r.entities.retire(r) {
			return
		}
	}
}

// activate runs one activation, from the first command for it until the user function has
// ended the stream.
func (r *runner) activate(ctx context.Context) {
	r.busy()
	r.inbox.run()
	if len(r.waiting) == 0 {
		return
	}
	r.replica.Read(ctx)
	if r.replica.Deleted() { // there is no stream for what was deleted
		r.answerWaiting(deleted())
		return
	}
	meter := r.Service.Meter
	meter.Count(observe.Activated)
	defer meter.Time(observe.Passivated, meter.Start())
	a, err := r.open(ctx)
	if err != nil {
		r.unopened(ctx, err)
		return
	}
	r.now = a
	r.replica.Watch(r.inbox.wake)
	r.serve()
	r.replica.Watch(nil)
	r.now = nil
	a.close()
}

// unopened answers the commands of an activation that could not begin.
func (r *runner) unopened(ctx context.Context, err error) {
	answer := status.Error(codes.Unavailable, terminating)
	if ctx.Err() == nil {
		r.Service.Meter.Count(observe.Failed)
		r.entities.config.Report(ctx, r.Fault(nil, err))
	} else {
		answer = relay.Stopping()
	}
	r.answerWaiting(answer)
}

func (r *runner) answerWaiting(err error) {
	for _, c := range r.waiting {
		c.End(err)
	}
	r.waiting = nil
}

// serve runs the activation until it is over.
func (r *runner) serve() {
	a := r.now
	waiting := r.waiting
	r.waiting = nil
	a.init()
	for _, c := range waiting {
		r.command(c)
	}
	limit := r.PassivationTimeout(r.entities.config.PassivationTimeout)
	ending := false
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		r.busy()
		if r.inbox.run() && !ending {
			timer.Reset(limit)
		}
		a.settle()
		if a.over() {
			return
		}
		if a.closing && !ending {
			ending = true
			limit = r.entities.config.RelayTimeout
			timer.Reset(limit)
		}
		select {
		case <-r.inbox.ready:
		case <-timer.C:
			a.timeout(limit)
		}
	}
}

// command begins a command, in this activation or the next.
func (r *runner) command(c *relay.Call) {
	if c.Abandoned() && !c.Command.Follows() {
		return
	}
	switch a := r.now; {
	case a != nil && (a.deleted || r.replica.Deleted()):
		c.End(deleted())
	case a == nil || a.closing || a.crashed:
		r.waiting = append(r.waiting, c)
	default:
		a.command(c)
	}
}

// Left implements [relay.Host].
func (r *runner) Left(c *relay.Call) { r.inbox.put(func() { r.left(c) }) }

// left lets the user function know that the client of a stream has gone. If it has not
// answered yet, that comes after the answer.
func (r *runner) left(c *relay.Call) {
	if r.now == nil || r.now.crashed {
		return
	}
	if r.now.open[c.ID] == c {
		r.now.cancelStream(c.ID)
	}
}

// drain ends the streams of clients.
func (r *runner) drain() {
	if r.now == nil || r.now.crashed {
		return
	}
	for id, c := range r.now.open {
		c.End(nil)
		r.now.cancelStream(id)
	}
}

// terminating is what clients see of a crash (protocol section 3.5.3).
const terminating = "Entity terminating"

// deleted is the answer to commands for an entity that was deleted.
func deleted() error { return status.Error(codes.Unknown, "Entity deleted") }

// state returns the delta that a new stream begins with; nil if there is no CRDT.
func (a *activation) state() *crdtpb.CrdtDelta {
	if a.held == nil {
		return nil
	}
	return a.held.Full()
}
