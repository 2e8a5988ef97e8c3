package entities

import "sync"

// A queue holds the commands of an entity that wait for their turn. It has no limit.
//
// It belongs to a runner and outlives activations. When an activation is sealed, it
// gets the commands that were there at that time, and all others are for the next.
type queue struct {
	ready chan struct{} // gets a value when there may be something to do

	mu      sync.Mutex
	waiting []*pending
	ended   chan struct{} // closed when the activation has ended; closed if there is none
	active  bool
	sealed  bool
	rest    int // how many commands a sealed activation still gets
}

func newQueue() *queue {
	ended := make(chan struct{})
	close(ended)
	return &queue{ready: make(chan struct{}, 1), ended: ended}
}

// begin starts an activation.
func (q *queue) begin() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.active, q.sealed, q.ended = true, false, make(chan struct{})
}

// end ends an activation.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.active = false
	close(q.ended)
}

// seal lets the activation end after the commands that wait now, and returns a
// channel that is closed when it has.
func (q *queue) seal() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.active && !q.sealed {
		q.sealed, q.rest = true, len(q.waiting)
		q.signal()
	}
	return q.ended
}

// push adds a command.
func (q *queue) push(p *pending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, p)
	q.signal()
}

// pop removes the first command. There is none if p is nil; last says that there
// will be no more for this activation.
func (q *queue) pop() (p *pending, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sealed && q.rest == 0 {
		return nil, true
	}
	if len(q.waiting) == 0 {
		return nil, false
	}
	p = q.waiting[0]
	q.waiting[0] = nil // for the garbage collector
	q.waiting = q.waiting[1:]
	q.rest--
	return p, false
}

// drain removes all commands.
func (q *queue) drain() []*pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.waiting
	q.waiting, q.rest = nil, 0
	return waiting
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// signal wakes the runner. The caller holds the lock.
func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}
