package conformance

import (
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// A kind is what the streams of all kinds of entities have in common.
type kind struct {
	// model is the model, and prefix what ids of its entities begin with.
	model, prefix string
	// method is the one of the protocol, with the types of its answers and of an empty message.
	method string
	answer answer
	empty  proto.Message
	init   func(service, entityID string) proto.Message
	// command makes a message of a command, and request a request to the model that does
	// nothing.
	command func(c *protocol.Command) proto.Message
	request func(entityID string) proto.Message
	// reply makes a message of a reply, and says is that of the model to the request, if it is
	// the first on a stream.
	reply func(commandID int64, action *protocol.ClientAction) proto.Message
	says  *protocol.ClientAction
	// others are the other models of the kind, which reply with an empty response, with what
	// ids of their entities begin with.
	others   map[string]string
	response proto.Message
}

var kinds = map[string]kind{
	"event sourced entity": {
		model:  eventSourcedModelName,
		prefix: "entity",
		method: eventsourcedpb.EventSourced_Handle_FullMethodName,
		answer: &eventsourcedpb.EventSourcedStreamOut{},
		empty:  &eventsourcedpb.EventSourcedStreamIn{},
		init: func(service, entityID string) proto.Message {
			return esInit(&eventsourcedpb.EventSourcedInit{ServiceName: service, EntityId: entityID})
		},
		command: func(c *protocol.Command) proto.Message { return esCommand(c) },
		request: func(entityID string) proto.Message { return &eventsourcedmodel.Request{Id: entityID} },
		reply: func(commandID int64, action *protocol.ClientAction) proto.Message {
			return esReply(&eventsourcedpb.EventSourcedReply{CommandId: commandID, ClientAction: action})
		},
		says:     es.says(""),
		others:   map[string]string{eventSourcedTwoName: "entity", eventSourcedConfiguredName: "entity"},
		response: &eventsourcedmodel.Response{},
	},
	"value entity": {
		model:  valueModelName,
		prefix: "entity",
		method: valueentitypb.ValueEntity_Handle_FullMethodName,
		answer: &valueentitypb.ValueEntityStreamOut{},
		empty:  &valueentitypb.ValueEntityStreamIn{},
		init: func(service, entityID string) proto.Message {
			return veInit(&valueentitypb.ValueEntityInit{ServiceName: service, EntityId: entityID, State: &valueentitypb.ValueEntityInitState{}})
		},
		command: func(c *protocol.Command) proto.Message { return veCommand(c) },
		request: func(entityID string) proto.Message { return &valuemodel.Request{Id: entityID} },
		reply: func(commandID int64, action *protocol.ClientAction) proto.Message {
			return veReply(&valueentitypb.ValueEntityReply{CommandId: commandID, ClientAction: action})
		},
		says:     ve.says(""),
		others:   map[string]string{valueTwoName: "entity", valueConfiguredName: "entity"},
		response: &valuemodel.Response{},
	},
	"CRDT entity": {
		model:  crdtModelName,
		prefix: "GCounter",
		method: crdtpb.Crdt_Handle_FullMethodName,
		answer: &crdtpb.CrdtStreamOut{},
		empty:  &crdtpb.CrdtStreamIn{},
		init: func(service, entityID string) proto.Message {
			return crInit(&crdtpb.CrdtInit{ServiceName: service, EntityId: entityID})
		},
		command: func(c *protocol.Command) proto.Message { return crCommand(c) },
		request: func(entityID string) proto.Message { return &crdtmodel.Request{Id: entityID} },
		reply: func(commandID int64, action *protocol.ClientAction) proto.Message {
			return crReply(&crdtpb.CrdtReply{CommandId: commandID, ClientAction: action})
		},
		says:     cr.says(cr.gcounter(0)),
		others:   map[string]string{crdtTwoName: "GCounter", crdtConfiguredName: "Configured"},
		response: &crdtmodel.Response{},
	},
}

// forEachKind returns scenarios for each kind of entity.
func forEachKind(checks map[string]func(t *trial, u *userFunction, k kind)) scenarios[*userFunction] {
	all := scenarios[*userFunction]{}
	for kindName, k := range kinds {
		for about, check := range checks {
			all[kindName+", "+about] = func(t *trial, u *userFunction) {
				u.need(t, k.model)
				check(t, u, k)
			}
		}
	}
	return all
}

// kindChecks are scenarios that are the same for all kinds of entities.
type kindChecks = map[string]func(t *trial, u *userFunction, k kind)

// activate opens a stream for an entity of the model.
func (k kind) activate(t *trial, u *userFunction) (s *stream, entityID string) {
	entityID = u.newID(k.prefix)
	s = u.open(t, k.method, k.answer)
	s.send(k.init(k.model, entityID))
	return s, entityID
}

// process returns a command that does nothing.
func (k kind) process(entityID string, commandID int64) *protocol.Command {
	return &protocol.Command{EntityId: entityID, Id: commandID, Name: "Process", Payload: pack(k.request(entityID))}
}

var streamChecks = checks[*userFunction]{
	"P-022": forEachKind(kindChecks{"after commands": endsWhenIdle, "before any command": endsUnused}),
	"P-025": forEachKind(kindChecks{"a command is first": refusesCommandFirst}),
	"P-026": forEachKind(kindChecks{"a second init": refusesSecondInit}),
	"P-027": forEachKind(kindChecks{"an empty message": refusesEmptyMessage}),
	"P-028": forEachKind(kindChecks{"an unknown service": refusesUnknownService}),
	"P-029": forEachKind(kindChecks{"a command for another one": refusesAnotherEntity}),
	"P-030": forEachKind(kindChecks{"no payload": refusesNoPayload}),
	"P-031": forEachKind(kindChecks{"an unknown command": refusesUnknownCommand}),
	"P-033": forEachKind(kindChecks{
		"a command that does nothing": leavesOutWhatIsUnused,
		"the other services":          leavesOutWhatIsUnusedElsewhere,
	}),
}

func endsWhenIdle(t *trial, u *userFunction, k kind) {
	s, id := k.activate(t, u)
	for command := range int64(3) {
		s.send(k.command(k.process(id, command+1)))
		s.next("the answer to command %d", command+1)
	}
	s.passivate()
}

func endsUnused(t *trial, u *userFunction, k kind) {
	s, _ := k.activate(t, u)
	s.passivate()
}

func refusesCommandFirst(t *trial, u *userFunction, k kind) {
	s := u.open(t, k.method, k.answer)
	s.send(k.command(k.process(u.newID(k.prefix), 1)))
	require.Contains(t, s.expectFailure(0), "Protocol error: ", "the description of the failure")
}

func refusesSecondInit(t *trial, u *userFunction, k kind) {
	s, id := k.activate(t, u)
	s.send(k.init(k.model, id))
	s.expectFailure(0)
}

func refusesEmptyMessage(t *trial, u *userFunction, k kind) {
	s, _ := k.activate(t, u)
	s.send(k.empty)
	s.expectFailure(0)
}

func refusesUnknownService(t *trial, u *userFunction, k kind) {
	s := u.open(t, k.method, k.answer)
	s.send(k.init("cloudstate.tck.model.NoSuchService", "entity"))
	require.Equal(t, "Protocol error: Service not found: cloudstate.tck.model.NoSuchService", s.expectFailure(0), "the description of the failure")
}

func refusesAnotherEntity(t *trial, u *userFunction, k kind) {
	s, _ := k.activate(t, u)
	s.send(k.command(k.process(u.newID(k.prefix), 7)))
	s.expectFailure(7)
}

func refusesNoPayload(t *trial, u *userFunction, k kind) {
	s, id := k.activate(t, u)
	command := k.process(id, 7)
	command.Payload = nil
	s.send(k.command(command))
	s.expectFailure(7)
}

func refusesUnknownCommand(t *trial, u *userFunction, k kind) {
	s, id := k.activate(t, u)
	command := k.process(id, 7)
	command.Name = "NoSuchCommand"
	s.send(k.command(command))
	s.expectFailure(7)
}

func leavesOutWhatIsUnused(t *trial, u *userFunction, k kind) {
	s, id := k.activate(t, u)
	s.send(k.command(k.process(id, 1)))
	s.expect(k.reply(1, k.says), "the reply to a command that does nothing")
}

func leavesOutWhatIsUnusedElsewhere(t *trial, u *userFunction, k kind) {
	for service, prefix := range k.others {
		u.need(t, service)
		id := u.newID(prefix)
		s := u.open(t, k.method, k.answer)
		s.send(k.init(service, id))
		command := k.process(id, 1)
		command.Name = "Call"
		s.send(k.command(command))
		s.expect(k.reply(1, replyWith(k.response)), "the reply of %s", service)
		s.passivate()
	}
}
