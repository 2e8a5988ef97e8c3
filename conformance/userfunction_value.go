package conformance

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// veAnswer is what a value entity answers.
type veAnswer = valueentitypb.ValueEntityReply

func veInit(init *valueentitypb.ValueEntityInit) *valueentitypb.ValueEntityStreamIn {
	return &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Init{Init: init}}
}

func veCommand(c *protocol.Command) *valueentitypb.ValueEntityStreamIn {
	return &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Command{Command: c}}
}

func veReply(reply *veAnswer) *valueentitypb.ValueEntityStreamOut {
	return &valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Reply{Reply: reply}}
}

// A valueEntity is an activation of ValueEntityTckModel.
type valueEntity struct {
	*stream

	id       string
	commands int64 // sent so far
}

// valueEntity activates an entity. Nothing is stored if the value is nil.
func (u *userFunction) valueEntity(t *trial, value *anypb.Any) *valueEntity {
	u.need(t, valueModelName)
	e := &valueEntity{
		stream: u.open(t, valueentitypb.ValueEntity_Handle_FullMethodName, &valueentitypb.ValueEntityStreamOut{}),
		id:     u.newID("entity"),
	}
	e.send(veInit(&valueentitypb.ValueEntityInit{
		ServiceName: valueModelName, EntityId: e.id, State: &valueentitypb.ValueEntityInitState{Value: value},
	}))
	return e
}

// process sends a command, and requires an answer, into which it fills the id of the command.
func (e *valueEntity) process(want *veAnswer, actions ...*valuemodel.RequestAction) {
	e.commands++
	e.send(veCommand(&protocol.Command{
		EntityId: e.id, Id: e.commands, Name: "Process",
		Payload: pack(&valuemodel.Request{Id: e.id, Actions: actions}),
	}))
	want.CommandId = e.commands
	if failure := want.GetClientAction().GetFailure(); failure != nil {
		failure.CommandId = e.commands
	}
	e.expect(veReply(want), "the reply to command %d, %v", e.commands, actions)
}

var valueEntityChecks = checks[*userFunction]{
	"P-071": {
		"an update":                        updatesValue,
		"an update of what is stored":      updatesStoredValue,
		"three updates":                    sendsLastUpdate,
		"an update and a delete":           sendsDeleteAfterUpdate,
		"an update, a delete, an update":   sendsUpdateAfterDelete,
		"a delete, and an update later on": updatesAfterDelete,
	},
	"P-072": {
		"nothing is stored":   leavesNothing,
		"something is stored": leavesStoredValue,
	},
	"P-073": {
		"a new entity":                       failsWithoutValue,
		"an update is undone":                undoesUpdate,
		"a delete is undone":                 undoesDelete,
		"side effects are dropped":           dropsEffectsOfValue,
		"what follows a failure is not done": stopsAfterFailure,
	},
	"P-076": {
		"a forward":                     forwardsValue,
		"a forward and an update":       forwardsWithUpdate,
		"a forward and a delete":        forwardsWithDelete,
		"side effects and an update":    keepsEffectsWithUpdate,
		"side effects keep their order": keepsEffectsOfValue,
	},
}

func updatesValue(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{ClientAction: ve.says("one"), StateAction: ve.updates("one")}, ve.update("one"))
	e.process(&veAnswer{ClientAction: ve.says("two"), StateAction: ve.updates("two")}, ve.update("two"))
	e.process(&veAnswer{ClientAction: ve.says(""), StateAction: ve.updates("")}, ve.update(""))
	e.passivate()
}

func updatesStoredValue(t *trial, u *userFunction) {
	e := u.valueEntity(t, ve.state("stored"))
	e.process(&veAnswer{ClientAction: ve.says("one"), StateAction: ve.updates("one")}, ve.update("one"))
	e.process(&veAnswer{ClientAction: ve.says("one")})
	e.passivate()
}

func sendsLastUpdate(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{ClientAction: ve.says("C"), StateAction: ve.updates("C")}, ve.update("A"), ve.update("B"), ve.update("C"))
	e.process(&veAnswer{ClientAction: ve.says("C")})
	e.passivate()
}

func sendsDeleteAfterUpdate(t *trial, u *userFunction) {
	e := u.valueEntity(t, ve.state("stored"))
	e.process(&veAnswer{ClientAction: ve.says(""), StateAction: ve.deletes()}, ve.update("A"), ve.delete())
	e.process(&veAnswer{ClientAction: ve.says("")})
	e.passivate()
}

func sendsUpdateAfterDelete(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{ClientAction: ve.says("B"), StateAction: ve.updates("B")}, ve.update("A"), ve.delete(), ve.update("B"))
	e.process(&veAnswer{ClientAction: ve.says("B")})
	e.passivate()
}

func updatesAfterDelete(t *trial, u *userFunction) {
	e := u.valueEntity(t, ve.state("stored"))
	e.process(&veAnswer{ClientAction: ve.says(""), StateAction: ve.deletes()}, ve.delete())
	e.process(&veAnswer{ClientAction: ve.says("")})
	e.process(&veAnswer{ClientAction: ve.says("again"), StateAction: ve.updates("again")}, ve.update("again"))
	e.process(&veAnswer{ClientAction: ve.says("again")})
	e.passivate()
}

func leavesNothing(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{ClientAction: ve.says("")})
	e.process(&veAnswer{ClientAction: ve.says("")})
	e.passivate()
}

func leavesStoredValue(t *trial, u *userFunction) {
	e := u.valueEntity(t, ve.state("stored"))
	e.process(&veAnswer{ClientAction: ve.says("stored")})
	e.passivate()
}

func failsWithoutValue(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{ClientAction: failWith(0, "expected failure")}, ve.fail("expected failure"))
	e.process(&veAnswer{ClientAction: ve.says("")})
	e.passivate()
}

func undoesUpdate(t *trial, u *userFunction) {
	e := u.valueEntity(t, ve.state("stored"))
	e.process(&veAnswer{ClientAction: failWith(0, "expected failure")}, ve.update("lost"), ve.fail("expected failure"))
	e.process(&veAnswer{ClientAction: ve.says("stored")})
	e.process(&veAnswer{ClientAction: ve.says("kept"), StateAction: ve.updates("kept")}, ve.update("kept"))
	e.process(&veAnswer{ClientAction: failWith(0, "expected failure")}, ve.update("lost"), ve.fail("expected failure"))
	e.process(&veAnswer{ClientAction: ve.says("kept")})
	e.passivate()
}

func undoesDelete(t *trial, u *userFunction) {
	e := u.valueEntity(t, ve.state("stored"))
	e.process(&veAnswer{ClientAction: failWith(0, "expected failure")}, ve.delete(), ve.fail("expected failure"))
	e.process(&veAnswer{ClientAction: ve.says("stored")})
	e.passivate()
}

func dropsEffectsOfValue(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{ClientAction: failWith(0, "expected failure")}, ve.effect("one", false), ve.effect("two", true), ve.fail("expected failure"))
	e.process(&veAnswer{ClientAction: ve.says("")})
	e.passivate()
}

func stopsAfterFailure(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{ClientAction: failWith(0, "expected failure")}, ve.fail("expected failure"), ve.update("A"), ve.fail("another failure"))
	e.process(&veAnswer{ClientAction: ve.says("")})
	e.passivate()
}

func forwardsValue(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{ClientAction: ve.forwards("another")}, ve.forward("another"))
	e.passivate()
}

func forwardsWithUpdate(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{ClientAction: ve.forwards("another"), StateAction: ve.updates("one")}, ve.update("one"), ve.forward("another"))
	e.process(&veAnswer{ClientAction: ve.says("one")})
	e.passivate()
}

func forwardsWithDelete(t *trial, u *userFunction) {
	e := u.valueEntity(t, ve.state("stored"))
	e.process(&veAnswer{ClientAction: ve.forwards("another"), StateAction: ve.deletes()}, ve.delete(), ve.forward("another"))
	e.process(&veAnswer{ClientAction: ve.says("")})
	e.passivate()
}

func keepsEffectsWithUpdate(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{
		ClientAction: ve.says("one"),
		SideEffects:  []*protocol.SideEffect{ve.affects("another", true)},
		StateAction:  ve.updates("one"),
	}, ve.effect("another", true), ve.update("one"))
	e.passivate()
}

func keepsEffectsOfValue(t *trial, u *userFunction) {
	e := u.valueEntity(t, nil)
	e.process(&veAnswer{
		ClientAction: ve.says(""),
		SideEffects:  []*protocol.SideEffect{ve.affects("one", false), ve.affects("two", true), ve.affects("three", false)},
	}, ve.effect("one", false), ve.effect("two", true), ve.effect("three", false))
	e.process(&veAnswer{ClientAction: ve.says("")})
	e.passivate()
}
