package conformance

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

func eachCRReply(change func(r *crAnswer)) mutation {
	return eachCRDTMessage(func(out *crdtpb.CrdtStreamOut) {
		if out.GetReply() != nil {
			change(out.GetReply())
		}
	})
}

func eachCRDTMessage(change func(out *crdtpb.CrdtStreamOut)) mutation {
	return outEach(func(m proto.Message) {
		if out, ok := m.(*crdtpb.CrdtStreamOut); ok {
			change(out)
		}
	})
}

func eachStreamed(change func(m *crdtpb.CrdtStreamedMessage)) mutation {
	return eachCRDTMessage(func(out *crdtpb.CrdtStreamOut) {
		if out.GetStreamedMessage() != nil {
			change(out.GetStreamedMessage())
		}
	})
}

// losingCRDT loses messages to a CRDT entity.
func losingCRDT(lost func(in *crdtpb.CrdtStreamIn) bool) mutation {
	return losing(func(m proto.Message) bool {
		in, ok := m.(*crdtpb.CrdtStreamIn)
		return ok && lost(in)
	})
}

// repliesLast sends the messages to streams before the reply that they follow.
func repliesLast() fault {
	var reply proto.Message
	return fault{out: func(m proto.Message) []proto.Message {
		out, _ := m.(*crdtpb.CrdtStreamOut)
		switch {
		case out.GetReply().GetStateAction() != nil && !out.GetReply().GetStreamed() && reply == nil:
			reply = m
			return nil
		case reply != nil:
			reply, m = nil, reply
			return []proto.Message{out, m}
		default:
			return []proto.Message{m}
		}
	}}
}

// tellsItself sends a new stream its own first update.
func tellsItself(m proto.Message) []proto.Message {
	out, _ := m.(*crdtpb.CrdtStreamOut)
	if r := out.GetReply(); r.GetStreamed() && r.GetStateAction() != nil {
		return []proto.Message{m, crStreamed(&crdtpb.CrdtStreamedMessage{CommandId: r.GetCommandId(), ClientAction: r.GetClientAction()})}
	}
	return []proto.Message{m}
}

// effectsOnce sends side effects with the first message to streams only.
func effectsOnce() fault {
	sent := false
	return fault{out: keeping(func(m proto.Message) {
		out, _ := m.(*crdtpb.CrdtStreamOut)
		if s := out.GetStreamedMessage(); s != nil && sent {
			s.SideEffects = nil
		} else if s != nil {
			sent = true
		}
	})}
}

// consistencySticks keeps the write consistency of a command for the next ones.
func consistencySticks() fault {
	consistency := crdtpb.CrdtWriteConsistency_LOCAL
	return fault{out: keeping(func(m proto.Message) {
		out, _ := m.(*crdtpb.CrdtStreamOut)
		if action := out.GetReply().GetStateAction(); action != nil {
			consistency = max(consistency, action.GetWriteConsistency())
			action.WriteConsistency = consistency
		}
	})}
}

var crdtMutations = mutations{
	"P-111": {
		"a delta of nothing": eachCRReply(func(r *crAnswer) {
			if r.GetStateAction() == nil {
				r.StateAction = cr.changed(cr.gcounterDelta(0))
			}
		}),
		"a state without a value": eachCRReply(func(r *crAnswer) { r.GetClientAction().GetReply().GetPayload().Value = nil }),
	},
	"P-112": {"a delta before a value is lost": losingCRDT(func(in *crdtpb.CrdtStreamIn) bool { return in.GetDelta() != nil })},
	"P-113": {
		"the whole state is sent": eachCRReply(func(r *crAnswer) {
			if counter := r.GetStateAction().GetUpdate().GetGcounter(); counter != nil {
				counter.Increment += 5
			}
		}),
		"changes of others are sent back": eachCRReply(func(r *crAnswer) {
			if r.GetStateAction() == nil {
				r.StateAction = cr.changed(cr.gcounterDelta(5))
			}
		}),
		"local changes are not sent": eachCRReply(func(r *crAnswer) { r.StateAction = nil }),
	},
	"P-114": {
		"an update in place of a delete": eachCRReply(func(r *crAnswer) {
			if r.GetStateAction().GetDelete() != nil {
				r.StateAction = cr.changed(cr.pncounterDelta(1))
			}
		}),
		"a delete is lost": eachCRReply(func(r *crAnswer) { r.StateAction = nil }),
	},
	"P-117": {
		"a delete is answered": {open: func() fault {
			return fault{ending: func(empty proto.Message, err error) ([]proto.Message, error) {
				return []proto.Message{empty}, err
			}}
		}},
		"a delete ends the stream with an error": endingWith(func(proto.Message) ([]proto.Message, error) { return nil, errNothing }),
	},
	"P-118": {
		"no command id in a failure": eachCRReply(func(r *crAnswer) {
			if failure := r.GetClientAction().GetFailure(); failure != nil {
				failure.CommandId = 0
			}
		}),
		"a failure ends the stream": eachCRDTMessage(func(out *crdtpb.CrdtStreamOut) {
			if failure := out.GetReply().GetClientAction().GetFailure(); failure != nil {
				out.Message = &crdtpb.CrdtStreamOut_Failure{Failure: failure}
			}
		}),
		"a change with a failure": eachCRReply(func(r *crAnswer) {
			if r.GetClientAction().GetFailure() != nil {
				r.StateAction = cr.changed(cr.gcounterDelta(1))
			}
		}),
	},
	"P-119": {
		"streams are not marked":             eachCRReply(func(r *crAnswer) { r.Streamed = false }),
		"all commands are taken for streams": eachCRReply(func(r *crAnswer) { r.Streamed = true }),
		"an empty client action": eachCRReply(func(r *crAnswer) {
			if r.GetClientAction() == nil {
				r.ClientAction = &protocol.ClientAction{}
			}
		}),
	},
	"P-120": {
		"the reply comes last":                  {open: repliesLast},
		"a stream is told its own first update": outAll(tellsItself),
		"only one stream is told":               {open: onlyOneIsTold},
		"deltas are not told":                   losingCRDT(func(in *crdtpb.CrdtStreamIn) bool { return in.GetDelta() != nil }),
		"a message to a stream with another id": eachStreamed(func(m *crdtpb.CrdtStreamedMessage) { m.CommandId++ }),
	},
	"P-121": {
		"streams do not end":      eachStreamed(func(m *crdtpb.CrdtStreamedMessage) { m.EndStream = false }),
		"a message after the end": {open: continuesAfterEnd},
	},
	"P-122": {
		"a cancellation is not answered": losingCRDT(func(in *crdtpb.CrdtStreamIn) bool { return in.GetStreamCancelled() != nil }),
		"a cancellation is answered twice": outAll(func(m proto.Message) []proto.Message {
			if out, _ := m.(*crdtpb.CrdtStreamOut); out.GetStreamCancelledResponse() != nil {
				return []proto.Message{m, m}
			}
			return []proto.Message{m}
		}),
		"only a cancellation that changes something is answered": outAll(func(m proto.Message) []proto.Message {
			if out, _ := m.(*crdtpb.CrdtStreamOut); out.GetStreamCancelledResponse() != nil && out.GetStreamCancelledResponse().GetStateAction() == nil {
				return nil
			}
			return []proto.Message{m}
		}),
		"another id in the answer": eachCRDTMessage(func(out *crdtpb.CrdtStreamOut) {
			if r := out.GetStreamCancelledResponse(); r != nil {
				r.CommandId = 0
			}
		}),
		"the change of the last turn is lost": eachCRDTMessage(func(out *crdtpb.CrdtStreamOut) {
			if r := out.GetStreamCancelledResponse(); r != nil {
				r.StateAction = nil
			}
		}),
	},
	"P-128": {
		"the write consistency is lost": eachCRReply(func(r *crAnswer) {
			if r.GetStateAction() != nil {
				r.StateAction.WriteConsistency = crdtpb.CrdtWriteConsistency_LOCAL
			}
		}),
		"the write consistency sticks": {open: consistencySticks},
	},
	"P-132": {
		"effects with the first message only": {open: effectsOnce},
		"effects with the first reply": eachCRReply(func(r *crAnswer) {
			if r.GetStreamed() {
				r.SideEffects = []*protocol.SideEffect{cr.affects("one", false)}
			}
		}),
		"effects of commands are lost": eachCRReply(func(r *crAnswer) { r.SideEffects = nil }),
	},
}

// onlyOneIsTold loses all messages but the first that follow a change.
func onlyOneIsTold() fault {
	told := false
	return fault{out: func(m proto.Message) []proto.Message {
		out, _ := m.(*crdtpb.CrdtStreamOut)
		if out.GetStreamedMessage() != nil && told {
			return nil
		}
		told = out.GetStreamedMessage() != nil
		return []proto.Message{m}
	}}
}

// continuesAfterEnd sends another message to a stream that has ended.
func continuesAfterEnd() fault {
	var last *crdtpb.CrdtStreamedMessage
	return fault{out: func(m proto.Message) []proto.Message {
		out, _ := m.(*crdtpb.CrdtStreamOut)
		if last != nil && out.GetReply().GetStateAction() != nil {
			return []proto.Message{m, crStreamed(last)}
		}
		if s := out.GetStreamedMessage(); s.GetEndStream() {
			last = &crdtpb.CrdtStreamedMessage{CommandId: s.GetCommandId(), ClientAction: s.GetClientAction()}
		}
		return []proto.Message{m}
	}}
}
