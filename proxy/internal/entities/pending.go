package entities

import (
	"sync"

	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
)

// An outcome is what became of a command: a response, or an error.
type outcome struct {
	response *routing.Response
	err      error
}

// pass hands an outcome to whoever waits for it.
func (o outcome) pass(respond func(*routing.Response) error) error {
	if o.err != nil {
		return o.err
	}
	return respond(o.response)
}

// pending is a command that has no outcome yet, and the meeting point of two
// goroutines: the runner finishes it, and the caller waits, or leaves.
type pending struct {
	command *routing.Command
	done    chan outcome // gets one outcome if the caller has not left
	queue   *queue       // where the command waits, or has waited

	mu       sync.Mutex
	finished bool
	late     func(*routing.Response) // not nil once the caller has left
}

func newPending(command *routing.Command) *pending {
	return &pending{command: command, done: make(chan outcome, 1)}
}

// finish sets the outcome. It must be called once.
func (p *pending) finish(result outcome) {
	p.mu.Lock()
	p.finished = true
	late := p.late
	p.mu.Unlock()
	switch {
	case late == nil:
		p.done <- result
	case result.err == nil:
		late(result.response)
	}
}

// leave says that the caller does not wait any more, and who gets the response if
// there will be one. It returns false if there is an outcome already.
func (p *pending) leave(late func(*routing.Response)) bool {
	p.mu.Lock()
	left := !p.finished
	if left {
		p.late = late
	}
	p.mu.Unlock()
	if left {
		p.queue.leave()
	}
	return left
}

// abandoned says whether the caller has left.
func (p *pending) abandoned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late != nil
}
