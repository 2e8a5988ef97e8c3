package eventsourced

import (
	"sync"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// What an answer keeps at most for its next use.
const (
	maxKeptValues = 64 << 10 // bytes
	maxKeptEvents = 64
)

// An answer is a message to the proxy, with all messages that it usually consists of and
// memory for the values in it. It is used again once it has been sent, so that a command
// leaves next to nothing to the garbage collector.
type answer struct {
	out     eventsourcedpb.EventSourcedStreamOut
	message eventsourcedpb.EventSourcedStreamOut_Reply
	reply   eventsourcedpb.EventSourcedReply

	action      protocol.ClientAction
	actionReply protocol.ClientAction_Reply
	payload     protocol.Reply
	payloadAny  anypb.Any

	events []*anypb.Any // reply.Events are the first of them
	values []byte       // of the events and the payload, one after the other
}

var answers = sync.Pool{New: func() any { return newAnswer() }}

// acquireAnswer returns an answer with nothing in it. Whoever has it frees it.
func acquireAnswer() *answer {
	return answers.Get().(*answer) //nolint:errcheck // the pool has nothing else
}

func newAnswer() *answer {
	a := &answer{}
	a.payload.Payload = &a.payloadAny
	a.actionReply.Reply = &a.payload
	a.reply.ClientAction = &a.action
	a.message.Reply = &a.reply
	return a
}

// free lets a be used again. Nothing that was put into it may be in use any longer.
func (a *answer) free() {
	a.out.Message = nil
	a.action.Action = nil
	a.payload.Metadata = nil
	a.reply.Events, a.reply.Snapshot = nil, nil
	if len(a.events) > maxKeptEvents {
		a.events = nil
	}
	if a.values = a.values[:0]; cap(a.values) > maxKeptValues {
		a.values = nil
	}
	answers.Put(a)
}

// take returns the value that was appended to a.values. What was taken before stays valid
// even if appending has moved the memory.
func (a *answer) take(values []byte) []byte {
	value := values[len(a.values):len(values):len(values)]
	a.values = values
	return value
}

// addEvent adds an event. Its value was appended to a.values.
func (a *answer) addEvent(url string, values []byte) {
	n := len(a.reply.GetEvents())
	if n == len(a.events) {
		a.events = append(a.events, &anypb.Any{})
	}
	a.events[n].TypeUrl, a.events[n].Value = url, a.take(values)
	a.reply.Events = a.events[:n+1]
}

// setReply makes a the reply to a command. The value of its payload was appended to
// a.values.
func (a *answer) setReply(commandID int64, url string, values []byte, metadata *protocol.Metadata) {
	a.payloadAny.TypeUrl, a.payloadAny.Value = url, a.take(values)
	a.payload.Metadata = metadata
	a.action.Action = &a.actionReply
	a.reply.CommandId = commandID
	a.out.Message = &a.message
}

// setFailure makes a the reply to a command that tells the client of a failure, without
// events. The entity lives on.
func (a *answer) setFailure(failure *protocol.Failure) {
	a.reply.Events = nil
	a.action.Action = &protocol.ClientAction_Failure{Failure: failure}
	a.reply.CommandId = failure.GetCommandId()
	a.out.Message = &a.message
}

// setFault makes a the failure that ends the stream.
func (a *answer) setFault(f *fault) {
	a.out.Message = &eventsourcedpb.EventSourcedStreamOut_Failure{Failure: f.failure()}
}
