package relay

import (
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/proxy/internal/meter"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// A Call is a command on its way, and the meeting point of two goroutines: the host delivers
// responses and ends the call, and the caller takes them, or leaves.
type Call struct {
	// To is the entity.
	To Entity
	// Command is what it has to do.
	Command *routing.Command
	// ID is the number of the command in the activation that it was sent to, Stashed is when it
	// had to wait for others, and Sent is when it was sent; the latter are the business of the
	// meter, and zero without one. They belong to the host.
	ID            int64
	Stashed, Sent time.Time

	// For the meter; they belong to the caller.
	received          time.Time
	failed, completed bool

	buffer int                     // how many bytes may wait
	late   func(*routing.Response) // gets responses after the caller has left; does not block
	ready  chan struct{}           // gets a value when there is something to take

	mu      sync.Mutex
	waiting []sized
	one     [1]sized // their memory, as there is mostly one
	size    int      // of what is waiting
	ended   bool
	err     error // after the last response
	left    bool
}

// sized is a response that waits for the caller, with its size. The size of one that does not
// wait behind another does not matter, and is 0.
type sized struct {
	response *routing.Response
	size     int
}

// overhead is about what a response takes in memory apart from its contents.
const overhead = 256

// sizeOf returns about how much memory a response takes.
func sizeOf(response *routing.Response) int {
	size := overhead + proto.Size(response.Action)
	for _, effect := range response.SideEffects {
		size += overhead + proto.Size(effect)
	}
	return size
}

func newCall(to Entity, command *routing.Command, buffer int, late func(*routing.Response)) *Call {
	c := &Call{To: to, Command: command, buffer: buffer, late: late, ready: make(chan struct{}, 1)}
	c.waiting = c.one[:0]
	c.received = c.Meter().Start()
	c.Meter().Count(observe.CommandReceived)
	return c
}

// Meter measures what happens to the call.
func (c *Call) Meter() meter.Meter { return c.To.Service.Meter }

// complete tells the meter that the call has an outcome, once.
func (c *Call) complete(failed bool) {
	if c.completed {
		return
	}
	c.completed = true
	if failed || c.failed {
		c.Meter().Count(observe.CommandFailed)
	}
	c.Meter().Time(observe.CommandCompleted, c.received)
}

// Streamed says whether the call may have more than one response.
func (c *Call) Streamed() bool { return c.Command.Method.Descriptor.IsStreamingServer() }

// Deliver gives a response, which may be empty, to the caller. If the caller has left, it
// does what the response asks for: all of it for a command with one response, whose outcome
// counts, and the side effects for others.
//
// If the caller is slow and too much waits for it, Deliver ends the call with
// RESOURCE_EXHAUSTED instead, as if the caller had left.
func (c *Call) Deliver(response *routing.Response) { c.put(response, false) }

// Finish is Deliver with the last response, and End.
func (c *Call) Finish(response *routing.Response) { c.put(response, true) }

func (c *Call) put(response *routing.Response, last bool) {
	c.mu.Lock()
	next := c.sized(response)
	c.waiting, c.size = append(c.waiting, next), c.size+next.size
	if c.size > c.buffer {
		c.left, c.ended = true, true
		c.err = status.Errorf(codes.ResourceExhausted, "the responses of %s are read too slowly: more than %d bytes wait in the proxy", c.Command.Method.Path(), c.buffer)
	}
	var abandoned []sized
	if c.left {
		abandoned, c.waiting, c.size = c.waiting, nil, 0
	}
	c.ended = c.ended || last
	c.mu.Unlock()
	c.abandon(abandoned)
	c.signal()
}

// sized returns a response with its size. The caller holds the lock.
func (c *Call) sized(response *routing.Response) sized {
	if len(c.waiting) == 0 {
		return sized{response: response}
	}
	return sized{response: response, size: sizeOf(response)}
}

// abandon does what is left to do for responses that nobody will take.
func (c *Call) abandon(waiting []sized) {
	for _, w := range waiting {
		if c.Streamed() {
			w.response = &routing.Response{SideEffects: w.response.SideEffects}
		}
		c.late(w.response)
	}
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
	if len(c.waiting) > 0 {
		first := c.waiting[0]
		c.waiting[0] = sized{} // for the garbage collector
		response, c.waiting, c.size = first.response, c.waiting[1:], c.size-first.size
		c.failed = c.failed || response.Action.GetFailure() != nil
	}
	if len(c.waiting) > 0 || !c.ended {
		return response, false, nil
	}
	c.left = true
	c.complete(c.err != nil)
	return response, true, c.err
}

// leave says that the caller takes no more. It returns false, and the caller stays, if the
// call has ended, or if its only response is there.
func (c *Call) leave() bool {
	c.mu.Lock()
	waiting := c.waiting
	if len(waiting) == 0 && c.ended || len(waiting) > 0 && !c.Streamed() {
		c.mu.Unlock()
		return false
	}
	c.left, c.waiting, c.size = true, nil, 0
	c.mu.Unlock()
	c.abandon(waiting)
	return true
}

func (c *Call) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}
