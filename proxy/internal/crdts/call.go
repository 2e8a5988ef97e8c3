package crdts

import (
	"sync"

	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
)

// A call is a command on its way, and the meeting point of two goroutines: the runner
// delivers responses and ends it, and the caller takes them, or leaves.
type call struct {
	command  *routing.Command
	streamed bool                    // whether it may have more than one response
	late     func(*routing.Response) // gets responses after the caller has left; does not block
	ready    chan struct{}           // gets a value when there is something to take

	id int64 // in the activation that it was sent to; belongs to the runner

	mu        sync.Mutex
	responses []*routing.Response
	ended     bool
	err       error // after the last response
	left      bool
}

func newCall(command *routing.Command, late func(*routing.Response)) *call {
	return &call{command: command, streamed: command.Method.Descriptor.IsStreamingServer(), late: late, ready: make(chan struct{}, 1)}
}

// deliver gives a response, which may be empty, to the caller, or does what it asks for if the caller has
// left: all of it for a command with one response, whose outcome counts, and the side
// effects for others.
func (c *call) deliver(response *routing.Response) {
	c.mu.Lock()
	left := c.left
	if !left {
		c.responses = append(c.responses, response)
	}
	c.mu.Unlock()
	if left {
		c.abandon(response)
	}
	c.signal()
}

func (c *call) abandon(response *routing.Response) {
	if c.streamed {
		response = &routing.Response{SideEffects: response.SideEffects}
	}
	c.late(response)
}

// end ends the call, with nil or a status.
func (c *call) end(err error) {
	c.mu.Lock()
	if !c.ended {
		c.ended, c.err = true, err
	}
	c.mu.Unlock()
	c.signal()
}

// take returns the next response, or that the call has ended, or neither.
func (c *call) take() (response *routing.Response, ended bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.responses) == 0 {
		return nil, c.ended, c.err
	}
	response = c.responses[0]
	c.responses = c.responses[1:]
	return response, false, nil
}

// leave says that the caller takes no more, and returns false if there is nothing more.
func (c *call) leave() bool {
	c.mu.Lock()
	c.left = true
	responses, ended := c.responses, c.ended
	c.responses = nil
	c.mu.Unlock()
	for _, response := range responses {
		c.abandon(response)
	}
	return !ended
}

// abandoned says whether the caller has left.
func (c *call) abandoned() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

func (c *call) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}
