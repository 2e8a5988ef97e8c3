package testkit

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// eventSourcedSession is the session of an event sourced entity.
type eventSourcedSession struct {
	entitySession

	laws    *journalLaws // nil until the entity is in memory
	current *Outcome     // nil if no command is under way
	dropped bool         // its state does not matter any more
}

func newEventSourcedSession(l *link, probe *component.Probe) *eventSourcedSession {
	return &eventSourcedSession{entitySession: newEntitySession(l, probe)}
}

func (s *eventSourcedSession) received(in proto.Message) {
	switch m := in.(*eventsourcedpb.EventSourcedStreamIn).GetMessage().(type) {
	case *eventsourcedpb.EventSourcedStreamIn_Init:
		s.init(eventsourcedpb.EventSourced_ServiceDesc.ServiceName, m.Init.GetServiceName(), m.Init.GetEntityId())
	case *eventsourcedpb.EventSourcedStreamIn_Command:
		s.current = s.begin(m.Command)
		if live, ok := s.probe.Activation.(component.EventSourced); ok && s.laws == nil {
			s.laws = newJournalLaws(s.kit, s.key, live)
			s.laws.recovered()
		}
	}
}

func (s *eventSourcedSession) sent(out proto.Message) {
	switch m := out.(*eventsourcedpb.EventSourcedStreamOut).GetMessage().(type) {
	case *eventsourcedpb.EventSourcedStreamOut_Reply:
		s.reply(m.Reply)
	case *eventsourcedpb.EventSourcedStreamOut_Failure:
		s.fault(s.current, m.Failure)
		s.current, s.dropped = nil, true
	}
}

func (s *eventSourcedSession) ended() {
	if s.laws != nil && !s.dropped && !s.link.severed() {
		s.laws.left()
	}
}

func (s *eventSourcedSession) reply(reply *eventsourcedpb.EventSourcedReply) {
	o := s.current
	s.current = nil
	if o == nil {
		return
	}
	o.reply(reply.GetClientAction(), reply.GetSideEffects())
	o.Events = cloneAll(reply.GetEvents())
	if reply.GetSnapshot() != nil {
		o.Snapshot = proto.CloneOf(reply.GetSnapshot())
	}
	s.dropped = reply.GetClientAction().GetFailure().GetRestart()
	if s.laws != nil && !s.dropped {
		s.laws.answered(o.command(), o.Events, o.Err != nil)
	}
	s.kit.outcomes.add(o)
}
