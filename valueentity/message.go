package valueentity

import (
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// An answer is a message to the proxy, with memory for what it usually consists of.
type answer struct {
	command.Answer

	out     valueentitypb.ValueEntityStreamOut
	message valueentitypb.ValueEntityStreamOut_Reply
	reply   valueentitypb.ValueEntityReply

	stateAction valueentitypb.ValueEntityAction
	actionOneof valueentitypb.ValueEntityAction_Update
	update      valueentitypb.ValueEntityUpdate
	value       anypb.Any
}

var answers = sync.Pool{New: func() any {
	a := &answer{}
	a.Init()
	a.reply.ClientAction = &a.Action
	a.message.Reply = &a.reply
	a.update.Value = &a.value
	a.actionOneof.Update = &a.update
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
	a.reply.SideEffects, a.reply.StateAction = nil, nil
	a.stateAction.Action = nil
	a.value.Value = nil
	answers.Put(a)
}

// Send sends the message.
func (a *answer) Send(stream grpc.ServerStream) error { return stream.SendMsg(&a.out) }

// setUpdate lets a store a value, which was appended to a.Values.
func (a *answer) setUpdate(url string, values []byte) {
	a.value.TypeUrl, a.value.Value = url, a.Take(values)
	a.stateAction.Action = &a.actionOneof
	a.reply.StateAction = &a.stateAction
}

// setDelete makes a delete the stored value.
func (a *answer) setDelete() {
	a.stateAction.Action = &valueentitypb.ValueEntityAction_Delete{Delete: &valueentitypb.ValueEntityDelete{}}
	a.reply.StateAction = &a.stateAction
}

// setReply turns a into the reply to a command, whose client action is in a.Action.
func (a *answer) setReply(commandID int64) {
	a.reply.CommandId = commandID
	a.out.Message = &a.message
}

// fail turns a into the reply to a command that tells the client of a failure.
func (a *answer) fail(failure *protocol.Failure) {
	a.SetFailure(failure)
	a.setReply(failure.GetCommandId())
}

// setFault turns a into the failure that ends the stream.
func (a *answer) setFault(f *command.Fault) {
	a.out.Message = &valueentitypb.ValueEntityStreamOut_Failure{Failure: f.Failure()}
}
