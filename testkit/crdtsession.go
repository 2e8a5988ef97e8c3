package testkit

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// crdtSession is the session of a CRDT entity.
type crdtSession struct {
	entitySession

	commands map[int64]*Outcome // that may send more
	last     string             // command, for messages
	told     *belief            // nil before the first message after init
	broken   bool               // a law was, so that whatever follows would be as well
}

func newCRDTSession(l *link, probe *component.Probe) *crdtSession {
	return &crdtSession{entitySession: newEntitySession(l, probe), commands: map[int64]*Outcome{}, last: "it was activated"}
}

func (s *crdtSession) received(in proto.Message) {
	m, _ := in.(*crdtpb.CrdtStreamIn)
	if init := m.GetInit(); init != nil {
		s.init(crdtpb.Crdt_ServiceDesc.ServiceName, init.GetServiceName(), init.GetEntityId())
		if init.GetDelta() != nil {
			s.told = believe(init.GetDelta())
		}
		return
	}
	s.check() // what handlers of streams have done since the last reply
	switch m := m.GetMessage().(type) {
	case *crdtpb.CrdtStreamIn_Delta:
		if s.told != nil {
			s.told.apply(m.Delta, byProxy)
		}
		s.last = "a change by another node"
	case *crdtpb.CrdtStreamIn_Delete:
		s.broken = true // there is nothing more to believe
	case *crdtpb.CrdtStreamIn_StreamCancelled:
		s.last = "the end of a stream"
	case *crdtpb.CrdtStreamIn_Command:
		s.commands[m.Command.GetId()] = s.beginCommand(m.Command)
		s.last = m.Command.GetName()
	}
}

func (s *crdtSession) sent(out proto.Message) {
	m, _ := out.(*crdtpb.CrdtStreamOut)
	switch m := m.GetMessage().(type) {
	case *crdtpb.CrdtStreamOut_Reply:
		s.reply(m.Reply)
	case *crdtpb.CrdtStreamOut_StreamedMessage:
		if o := s.commands[m.StreamedMessage.GetCommandId()]; o != nil {
			s.kit.outcomes.change(func() { o.reply(m.StreamedMessage.GetClientAction(), m.StreamedMessage.GetSideEffects()) })
		}
	case *crdtpb.CrdtStreamOut_StreamCancelledResponse:
		response := m.StreamCancelledResponse
		if o := s.commands[response.GetCommandId()]; o != nil {
			s.cancelled(o, response)
		}
	case *crdtpb.CrdtStreamOut_Failure:
		s.fault(s.commands[m.Failure.GetCommandId()], m.Failure)
		s.broken = true
	}
}

func (s *crdtSession) beginCommand(c *protocol.Command) *Outcome {
	o := s.begin(c)
	if s.typ != nil {
		encoder := s.typ.Implementation.(component.DataEncoder) //nolint:errcheck // as the kind has it
		o.encodeData = func(value any) (*crdtpb.CrdtDelta, error) { return encoder.EncodeData(o.EntityID, value) }
	}
	return o
}

// cancelled adds the outcome of the last turn of a stream.
func (s *crdtSession) cancelled(of *Outcome, response *crdtpb.CrdtStreamCancelledResponse) {
	delete(s.commands, response.GetCommandId())
	o := &Outcome{
		Method: of.Method, EntityID: of.EntityID, Request: of.Request, Metadata: of.Metadata, Cancelled: true,
		tb: of.tb, place: of.place, encodeData: of.encodeData,
	}
	o.reply(nil, response.GetSideEffects())
	s.changed(o, response.GetStateAction())
	s.kit.outcomes.add(o)
}

func (s *crdtSession) reply(reply *crdtpb.CrdtReply) {
	o := s.commands[reply.GetCommandId()]
	if o == nil {
		return
	}
	if !reply.GetStreamed() {
		delete(s.commands, reply.GetCommandId())
	}
	o.reply(reply.GetClientAction(), reply.GetSideEffects())
	s.changed(o, reply.GetStateAction())
	s.kit.outcomes.add(o)
}

// changed takes a change by the entity itself.
func (s *crdtSession) changed(o *Outcome, action *crdtpb.CrdtStateAction) {
	o.WriteConsistency = action.GetWriteConsistency()
	switch a := action.GetAction().(type) {
	case *crdtpb.CrdtStateAction_Update:
		o.Delta = proto.CloneOf(a.Update)
		if s.told != nil {
			s.told.apply(a.Update, byEntity)
		}
	case *crdtpb.CrdtStateAction_Delete:
		o.Deleted, s.broken = true, true
	}
	s.check()
}

// check checks that the entity holds what the proxy believes, and what it can send.
func (s *crdtSession) check() {
	live, ok := s.probe.Activation.(component.CRDT)
	if !ok || s.broken || !s.kit.laws.inForce(LawReplica) {
		return
	}
	live.Inspect(func(held, serialized any, err error) {
		if d := diff(held, serialized); d != nil && err == nil && !s.broken {
			s.broken = true
			s.violatedf(LawReplica, "after %s, an element of the CRDT was changed in place: %s is %s in memory, but %s for all other nodes. "+
				"They never learn of the change, and this one forgets it. Change a copy, and add or set that.", s.last, orTheValue(d.path), d.left, d.right)
		}
	})
	holds := believe(live.State())
	if s.told == nil {
		s.told = holds
	}
	if d := diff(holds, s.told); d != nil && !s.broken {
		s.broken = true
		s.violatedf(LawReplica, "after %s, %s of the CRDT is %s in memory, but the proxy believes that it is %s. "+
			"The difference is lost when the entity leaves memory.", s.last, d.path, d.left, d.right)
	}
}
