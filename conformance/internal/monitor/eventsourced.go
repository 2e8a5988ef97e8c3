package monitor

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// eventSourced watches a stream of an event sourced entity.
type eventSourced struct {
	commands

	replay int64 // the number of the last event that the user function knows
	snap   bool  // the replay began with a snapshot
}

func (e *eventSourced) proxy(message proto.Message) {
	in, _ := message.(*eventsourcedpb.EventSourcedStreamIn) // begin has looked
	e.expectInit(in.GetInit() != nil)
	switch m := in.GetMessage().(type) {
	case *eventsourcedpb.EventSourcedStreamIn_Init:
		e.init(m.Init)
	case *eventsourcedpb.EventSourcedStreamIn_Event:
		e.event(m.Event)
	case *eventsourcedpb.EventSourcedStreamIn_Command:
		if e.last == 0 {
			e.replayed()
		}
		e.alone(m.Command)
	default:
		e.violatedf(e.initRule, "the proxy has sent an empty message")
	}
}

// init compares the snapshot with what is stored.
func (e *eventSourced) init(init *eventsourcedpb.EventSourcedInit) {
	if snapshot := init.GetSnapshot(); snapshot != nil {
		e.replay, e.snap = snapshot.GetSnapshotSequence(), true
	}
	known := e.stored
	switch {
	case known.unknown:
	case known.snapshot == nil && e.snap:
		e.violatedf("P-040", "Init has a snapshot at %d, want none, because none is stored", e.replay)
	case known.snapshot == nil:
	case !e.snap:
		e.violatedf("P-042", "Init has no snapshot, want the one at %d", known.at)
	case e.replay != known.at:
		e.violatedf("P-042", "Init has a snapshot at %d, want the newest, at %d", e.replay, known.at)
	case !same(init.GetSnapshot().GetSnapshot(), known.snapshot):
		e.violatedf("P-042", "Init has the snapshot %v, want %v", init.GetSnapshot().GetSnapshot(), known.snapshot)
	}
}

// rule returns the one for events.
func (e *eventSourced) rule() string {
	if e.snap {
		return "P-042"
	}
	return "P-041"
}

func (e *eventSourced) event(event *eventsourcedpb.EventSourcedEvent) {
	seq := event.GetSequence()
	if e.last > 0 {
		e.violatedf(e.rule(), "event %d came after the first command, want all before", seq)
		return
	}
	if seq != e.replay+1 {
		e.violatedf(e.rule(), "event %d, want %d", seq, e.replay+1)
	}
	e.replay = seq
	switch journal := e.stored.journal; {
	case e.stored.unknown:
	case seq < 1 || seq > int64(len(journal)):
		e.violatedf(e.rule(), "event %d was replayed, but only %d were emitted", seq, len(journal))
	case !same(event.GetPayload(), journal[seq-1]):
		e.violatedf(e.rule(), "event %d has the payload %v, want %v as it was emitted", seq, event.GetPayload(), journal[seq-1])
	}
}

// replayed compares how far the replay came with what is stored.
func (e *eventSourced) replayed() {
	if stored := int64(len(e.stored.journal)); !e.stored.unknown && e.replay != stored {
		e.violatedf(e.rule(), "the first command came after event %d, want all %d replayed before", e.replay, stored)
	}
}

func (e *eventSourced) userFunction(message proto.Message) {
	out, _ := message.(*eventsourcedpb.EventSourcedStreamOut) // nil is the end
	switch reply := out.GetReply(); {
	case message == nil:
		e.gone()
	case reply == nil:
		e.excused = true
	case !e.answered(reply.GetCommandId()) || e.excused:
	case reply.GetClientAction().GetFailure() != nil:
		e.stored.restarting = reply.GetClientAction().GetFailure().GetRestart()
	default:
		for _, event := range reply.GetEvents() {
			e.stored.journal = append(e.stored.journal, event)
		}
		if reply.GetSnapshot() != nil && len(reply.GetEvents()) > 0 {
			e.stored.snapshot, e.stored.at = reply.GetSnapshot(), int64(len(e.stored.journal))
		}
	}
}
