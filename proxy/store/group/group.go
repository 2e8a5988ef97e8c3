// Package group commits many writes at once.
//
// A durable store pays for each commit by waiting for its disk, or for another machine. A
// [Committer] sits between the many who write and the one who commits: whatever arrives
// while a commit is under way becomes the next batch. There is no timer, so a lone writer
// waits for nobody, and many writers share the cost. It knows neither what is written nor
// where: an engine gives it a [Commit].
package group

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

const (
	// maxBatch limits how many writes are committed together: beyond it, what is saved per
	// write is little, and the first one waits long.
	maxBatch = 256
	// maxWaiting limits how many writes wait for the commit under way to end.
	maxWaiting = 16 * maxBatch
)

// ErrClosed is the error of a write that came after [Committer.Close].
var ErrClosed = errors.New("the store is closed")

// A Commit stores a batch of writes in the order given, in one transaction or what comes
// closest. It is never called concurrently, and the context does not end before it returns.
//
// If it returns nil, the fate of each write has been decided on its own, and W knows it: a
// write that is stored is durable, and one that is refused leaves nothing and does not
// concern the others. An error that matches [store.ErrUnknown] says that each of the writes
// may or may not be stored. After any other error nothing of the batch was stored, and
// nothing will be.
//
// It may be called again with writes that it was called with before, and then decides them
// anew.
type Commit[W any] func(ctx context.Context, batch []W) error

// A Committer gathers writes into batches of at most 256. It may be used concurrently.
type Committer[W any] struct {
	commit  Commit[W]
	slots   chan struct{} // has one element for each request that waits
	closing chan struct{}
	stopped chan struct{}

	mu      sync.Mutex
	arrived sync.Cond // a request has been added, or the committer closed
	waiting []*request[W]
	closed  bool
}

// A request is a write that somebody waits for.
type request[W any] struct {
	write W
	state state // guarded by the mutex of the committer
	done  chan error
}

// A state is how far a request has come.
type state int

const (
	waiting state = iota
	taken         // part of a batch
	left          // nobody waits for it any more, and it is not committed
)

// New returns a committer that runs until it is closed. The context is passed to commit,
// without its end.
func New[W any](ctx context.Context, commit Commit[W]) *Committer[W] {
	c := &Committer[W]{
		commit:  commit,
		slots:   make(chan struct{}, maxWaiting),
		closing: make(chan struct{}),
		stopped: make(chan struct{}),
	}
	c.arrived.L = &c.mu
	go c.run(context.WithoutCancel(ctx))
	return c
}

// Do has a write committed, and returns when its fate has been decided, which W knows then.
// Writes are decided in the order in which they came, so a write that finds out what became
// of an earlier one gets a final answer.
//
// An error is that of the [Commit], or ErrClosed, or that of the context: if it ended before
// the write was taken into a batch, the write is not stored; if later, the error matches
// [store.ErrUnknown] as well. While 4096 writes wait, others wait for a place among them.
//
// After an error that matches store.ErrUnknown the write must not be touched: it may still
// be under way. So it must not refer to anything that the caller's caller may change.
func (c *Committer[W]) Do(ctx context.Context, write W) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	r := &request[W]{write: write, done: make(chan error, 1)}
	if !c.add(r) {
		<-c.slots
		return ErrClosed
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
	}
	if c.leave(r) {
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	default:
		return fmt.Errorf("%w during a commit: %w", ctx.Err(), store.ErrUnknown)
	}
}

// Close refuses further writes, has those that wait committed, and returns when that is
// done. It may be called again.
func (c *Committer[W]) Close() {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.closing)
		c.arrived.Signal()
	}
	c.mu.Unlock()
	<-c.stopped
}

// add lets a request wait, unless the committer is closed.
func (c *Committer[W]) add(r *request[W]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.waiting = append(c.waiting, r)
	c.arrived.Signal()
	return true
}

// leave takes a request back, unless it has been taken into a batch.
func (c *Committer[W]) leave(r *request[W]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.state == taken {
		return false
	}
	r.state = left
	return true
}

// run commits until the committer is closed and nothing waits any more.
func (c *Committer[W]) run(ctx context.Context) {
	defer close(c.stopped)
	for {
		batch := c.next()
		if batch == nil {
			return
		}
		c.decide(ctx, batch)
		// Whoever has got an answer may have its next write ready at once. If it gets the
		// chance before the next batch begins, batches are about twice as large.
		runtime.Gosched()
	}
}

// next waits for requests, and takes those that have come first. It returns nil when
// there are none and will be none.
func (c *Committer[W]) next() []*request[W] {
	c.mu.Lock()
	defer c.mu.Unlock()
	var batch []*request[W]
	for len(batch) == 0 {
		for len(c.waiting) == 0 {
			if c.closed {
				return nil
			}
			c.arrived.Wait()
		}
		n := min(len(c.waiting), maxBatch)
		for _, r := range c.waiting[:n] {
			<-c.slots
			if r.state == waiting {
				r.state = taken
				batch = append(batch, r)
			}
		}
		c.waiting = append(c.waiting[:0], c.waiting[n:]...)
		clear(c.waiting[len(c.waiting):cap(c.waiting)])
	}
	return batch
}

// decide commits a batch and passes the outcome on. If that fails without leaving
// anything behind, one of the writes may be the reason, so each gets its own chance.
func (c *Committer[W]) decide(ctx context.Context, batch []*request[W]) {
	writes := make([]W, len(batch))
	for i, r := range batch {
		writes[i] = r.write
	}
	err := c.commit(ctx, writes)
	alone := err != nil && !errors.Is(err, store.ErrUnknown) && len(batch) > 1
	for i, r := range batch {
		if alone {
			err = c.commit(ctx, writes[i:i+1])
		}
		r.done <- err
	}
}
