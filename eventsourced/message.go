package eventsourced

import (
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// maxKeptEvents is how many events an answer keeps at most for its next use.
const maxKeptEvents = 64

// An answer is a message to the proxy, with memory for what it usually consists of.
type answer struct {
	command.Answer

	out     eventsourcedpb.EventSourcedStreamOut
	message eventsourcedpb.EventSourcedStreamOut_Reply
	reply   eventsourcedpb.EventSourcedReply
	events  []*anypb.Any // reply.Events are the first of them
}

var answers = sync.Pool{New: func() any {
	a := &answer{}
	a.Init()
	a.reply.ClientAction = &a.Action
	a.message.Reply = &a.reply
	return a
}}

// acquireAnswer returns an answer with nothing in it. Whoever has it frees it.
func acquireAnswer() *answer {
	return answers.Get().(*answer) //nolint:errcheck // the pool has nothing else
}

// Free lets a be used again. Nothing that was put into it may be in use any longer.
func (a *answer) Free() {
	a.Reset()
	a.out.Message = nil
	for _, event := range a.reply.GetEvents() {
		event.Value = nil // it may keep memory that Reset has given up
	}
	a.reply.Events, a.reply.Snapshot, a.reply.SideEffects = nil, nil, nil
	if len(a.events) > maxKeptEvents {
		a.events = nil
	}
	answers.Put(a)
}

// Send sends the message.
func (a *answer) Send(stream grpc.ServerStream) error { return stream.SendMsg(&a.out) }

// addEvent adds an event. Its value was appended to a.Values.
func (a *answer) addEvent(url string, values []byte) {
	n := len(a.reply.GetEvents())
	if n == len(a.events) {
		a.events = append(a.events, &anypb.Any{})
	}
	a.events[n].TypeUrl, a.events[n].Value = url, a.Take(values)
	a.reply.Events = a.events[:n+1]
}

// setReply turns a into the reply to a command, whose client action is in a.Action.
func (a *answer) setReply(commandID int64) {
	a.reply.CommandId = commandID
	a.out.Message = &a.message
}

// fail turns a into the reply to a command that tells the client of a failure, without events.
func (a *answer) fail(failure *protocol.Failure) {
	a.reply.Events = nil
	a.SetFailure(failure)
	a.setReply(failure.GetCommandId())
}

// setFault turns a into the failure that ends the stream.
func (a *answer) setFault(f *command.Fault) {
	a.out.Message = &eventsourcedpb.EventSourcedStreamOut_Failure{Failure: f.Failure()}
}
