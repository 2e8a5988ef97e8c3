package monitor

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// crdt watches a stream of a CRDT entity.
type crdt struct {
	commands

	streamed   map[int64]streamState
	cancelling int // cancellations that were not answered
	deleted    bool
}

// A streamState is how far the stream of a streamed command has come.
type streamState int

const (
	requested streamState = iota + 1 // the command was sent
	opened                           // the reply said that there is a stream
	over                             // it was cancelled, or there is none
)

func (c *crdt) proxy(message proto.Message) {
	in, _ := message.(*crdtpb.CrdtStreamIn) // begin has looked
	c.expectInit(in.GetInit() != nil)
	if c.deleted {
		c.violatedf(c.initRule, "the proxy has sent another message after Delete, want the stream half-closed")
	}
	switch m := in.GetMessage().(type) {
	case *crdtpb.CrdtStreamIn_Init:
	case *crdtpb.CrdtStreamIn_Delta:
		if n := len(c.outstanding) + c.cancelling; n > 0 {
			c.violatedf("P-124", "the proxy has sent a Delta while %d commands or cancellations were outstanding: %v", n, m.Delta)
		}
	case *crdtpb.CrdtStreamIn_Delete:
		c.deleted = true
	case *crdtpb.CrdtStreamIn_Command:
		c.expectCommand(m.Command)
		if m.Command.GetStreamed() {
			c.streamed[m.Command.GetId()] = requested
		}
	case *crdtpb.CrdtStreamIn_StreamCancelled:
		c.cancelled(m.StreamCancelled.GetId(), m.StreamCancelled.GetEntityId())
	default:
		c.violatedf(c.initRule, "the proxy has sent an empty message")
	}
}

// cancelled handles the cancellation of a stream. The user function may have ended it
// while that was on its way.
func (c *crdt) cancelled(id int64, of string) {
	switch c.streamed[id] {
	case 0:
		c.violatedf("P-123", "the stream of command %d was cancelled, which is no streamed command", id)
	case requested:
		c.violatedf("P-123", "the stream of command %d was cancelled before the reply", id)
	case over:
		c.violatedf("P-123", "the stream of command %d was cancelled again, or was none", id)
	case opened:
	}
	if of != c.stream.stream.EntityID {
		c.violatedf("P-123", "a stream of entity %q was cancelled, want %q as in the Init", of, c.stream.stream.EntityID)
	}
	c.streamed[id] = over
	c.cancelling++
}

func (c *crdt) userFunction(message proto.Message) {
	out, _ := message.(*crdtpb.CrdtStreamOut) // nil is the end
	if message == nil {
		c.gone()
		return
	}
	switch m := out.GetMessage().(type) {
	case *crdtpb.CrdtStreamOut_Reply:
		c.reply(m.Reply)
	case *crdtpb.CrdtStreamOut_StreamedMessage:
	case *crdtpb.CrdtStreamOut_StreamCancelledResponse:
		c.cancelling = max(0, c.cancelling-1)
	case *crdtpb.CrdtStreamOut_Failure:
		if id := m.Failure.GetCommandId(); !c.outstanding[id] {
			c.excused = true
		} else {
			delete(c.outstanding, id)
			c.streamed[id] = over
		}
	default:
		c.excused = true
	}
}

func (c *crdt) reply(reply *crdtpb.CrdtReply) {
	id := reply.GetCommandId()
	if !c.answered(id) {
		return
	}
	state, isStreamed := c.streamed[id]
	switch {
	case reply.GetStreamed() && !isStreamed:
		c.excused = true
	case reply.GetStreamed() && state == requested:
		c.streamed[id] = opened
	case isStreamed:
		c.streamed[id] = over
	}
	if reply.GetStateAction().GetDelete() != nil {
		c.outstanding = map[int64]bool{} // nobody waits for what comes after
	}
}
