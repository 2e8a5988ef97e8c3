package conformance

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/internal/interceptor"
	"github.com/cloudstate-go/cloudstate/conformance/internal/probepb"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// proxyRoutingChecks are those of forwards and side effects.
var proxyRoutingChecks = checks[*rig]{
	"P-170": with(forAllKinds(checkForward), "actions", checkForwardOfAction),
	"P-171": with(forAllKinds(checkAsynchronousEffect), "actions", checkAsynchronousEffectOfAction),
	"P-172": with(with(forAllKinds(checkSynchronousEffect),
		"one after the other", checkSynchronousEffectsInOrder),
		"an effect that fails", checkFailingEffect),
	"P-173": {
		"a forward to a service that there is not": func(t *trial, r *rig) { checkUnroutable(t, r, true, "no.Such", "Call", "Service [no.Such] unknown") },
		"a forward to a command that there is not": func(t *trial, r *rig) {
			checkUnroutable(t, r, true, valueTwoName, "No", "Service ["+valueTwoName+"] does not have a command named: [No]")
		},
		"a side effect on a service that there is not": func(t *trial, r *rig) { checkUnroutable(t, r, false, "no.Such", "Call", "Service [no.Such] unknown") },
		"a side effect on a command that there is not": func(t *trial, r *rig) {
			checkUnroutable(t, r, false, valueTwoName, "No", "Service ["+valueTwoName+"] does not have a command named: [No]")
		},
	},
	"P-174": {"an integer and a text": checkKeys},
	"P-015": {"a field with the former option, and one that is explicitly none": checkLegacyKey},
}

func checkForward(t *trial, r *rig, kind *entityKind) {
	e, target := r.specimen(t, kind, kind.model), r.specimen(t, kind, kind.two)
	request := kind.forwarding(e.id, target.id)
	for range 2 {
		e.process(request).requireReply(kind.response)
	}
	e.accept().require(e.init(), e.commandOf(1, request), e.commandOf(2, request))
	target.accept().require(target.init(), target.command(1), target.command(2))
}

func checkForwardOfAction(t *trial, r *rig) {
	id := r.newID("forward")
	request := act.request(act.group(act.forward(id)))
	r.call(t, actionModelName, "ProcessUnary", request, &actionmodel.Response{}).requireReply(&actionmodel.Response{})
	r.acceptRequest(t, actionModelName, "ProcessUnary", request).requireHeader(actionModelName, "ProcessUnary", request)
	r.requireEffect(t, id)
}

// checkAsynchronousEffect has a target that does not answer before the client has its reply.
func checkAsynchronousEffect(t *trial, r *rig, kind *entityKind) {
	e, target := r.specimen(t, kind, kind.model), r.scripted(t, kind, kind.two)
	request := kind.affecting(e.id, target.id, false)
	e.process(request).requireReply(kind.idle())
	e.accept().require(e.init(), e.commandOf(1, request))
	d := target.accept()
	d.require(target.init(), target.command(1))
	d.say(target.replied(1))
}

// scriptOther lets the check answer the calls of the second model of actions that have this
// id.
func (r *rig) scriptOther(t *trial, id string) *actionmodel.OtherRequest {
	request := &actionmodel.OtherRequest{Id: id}
	t.Cleanup(r.Script(withRequest(actionTwoName, "Call", request)))
	return request
}

func checkAsynchronousEffectOfAction(t *trial, r *rig) {
	target := r.scriptOther(t, r.newID("effect"))
	request := act.request(act.group(act.effect(target.GetId(), false), act.reply("here")))
	r.call(t, actionModelName, "ProcessUnary", request, &actionmodel.Response{}).requireReply(&actionmodel.Response{Message: "here"})
	r.acceptRequest(t, actionModelName, "ProcessUnary", request).requireHeader(actionModelName, "ProcessUnary", request)
	d := r.acceptRequest(t, actionTwoName, "Call", target)
	d.requireHeader(actionTwoName, "Call", target)
	d.say(actionReply(&actionmodel.Response{}))
	d.End(nil)
}

func checkSynchronousEffect(t *trial, r *rig, kind *entityKind) {
	e, target := r.specimen(t, kind, kind.model), r.scripted(t, kind, kind.two)
	request := kind.affecting(e.id, target.id, true)
	call := e.process(request)
	e.accept().require(e.init(), e.commandOf(1, request))
	d := target.accept()
	d.require(target.init(), target.command(1))
	r.fence(t)
	call.requirePending()
	d.say(target.replied(1))
	call.requireReply(kind.idle())
}

// checkSynchronousEffectsInOrder has two side effects on different entities.
func checkSynchronousEffectsInOrder(t *trial, r *rig) {
	kind := valueEntityKind
	e := r.specimen(t, kind, kind.model)
	first, second := r.scripted(t, kind, kind.two), r.scripted(t, kind, kind.two)
	request := &valuemodel.Request{Id: e.id}
	for _, target := range []*specimen{first, second} {
		request.Actions = append(request.Actions, ve.effect(target.id, true))
	}
	call := e.process(request)
	e.accept().require(e.init(), e.commandOf(1, request))
	for i, target := range []*specimen{first, second} {
		d := target.accept()
		d.require(target.init(), target.command(1))
		r.fence(t)
		call.requirePending()
		if i == 0 {
			second.requireNoStream()
		}
		d.say(target.replied(1))
	}
	call.requireReply(kind.response)
}

func checkFailingEffect(t *trial, r *rig) {
	kind := valueEntityKind
	e, target := r.specimen(t, kind, kind.model), r.scripted(t, kind, kind.two)
	request := kind.affecting(e.id, target.id, true)
	call := e.process(request)
	e.accept().require(e.init(), e.commandOf(1, request))
	d := target.accept()
	d.require(target.init(), target.command(1))
	d.say(kind.reply(1, failWith(1, "ignored")))
	call.requireReply(kind.response)
}

// checkUnroutable has a forward, or a side effect, that leads nowhere.
func checkUnroutable(t *trial, r *rig, isForward bool, service, command, report string) {
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	payload := e.kind.request(e.id)
	d := e.begin()
	call := e.call()
	d.require(e.command(2))
	if isForward {
		d.say(e.kind.reply(2, forwardTo(service, command, payload)))
		call.wait()
		if call.err == nil {
			t.Fatalf("got the reply %v, want a failure, because the forward leads nowhere", call.reply)
		}
	} else {
		d.say(e.kind.reply(2, replyWith(e.kind.response), &protocol.SideEffect{ServiceName: service, CommandName: command, Payload: pack(payload)}))
		call.requireReply(e.kind.response)
	}
	r.requireReport(t, report)
}

func checkKeys(t *trial, r *rig) {
	text := r.newID("text")
	request := &probepb.TwoKeys{Number: -42, Text: text}
	r.requireKey(t, "Two", request, "-42-"+text)
}

func checkLegacyKey(t *trial, r *rig) {
	id := r.newID("legacy")
	r.requireKey(t, "Legacy", &probepb.LegacyKey{Other: "other", Id: id}, id)
}

// requireKey requires that a request is for the entity with this id.
func (r *rig) requireKey(t *trial, method string, request proto.Message, id string) {
	call := r.call(t, keysName, method, request, &probepb.Fields{})
	d := r.acceptMatching(t, func(s *interceptor.Stream) bool { return s.Service == keysName && s.EntityID == id }, "for the entity %q", id)
	d.require(eventSourcedInit(keysName, id, nil), eventSourcedKind.command(&protocol.Command{EntityId: id, Id: 1, Name: method, Payload: pack(request)}))
	d.say(eventSourcedKind.reply(1, replyWith(&probepb.Fields{Text: "reply"})))
	call.requireReply(&probepb.Fields{Text: "reply"})
}
