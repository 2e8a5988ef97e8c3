package entities

import (
	"sync"

	"github.com/cloudstate-go/cloudstate/proxy/internal/relay"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// A queue holds the commands of an entity that wait for their turn. It has no limit.
//
// It belongs to a runner and outlives the stays of its entity in memory. When a stay is
// sealed, it gets the commands that were there at that time, and all others are for the
// next. A restart of the entity belongs to the stay.
type queue struct {
	ready chan struct{} // gets a value when there may be something to do

	mu        sync.Mutex
	waiting   []*relay.Call
	busy      bool          // with a command that does not wait any more
	abandoned int           // how many of them nobody waits for
	ended     chan struct{} // closed when the entity has left memory
	sealed    bool
	rest      int // how many commands a sealed stay still gets
}

func newQueue() *queue {
	return &queue{ready: make(chan struct{}, 1), ended: make(chan struct{})}
}

// end ends a stay in memory. The next one begins at once, but for retire.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.ended)
	q.ended, q.sealed = make(chan struct{}), false
}

// retire ends the use of the queue, unless commands wait.
func (q *queue) retire() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		return false
	}
	close(q.ended)
	return true
}

// seal lets the stay end after the commands that wait now, and returns a channel that
// is closed when it has.
func (q *queue) seal() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.sealed {
		q.sealed, q.rest = true, len(q.waiting)
		q.signal()
	}
	return q.ended
}

// push adds a command.
func (q *queue) push(c *relay.Call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy || len(q.waiting) > 0 {
		c.Stashed = c.Meter().Start()
		c.Meter().Count(observe.CommandStashed)
	}
	q.waiting = append(q.waiting, c)
	q.signal()
}

// unstash tells the meter that a command does not wait any more.
func unstash(c *relay.Call) {
	if !c.Stashed.IsZero() {
		c.Meter().Time(observe.CommandUnstashed, c.Stashed)
	}
}

// Left implements [relay.Host]. It removes commands that nobody waits for now and then,
// because clients that retry an entity which hangs would fill the queue with them.
func (q *queue) Left(*relay.Call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.abandoned++
	if q.abandoned <= len(q.waiting)/2 {
		return
	}
	kept, rest := q.waiting[:0], 0
	for i, c := range q.waiting {
		if c.Abandoned() {
			unstash(c)
			continue
		}
		if i < q.rest {
			rest++
		}
		kept = append(kept, c)
	}
	clear(q.waiting[len(kept):])
	q.waiting, q.rest, q.abandoned = kept, rest, 0
}

// pop removes the first command. There is none if c is nil; last says that there
// will be no more for this activation.
func (q *queue) pop() (c *relay.Call, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = false
	if q.sealed && q.rest == 0 {
		return nil, true
	}
	if len(q.waiting) == 0 {
		return nil, false
	}
	c = q.waiting[0]
	q.waiting[0] = nil // for the garbage collector
	q.waiting = q.waiting[1:]
	q.rest--
	q.busy = true
	unstash(c)
	return c, false
}

// drain removes all commands.
func (q *queue) drain() []*relay.Call {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.waiting
	q.waiting, q.rest, q.abandoned, q.busy = nil, 0, 0, false
	for _, c := range waiting {
		unstash(c)
	}
	return waiting
}

// signal wakes the runner. The caller holds the lock.
func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
