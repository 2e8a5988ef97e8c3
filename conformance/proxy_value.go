package conformance

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// proxyValueChecks are those of value entities only.
var proxyValueChecks = checks[*rig]{
	"P-070": {
		"before and after the first update": checkValueIsLoaded,
		"any value":                         checkAnyValue,
	},
	"P-074": {"delete, then update": checkDeleteKeepsStream},
	"P-075": {
		"after passivation":                   checkDeletedAfterPassivation,
		"after the user function has crashed": checkDeletedAfterCrash,
	},
	"P-077": {"the store fails once": checkValueOfFailedWrite},
	"P-078": {"also for the next command after the next": checkValueStreamError},
	"P-079": {
		"the user function crashes after the reply": checkValueSurvives,
		"the store takes its time":                  checkValueIsStoredFirst,
	},
}

// updating returns a request to the model with actions.
func updating(id string, actions ...*valuemodel.RequestAction) *valuemodel.Request {
	return &valuemodel.Request{Id: id, Actions: actions}
}

// updated returns the reply to a command that updates the value, or deletes it if it is nil.
func updated(id int64, value *anypb.Any) *veAnswer {
	action := ve.deletes()
	if value != nil {
		action = &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Update{Update: &valueentitypb.ValueEntityUpdate{Value: value}}}
	}
	return &veAnswer{CommandId: id, ClientAction: replyWith(valueEntityKind.response), StateAction: action}
}

func checkValueIsLoaded(t *trial, r *rig) {
	e := r.specimen(t, valueEntityKind, valueModelName)
	e.call().requireReply(&valuemodel.Response{})
	d := e.accept()
	d.require(valueInit(e.service, e.id, nil), e.command(1))
	request := updating(e.id, ve.update("one"))
	e.process(request).requireReply(&valuemodel.Response{Message: "one"})
	d.require(e.commandOf(2, request))
	e.crash(d, 3)
	e.call().requireReply(&valuemodel.Response{Message: "one"})
	e.accept().require(valueInit(e.service, e.id, ve.state("one")), e.command(1))
}

// checkAnyValue stores values that only the user function understands.
func checkAnyValue(t *trial, r *rig) {
	e := r.scripted(t, valueEntityKind, valueConfiguredName)
	values := []*anypb.Any{
		{TypeUrl: "json.cloudstate.io/thing", Value: []byte("\x0a\x02{}")},
		{TypeUrl: "p.cloudstate.io/string"},
		{TypeUrl: "type.googleapis.com/nobody.Knows", Value: []byte{0xff, 0x00, 0x80}},
	}
	var before *anypb.Any
	for _, value := range values {
		call := e.call()
		d := e.accept()
		d.require(valueInit(e.service, e.id, before), e.command(1))
		d.say(veReply(updated(1, value)))
		call.requireReply(e.kind.response)
		d.requireHalfClosed()
		d.awaitOver()
		before = value
	}
}

func checkDeleteKeepsStream(t *trial, r *rig) {
	e := r.specimen(t, valueEntityKind, valueModelName)
	var d *dialogue
	for i, step := range []struct {
		action *valuemodel.RequestAction
		state  string
	}{{ve.update("one"), "one"}, {ve.delete(), ""}, {ve.update("two"), "two"}} {
		request := updating(e.id, step.action)
		e.process(request).requireReply(&valuemodel.Response{Message: step.state})
		if d == nil {
			d = e.accept()
			d.require(e.init())
		}
		d.require(e.commandOf(int64(i+1), request))
	}
	e.crash(d, 4)
	e.call().requireReply(&valuemodel.Response{Message: "two"})
	e.accept().require(valueInit(e.service, e.id, ve.state("two")), e.command(1))
}

func checkDeletedAfterPassivation(t *trial, r *rig) {
	e := r.scripted(t, valueEntityKind, valueConfiguredName)
	call := e.call()
	d := e.accept()
	d.require(e.init(), e.command(1))
	d.say(veReply(updated(1, ve.state("one"))))
	call.requireReply(e.kind.response)
	d.requireHalfClosed()
	d.awaitOver()

	call = e.call()
	d = e.accept()
	d.require(valueInit(e.service, e.id, ve.state("one")), e.command(1))
	d.say(veReply(updated(1, nil)))
	call.requireReply(e.kind.response)
	d.requireHalfClosed()
	d.awaitOver()
	e.requireNew()
}

func checkDeletedAfterCrash(t *trial, r *rig) {
	e := r.specimen(t, valueEntityKind, valueModelName)
	request := updating(e.id, ve.update("one"))
	e.process(request).requireReply(&valuemodel.Response{Message: "one"})
	d := e.accept()
	d.require(e.init(), e.commandOf(1, request))
	request = updating(e.id, ve.delete())
	e.process(request).requireReply(&valuemodel.Response{})
	d.require(e.commandOf(2, request))
	e.crash(d, 3)
	e.call().requireReply(&valuemodel.Response{})
	e.accept().require(valueInit(e.service, e.id, nil), e.command(1))
}

// checkValueOfFailedWrite has a write that fails while other commands wait.
func checkValueOfFailedWrite(t *trial, r *rig) {
	store := r.store(t)
	e := r.scripted(t, valueEntityKind, valueTwoName)
	r.monitor.Forget(e.service, e.id)
	d := e.begin()
	store.FailNext(e.persistenceID(), e.id)
	call := e.call()
	d.require(e.command(2))
	queued := e.call()
	r.fence(t)
	d.say(veReply(updated(2, ve.state("lost"))))
	call.requireFailure(e.kind.texts.failure)
	queued.requireFailure(e.kind.texts.queued)
	d.requireGivenUp()
	e.requireNew()
}

// checkValueStreamError breaks the stream of an entity twice.
func checkValueStreamError(t *trial, r *rig) {
	e := r.scripted(t, valueEntityKind, valueTwoName)
	d := e.begin()
	for range 2 {
		call := e.call()
		d.require(e.command(2))
		d.End(status.Error(codes.Internal, "for the log"))
		call.requireFailure("Unexpected Value entity termination")
		d = e.begin()
	}
}

func checkValueSurvives(t *trial, r *rig) {
	e := r.scripted(t, valueEntityKind, valueTwoName)
	d := e.begin()
	call := e.call()
	d.require(e.command(2))
	d.say(veReply(updated(2, ve.state("one"))))
	call.requireReply(e.kind.response)
	e.crash(d, 3)
	call = e.call()
	d = e.accept()
	d.require(valueInit(e.service, e.id, ve.state("one")), e.command(1))
	d.say(e.replied(1))
	call.requireReply(e.kind.response)
}

func checkValueIsStoredFirst(t *trial, r *rig) {
	store := r.store(t)
	e := r.scripted(t, valueEntityKind, valueTwoName)
	d := e.begin()
	waits, release := e.holdWrite(store)
	call := e.call()
	d.require(e.command(2))
	d.say(veReply(updated(2, ve.state("one"))))
	r.awaitClosed(t, waits, "a write to the store")
	r.fence(t)
	call.requirePending()
	release()
	call.requireReply(e.kind.response)
}
