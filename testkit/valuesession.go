package testkit

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// valueSession is the session of a value entity.
type valueSession struct {
	entitySession

	stored    *anypb.Any // nil for nothing
	current   *Outcome   // nil if no command is under way
	discarded bool       // the present command has changed the state in place, and not updated it
	broken    bool       // a law was, so that whatever follows would be as well
}

func newValueSession(l *link, probe *component.Probe) *valueSession {
	s := &valueSession{entitySession: newEntitySession(l, probe)}
	probe.Discarded = func(changed, state any) { // by its bytes, which tell nil from empty
		s.discarded = diff(changed, state) != nil
	}
	return s
}

func (s *valueSession) received(in proto.Message) {
	switch m := in.(*valueentitypb.ValueEntityStreamIn).GetMessage().(type) {
	case *valueentitypb.ValueEntityStreamIn_Init:
		s.init(valueentitypb.ValueEntity_ServiceDesc.ServiceName, m.Init.GetServiceName(), m.Init.GetEntityId())
		if stored := m.Init.GetState().GetValue(); stored != nil {
			s.stored = proto.CloneOf(stored)
		}
	case *valueentitypb.ValueEntityStreamIn_Command:
		s.current, s.discarded = s.begin(m.Command), false
	}
}

func (s *valueSession) sent(out proto.Message) {
	switch m := out.(*valueentitypb.ValueEntityStreamOut).GetMessage().(type) {
	case *valueentitypb.ValueEntityStreamOut_Reply:
		s.reply(m.Reply)
	case *valueentitypb.ValueEntityStreamOut_Failure:
		s.fault(s.current, m.Failure)
		s.current = nil
	}
}

func (s *valueSession) reply(reply *valueentitypb.ValueEntityReply) {
	o := s.current
	s.current = nil
	if o == nil {
		return
	}
	o.reply(reply.GetClientAction(), reply.GetSideEffects())
	switch action := reply.GetStateAction().GetAction().(type) {
	case *valueentitypb.ValueEntityAction_Update:
		o.State = proto.CloneOf(action.Update.GetValue())
		s.stored = o.State
	case *valueentitypb.ValueEntityAction_Delete:
		o.Deleted, s.stored = true, nil
	}
	if live, ok := s.probe.Activation.(component.Value); ok && !s.broken {
		s.check(live, o)
	}
	s.kit.outcomes.add(o)
}

// check checks the laws after a command.
func (s *valueSession) check(live component.Value, o *Outcome) {
	if s.discarded {
		s.violatedf(LawUpdate, "%s changed the state in place, but did not call Update, so the change was undone. "+
			"Call Update with the changed state, or change a copy.", o.command())
	}
	if !s.kit.laws.inForce(LawState) && !s.kit.laws.inForce(LawPayload) {
		return
	}
	other, err := live.Another(s.stored)
	if err != nil {
		s.broken = true
		s.violatedf(LawPayload, "what is stored after %s cannot be loaded: %v. The entity is lost once it has left memory.", o.command(), err)
		return
	}
	if d := diff(live.Instance(), other.Instance()); d != nil && s.kit.laws.inForce(LawState) {
		s.broken = true
		s.violatedf(LawState, "after %s, %s is %s in memory, but %s when the entity is loaded. "+
			"The difference is lost when the entity leaves memory. Keep everything in the state that Update stores. %s",
			o.command(), d.path, d.left, d.right, noStateHint)
	}
	inMemory, _ := live.State()
	loaded, exists := other.State()
	if d := diff(inMemory, loaded); d != nil && exists && s.kit.laws.inForce(LawPayload) {
		s.broken = true
		s.violatedf(LawPayload, "after %s, %s is %s in memory, but %s when the state is loaded. "+
			"It is lost when the entity leaves memory. %s", o.command(), orTheValue(d.path), d.left, d.right, payloadHint(inMemory))
	}
}
