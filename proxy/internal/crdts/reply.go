package crdts

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/relay"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replication"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// message handles a message of the user function.
func (a *activation) message(message *crdtpb.CrdtStreamOut) {
	if a.closing && !a.deleted {
		a.report(nil, fmt.Errorf("the user function sent a message after the stream was half-closed: %v", message))
		return
	}
	switch m := message.GetMessage().(type) {
	case *crdtpb.CrdtStreamOut_Reply:
		a.reply(m.Reply)
	case *crdtpb.CrdtStreamOut_StreamedMessage:
		a.streamedMessage(m.StreamedMessage)
	case *crdtpb.CrdtStreamOut_StreamCancelledResponse:
		a.streamCancelled(m.StreamCancelledResponse)
	case *crdtpb.CrdtStreamOut_Failure:
		a.failure(m.Failure)
	default:
		a.crash(nil, errors.New("the user function sent a message that is empty or of an unknown kind"))
	}
}

func (a *activation) report(at *relay.Call, err error) {
	a.runner.entities.config.Report(a.ctx, a.runner.Fault(at, err))
}

func (a *activation) tell(at *relay.Call, err error) {
	a.runner.entities.config.Tell(a.ctx, a.runner.Fault(at, err))
}

// reply handles the answer to a command.
func (a *activation) reply(reply *crdtpb.CrdtReply) {
	id := reply.GetCommandId()
	c := a.sent[id]
	switch {
	case c == nil:
		a.crash(nil, fmt.Errorf("Received reply for entity id %s for unknown command %d", a.runner.ID, id)) //nolint:staticcheck // the text of the protocol
		return
	case reply.GetStreamed() && !c.Streamed():
		a.crash(c, fmt.Errorf("Streamed reply to non streamed command %d", id)) //nolint:staticcheck // the text of the protocol
		return
	}
	action := reply.GetStateAction()
	if action.GetAction() != nil && reply.GetClientAction().GetFailure() != nil {
		a.report(c, errors.New("the reply is a failure, but has a state action; it was ignored"))
		if !a.imagine(c, action) {
			return
		}
		a.runner.replica.Doubt()
		action = nil
	}
	delete(a.sent, id)
	c.Meter().Time(observe.CommandProcessed, c.Sent)
	a.change(id, c, action, func() {
		response := &routing.Response{Action: reply.GetClientAction(), SideEffects: reply.GetSideEffects()}
		if reply.GetStreamed() && !a.ended {
			a.openStream(id, c, response)
		} else {
			c.Finish(response)
		}
	})
}

// openStream opens the stream of a command with its first response.
func (a *activation) openStream(id int64, c *relay.Call, first *routing.Response) {
	c.Deliver(first)
	a.open[id] = c
	draining, _ := a.runner.entities.phase()
	switch {
	case draining:
		c.End(nil)
		a.cancelStream(id)
	case c.Abandoned():
		a.cancelStream(id)
	}
}

// imagine notes what the user function has done to the CRDT, although that does not
// count: it will be told so. It returns false if that crashes the activation.
func (a *activation) imagine(c *relay.Call, action *crdtpb.CrdtStateAction) bool {
	delta := action.GetUpdate()
	if delta == nil {
		return true
	}
	if a.held == nil {
		a.held = replica.NewView(replica.KindOf(delta))
	}
	if err := a.held.Apply(delta); err != nil {
		a.crash(c, err)
		return false
	}
	return true
}

// change carries out a state action, and then calls finish: at once, or when enough other
// nodes have it. Until then, the command is an operation.
func (a *activation) change(id int64, c *relay.Call, action *crdtpb.CrdtStateAction, finish func()) {
	var change replication.Change
	switch act := action.GetAction().(type) {
	case *crdtpb.CrdtStateAction_Update:
		if !a.imagine(c, action) {
			return
		}
		change = a.runner.replica.Update(act.Update)
	case *crdtpb.CrdtStateAction_Delete:
		change = a.runner.replica.Delete()
		a.deleted = true
		a.halfClose()
	default:
		finish()
		return
	}
	wait := a.runner.entities.config.Node.Publish(change, action.GetWriteConsistency())
	if wait == nil {
		finish()
		return
	}
	w := &written{call: c, finish: finish}
	a.writing[id] = w
	a.others.Go(func() {
		err := wait(a.ctx)
		a.runner.inbox.put(func() { a.wrote(id, w, err) })
	})
}

// wrote goes on with a command after other nodes have its change, or have not.
func (a *activation) wrote(id int64, w *written, err error) {
	if a.crashed {
		return
	}
	if err != nil {
		if a.ctx.Err() == nil {
			w.call.End(status.Error(codes.Unknown, replication.ErrConsistency.Error()))
		}
		a.crash(w.call, err)
		return
	}
	delete(a.writing, id)
	w.finish()
	for _, message := range w.later {
		a.streamedMessage(message)
	}
}

// streamedMessage handles a message for an open stream.
func (a *activation) streamedMessage(message *crdtpb.CrdtStreamedMessage) {
	id := message.GetCommandId()
	response := &routing.Response{Action: message.GetClientAction(), SideEffects: message.GetSideEffects()}
	if w := a.writing[id]; w != nil && a.cancelled[id] == nil {
		w.later = append(w.later, message)
		return
	}
	if c := a.cancelled[id]; c != nil { // sent before it knew
		c.Deliver(response)
		return
	}
	c := a.open[id]
	if c == nil {
		a.tell(nil, fmt.Errorf("Received streamed message for unknown command id: %d", id)) //nolint:staticcheck // in the manner of the protocol's texts
		return
	}
	if message.GetEndStream() {
		delete(a.open, id)
		c.Finish(response)
		return
	}
	c.Deliver(response)
	if c.Abandoned() { // now, if its client reads too slowly
		a.cancelStream(id)
	}
}

// streamCancelled handles the confirmation that a stream was cancelled. Its side effects
// are carried out.
func (a *activation) streamCancelled(response *crdtpb.CrdtStreamCancelledResponse) {
	id := response.GetCommandId()
	c := a.cancelled[id]
	if c == nil {
		a.tell(nil, fmt.Errorf("Received stream cancelled response for unknown command id: %d", id)) //nolint:staticcheck // in the manner of the protocol's texts
		return
	}
	delete(a.cancelled, id)
	a.change(id, c, response.GetStateAction(), func() {
		if effects := response.GetSideEffects(); len(effects) > 0 {
			a.runner.entities.config.Complete(context.WithoutCancel(a.ctx), c.Command, &routing.Response{SideEffects: effects})
		}
	})
}

// failure handles a failure of the user function. One that concerns a command only is for
// its client; any other one is the end.
func (a *activation) failure(failure *protocol.Failure) {
	id := failure.GetCommandId()
	err := fmt.Errorf("the user function failed: %s", failure.GetDescription())
	for _, of := range []map[int64]*relay.Call{a.sent, a.open, a.cancelled} {
		c := of[id]
		if c == nil {
			continue
		}
		delete(of, id)
		a.report(c, err)
		c.Finish(&routing.Response{Action: &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: failure}}})
		return
	}
	a.crash(nil, err)
}
