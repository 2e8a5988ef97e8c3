package monitor

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// commands watches what the streams of all kinds of entities have in common.
type commands struct {
	stream

	initRule string // for the Init
	stored   *stored

	inited      bool
	began       bool // it was noted that the stream is there
	last        int64
	outstanding map[int64]bool // ids of commands that were not answered
	restarted   bool           // there need not be a command
	closed      bool           // the proxy has ended its messages
	excused     bool           // the user function has broken the protocol
}

// expectInit handles an Init, if that is what a message is.
func (c *commands) expectInit(isInit bool) {
	if !c.began {
		c.began = true
		if c.stored.live != nil {
			c.violatedf("P-024", "a stream was opened while another one of the entity has not ended; want one at a time")
		}
		c.stored.live = c.stream.stream
		c.restarted, c.stored.restarting = c.stored.restarting, false
	}
	switch {
	case isInit && c.inited:
		c.violatedf(c.initRule, "another Init, want one in each stream")
	case !isInit && !c.inited:
		c.violatedf(c.initRule, "the stream does not begin with an Init")
	}
	c.inited = true
	if c.monitor.methods[c.stream.stream.Service] == nil {
		c.violatedf(c.initRule, "Init names the service %q, which the user function does not have", c.stream.stream.Service)
	}
}

// expectCommand handles a command.
func (c *commands) expectCommand(command *protocol.Command) {
	if command.GetId() != c.last+1 {
		c.violatedf("P-020", "command %d, want %d: the first command of a stream is 1, and each next one greater by 1", command.GetId(), c.last+1)
	}
	c.last = command.GetId()
	c.outstanding[command.GetId()] = true
	if command.GetEntityId() != c.stream.stream.EntityID {
		c.violatedf("P-021", "command %d is for entity %q, want %q as in the Init", command.GetId(), command.GetEntityId(), c.stream.stream.EntityID)
	}
	if command.GetMetadata() != nil {
		c.violatedf("P-021", "command %d has metadata, want none: %v", command.GetId(), command.GetMetadata())
	}
	method := c.method(command.GetName())
	if method == nil {
		c.violatedf("P-021", "command %d is %q, want the simple name of a method of %s", command.GetId(), command.GetName(), c.stream.stream.Service)
		return
	}
	if want := protocol.TypeURLPrefix + string(method.Input().FullName()); command.GetPayload().GetTypeUrl() != want {
		c.violatedf("P-021", "command %d has a payload of type %q, want %q", command.GetId(), command.GetPayload().GetTypeUrl(), want)
	}
	if command.GetStreamed() != method.IsStreamingServer() {
		c.violatedf("P-021", "command %d (%s) has streamed %t, want %t", command.GetId(), command.GetName(), command.GetStreamed(), method.IsStreamingServer())
	}
}

// alone handles a command that must not overlap with others.
func (c *commands) alone(command *protocol.Command) {
	if len(c.outstanding) > 0 {
		c.violatedf("P-034", "command %d was sent although the one before was not answered", command.GetId())
	}
	c.expectCommand(command)
}

// answered handles the answer to a command. It returns false if that was not outstanding.
func (c *commands) answered(id int64) bool {
	if !c.outstanding[id] {
		c.excused = true
		return false
	}
	delete(c.outstanding, id)
	return true
}

// gone handles that the user function has ended the stream.
func (c *commands) gone() {
	if !c.closed {
		c.excused = true
	}
	if c.stored.live == c.stream.stream {
		c.stored.live = nil
	}
}

// end handles the end of the proxy's messages.
func (c *commands) end(err error) {
	c.closed = true
	if err != nil {
		c.gone()
	}
	switch {
	case c.excused || c.monitor.excused[c.stream.stream]:
	case err != nil:
		c.violatedf("P-023", "the proxy has cancelled the stream, want it half-closed: %v", err)
	case len(c.outstanding) > 0:
		c.violatedf("P-023", "the proxy has half-closed the stream before command %d was answered", c.last)
	case c.last == 0 && !c.restarted:
		c.violatedf("P-024", "the proxy has opened a stream without that there was a command for the entity")
	}
}

// same says whether two messages are equal; both may be nil.
func same(a, b proto.Message) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return proto.Equal(a, b)
}
