package relay

import (
	"sync"

	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
)

// A Call is a command on its way, and the meeting point of two goroutines: the host delivers
// responses and ends the call, and the caller takes them, or leaves.
type Call struct {
	// To is the entity.
	To Entity
	// Command is what it has to do.
	Command *routing.Command
	// ID is the number of the command in the activation that it was sent to. It belongs to the
	// host.
	ID int64

	late  func(*routing.Response) // gets responses after the caller has left; does not block
	ready chan struct{}           // gets a value when there is something to take

	mu        sync.Mutex
	responses []*routing.Response
	one       [1]*routing.Response // their memory, as there is mostly one
	ended     bool
	err       error // after the last response
	left      bool
}

func newCall(to Entity, command *routing.Command, late func(*routing.Response)) *Call {
	c := &Call{To: to, Command: command, late: late, ready: make(chan struct{}, 1)}
	c.responses = c.one[:0]
	return c
}

// Streamed says whether the call may have more than one response.
func (c *Call) Streamed() bool { return c.Command.Method.Descriptor.IsStreamingServer() }

// Deliver gives a response, which may be empty, to the caller. If the caller has left, it
// does what the response asks for: all of it for a command with one response, whose outcome
// counts, and the side effects for others.
func (c *Call) Deliver(response *routing.Response) { c.put(response, false) }

// Finish is Deliver with the last response, and End.
func (c *Call) Finish(response *routing.Response) { c.put(response, true) }

func (c *Call) put(response *routing.Response, last bool) {
	c.mu.Lock()
	left := c.left
	if !left {
		c.responses = append(c.responses, response)
	}
	c.ended = c.ended || last
	c.mu.Unlock()
	if left {
		c.abandon(response)
	}
	c.signal()
}

func (c *Call) abandon(response *routing.Response) {
	if c.Streamed() {
		response = &routing.Response{SideEffects: response.SideEffects}
	}
	c.late(response)
}

// End ends the call, with nil or a status, unless it has ended.
func (c *Call) End(err error) {
	c.mu.Lock()
	if !c.ended {
		c.ended, c.err = true, err
	}
	c.mu.Unlock()
	c.signal()
}

// Abandoned says whether the caller has left.
func (c *Call) Abandoned() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

// take returns the next response, or nil if there is none, and whether the call has ended
// after it. Whoever has taken the end has left.
func (c *Call) take() (response *routing.Response, ended bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.responses) > 0 {
		response, c.responses[0] = c.responses[0], nil
		c.responses = c.responses[1:]
	}
	if len(c.responses) > 0 || !c.ended {
		return response, false, nil
	}
	c.left = true
	return response, true, c.err
}

// leave says that the caller takes no more. It returns false, and the caller stays, if the
// call has ended, or if its only response is there.
func (c *Call) leave() bool {
	c.mu.Lock()
	responses := c.responses
	if c.left || len(responses) == 0 && c.ended || len(responses) > 0 && !c.Streamed() {
		c.mu.Unlock()
		return false
	}
	c.left, c.responses = true, nil
	c.mu.Unlock()
	for _, response := range responses {
		c.abandon(response)
	}
	return true
}

func (c *Call) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}
