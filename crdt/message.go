package crdt

import (
	"sync"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// An answer is what one message of the proxy leads to: mostly one message, with memory for
// what it usually consists of, and after it those of the streams that it has changed the
// value for.
type answer struct {
	command.Answer

	out     crdtpb.CrdtStreamOut // set if there is a first message
	message crdtpb.CrdtStreamOut_Reply
	reply   crdtpb.CrdtReply

	stateAction crdtpb.CrdtStateAction
	update      crdtpb.CrdtStateAction_Update

	more []*crdtpb.CrdtStreamOut // what follows
}

var answers = sync.Pool{New: func() any {
	a := &answer{}
	a.Init()
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
	a.reply.ClientAction, a.reply.SideEffects, a.reply.StateAction, a.reply.Streamed = nil, nil, nil, false
	a.stateAction.Action, a.update.Update = nil, nil
	a.more = nil
	answers.Put(a)
}

// Send sends all messages, in order.
func (a *answer) Send(stream grpc.ServerStream) error {
	for m := range a.messages {
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
	return nil
}

// messages yields all messages, in order.
func (a *answer) messages(yield func(*crdtpb.CrdtStreamOut) bool) {
	if a.out.GetMessage() != nil && !yield(&a.out) {
		return
	}
	for _, m := range a.more {
		if !yield(m) {
			return
		}
	}
}

// setReply turns a into the reply to a command. Its client action is in a.Action, if it has
// one.
func (a *answer) setReply(commandID int64) {
	a.reply.CommandId = commandID
	if a.Action.GetAction() != nil {
		a.reply.ClientAction = &a.Action
	}
	a.out.Message = &a.message
}

// fail turns a into the reply to a command that tells the client of a failure.
func (a *answer) fail(failure *protocol.Failure) {
	a.SetFailure(failure)
	a.setReply(failure.GetCommandId())
}

// setFault turns a into the failure that ends the stream.
func (a *answer) setFault(f *command.Fault) {
	a.out.Message = &crdtpb.CrdtStreamOut_Failure{Failure: f.Failure()}
}

// setCancelled turns a into the response to a stream that was cancelled.
func (a *answer) setCancelled(commandID int64, effects []*protocol.SideEffect, action *crdtpb.CrdtStateAction) {
	a.out.Message = &crdtpb.CrdtStreamOut_StreamCancelledResponse{
		StreamCancelledResponse: &crdtpb.CrdtStreamCancelledResponse{CommandId: commandID, SideEffects: effects, StateAction: action},
	}
}

// add adds an element of a streamed command.
func (a *answer) add(m *crdtpb.CrdtStreamedMessage) {
	a.more = append(a.more, &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamedMessage{StreamedMessage: m}})
}

// updated returns the state action for a delta, in the memory of a.
func (a *answer) updated(delta *crdtpb.CrdtDelta, consistency crdtpb.CrdtWriteConsistency) *crdtpb.CrdtStateAction {
	a.update.Update = delta
	a.stateAction.Action, a.stateAction.WriteConsistency = &a.update, consistency
	return &a.stateAction
}

// deleted returns the state action that deletes the value, in the memory of a.
func (a *answer) deleted(consistency crdtpb.CrdtWriteConsistency) *crdtpb.CrdtStateAction {
	a.stateAction.Action = &crdtpb.CrdtStateAction_Delete{Delete: &crdtpb.CrdtDelete{}}
	a.stateAction.WriteConsistency = consistency
	return &a.stateAction
}
