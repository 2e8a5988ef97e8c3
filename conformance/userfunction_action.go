package conformance

import (
	"maps"
	"path"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// An actionCall is a call of an action.
type actionCall struct{ *stream }

// actionCall begins a call of ActionTckModel.
func (u *userFunction) actionCall(t *trial, fullMethod string) *actionCall {
	u.need(t, actionModelName)
	return &actionCall{u.open(t, fullMethod, &actionpb.ActionResponse{})}
}

// header sends what tells the method, with a payload where the requests are not streamed.
func (c *actionCall) header(service, name string, payload *anypb.Any) {
	c.send(&actionpb.ActionCommand{ServiceName: service, Name: name, Payload: payload})
}

// request sends a streamed request.
func (c *actionCall) request(groups ...*actionmodel.ProcessGroup) {
	c.send(&actionpb.ActionCommand{Payload: pack(act.request(groups...))})
}

// responds requires responses.
func (c *actionCall) responds(responses ...*actionpb.ActionResponse) {
	for i, response := range responses {
		c.expect(response, "response %d", i+1)
	}
}

// unary calls ProcessUnary and requires a response.
func (u *userFunction) unary(t *trial, want *actionpb.ActionResponse, groups ...*actionmodel.ProcessGroup) {
	c := u.actionCall(t, actionpb.ActionProtocol_HandleUnary_FullMethodName)
	c.header(actionModelName, "ProcessUnary", pack(act.request(groups...)))
	c.halfClose()
	c.responds(want)
	c.expectEnd()
}

// streamedIn calls ProcessStreamedIn and requires a response.
func (u *userFunction) streamedIn(t *trial, want *actionpb.ActionResponse, requests ...[]*actionmodel.ProcessGroup) {
	c := u.actionCall(t, actionpb.ActionProtocol_HandleStreamedIn_FullMethodName)
	c.header(actionModelName, "ProcessStreamedIn", nil)
	for _, groups := range requests {
		c.request(groups...)
	}
	c.halfClose()
	c.responds(want)
	c.expectEnd()
}

// An exchange is a group of steps and the response that it makes.
type exchange struct {
	group    *actionmodel.ProcessGroup
	response *actionpb.ActionResponse
}

// exchanges are all that a group can make.
func exchanges() map[string]exchange {
	effects := []*actionmodel.ProcessStep{act.effect("one", false), act.effect("two", true), act.effect("three", false)}
	affects := []*protocol.SideEffect{act.affects("one", false), act.affects("two", true), act.affects("three", false)}
	and := func(step *actionmodel.ProcessStep) *actionmodel.ProcessGroup {
		return act.group(append(slices.Clip(effects), step)...)
	}
	return map[string]exchange{
		"a reply":                   {act.group(act.reply("one")), act.says("one")},
		"an empty reply":            {act.group(act.reply("")), act.says("")},
		"a forward":                 {act.group(act.forward("one")), act.forwards("one")},
		"a failure":                 {act.group(act.fail("expected failure")), act.fails("expected failure")},
		"nothing":                   {act.group(), act.nothing()},
		"effects and a reply":       {and(act.reply("one")), act.says("one", affects...)},
		"effects and a forward":     {and(act.forward("one")), act.forwards("one", affects...)},
		"effects and a failure":     {and(act.fail("expected failure")), act.fails("expected failure", affects...)},
		"effects alone":             {act.group(effects...), act.nothing(affects...)},
		"effects after a reply":     {act.group(append([]*actionmodel.ProcessStep{act.reply("one")}, effects...)...), act.says("one", affects...)},
		"effects after a failure":   {act.group(append([]*actionmodel.ProcessStep{act.fail("no")}, effects...)...), act.fails("no", affects...)},
		"a reply after a failure":   {act.group(act.fail("no"), act.reply("one")), act.says("one")},
		"a failure after a forward": {act.group(act.forward("one"), act.fail("no")), act.fails("no")},
		"a forward after a reply":   {act.group(act.reply("one"), act.forward("two")), act.forwards("two")},
	}
}

// eachExchange returns a scenario for each thing that a group can make, and others.
func eachExchange(check func(t *trial, u *userFunction, e exchange), others scenarios[*userFunction]) scenarios[*userFunction] {
	for about, e := range exchanges() {
		others[about] = func(t *trial, u *userFunction) { check(t, u, e) }
	}
	return others
}

var actionChecks = checks[*userFunction]{
	"P-092": eachExchange(func(t *trial, u *userFunction, e exchange) { u.unary(t, e.response, e.group) }, scenarios[*userFunction]{
		"no groups":                        func(t *trial, u *userFunction) { u.unary(t, act.nothing()) },
		"several groups":                   unaryFoldsGroups,
		"the last group without an answer": unaryKeepsAnswer,
	}),
	"P-093": eachExchange(func(t *trial, u *userFunction, e exchange) {
		u.streamedIn(t, e.response, []*actionmodel.ProcessGroup{e.group})
	}, scenarios[*userFunction]{
		"no requests":      func(t *trial, u *userFunction) { u.streamedIn(t, act.nothing()) },
		"several requests": streamedInFoldsRequests,
	}),
	"P-094": eachExchange(func(t *trial, u *userFunction, e exchange) { streamedOut(t, u, e, e) }, scenarios[*userFunction]{
		"no groups":        func(t *trial, u *userFunction) { streamedOut(t, u) },
		"all in one call":  streamedOutEverything,
		"several failures": streamedOutFailures,
	}),
	"P-095": eachExchange(func(t *trial, u *userFunction, e exchange) { streamed(t, u, []exchange{e}, []exchange{e}) }, scenarios[*userFunction]{
		"no requests":              func(t *trial, u *userFunction) { streamed(t, u) },
		"a request without groups": func(t *trial, u *userFunction) { streamed(t, u, nil, []exchange{exchanges()["a reply"]}) },
		"all in one call":          streamedEverything,
	}),
	"P-099": forEachCallKind(refusesService, refusesMethod),
}

// forEachCallKind returns scenarios for each method of the protocol of actions.
func forEachCallKind(service, method func(t *trial, u *userFunction, fullMethod string)) scenarios[*userFunction] {
	all := scenarios[*userFunction]{}
	for _, fullMethod := range []string{
		actionpb.ActionProtocol_HandleUnary_FullMethodName,
		actionpb.ActionProtocol_HandleStreamedIn_FullMethodName,
		actionpb.ActionProtocol_HandleStreamedOut_FullMethodName,
		actionpb.ActionProtocol_HandleStreamed_FullMethodName,
	} {
		about := path.Base(fullMethod)
		all["an unknown service, "+about] = func(t *trial, u *userFunction) { service(t, u, fullMethod) }
		all["an unknown method, "+about] = func(t *trial, u *userFunction) { method(t, u, fullMethod) }
	}
	return all
}

func unaryFoldsGroups(t *trial, u *userFunction) {
	u.unary(t, act.forwards("last", act.affects("one", false), act.affects("two", true), act.affects("three", false)),
		act.group(act.effect("one", false), act.reply("first")),
		act.group(act.fail("second"), act.effect("two", true)),
		act.group(act.forward("last")),
		act.group(act.effect("three", false)))
}

func unaryKeepsAnswer(t *trial, u *userFunction) {
	u.unary(t, act.says("first", act.affects("one", true)), act.group(act.reply("first")), act.group(act.effect("one", true)))
}

func streamedInFoldsRequests(t *trial, u *userFunction) {
	u.streamedIn(t, act.says("last", act.affects("one", false), act.affects("two", true), act.affects("three", false), act.affects("four", false)),
		[]*actionmodel.ProcessGroup{act.group(act.effect("one", false), act.fail("first")), act.group(act.effect("two", true))},
		nil,
		[]*actionmodel.ProcessGroup{act.group(act.effect("three", false)), act.group(act.forward("second"))},
		[]*actionmodel.ProcessGroup{act.group(act.reply("last"))},
		[]*actionmodel.ProcessGroup{act.group(act.effect("four", false))})
}

// streamedOut calls ProcessStreamedOut with groups and requires their responses.
func streamedOut(t *trial, u *userFunction, all ...exchange) {
	c := u.actionCall(t, actionpb.ActionProtocol_HandleStreamedOut_FullMethodName)
	groups := make([]*actionmodel.ProcessGroup, 0, len(all))
	for _, e := range all {
		groups = append(groups, e.group)
	}
	c.header(actionModelName, "ProcessStreamedOut", pack(act.request(groups...)))
	c.halfClose()
	for _, e := range all {
		c.responds(e.response)
	}
	c.expectEnd()
}

func streamedOutEverything(t *trial, u *userFunction) {
	all := make([]exchange, 0, len(exchanges()))
	for _, about := range slices.Sorted(maps.Keys(exchanges())) {
		all = append(all, exchanges()[about])
	}
	streamedOut(t, u, all...)
}

func streamedOutFailures(t *trial, u *userFunction) {
	failure, reply := exchanges()["a failure"], exchanges()["a reply"]
	streamedOut(t, u, failure, reply, failure, failure, reply)
}

// streamed calls ProcessStreamed with requests. It requires the responses of each before it
// sends the next one.
func streamed(t *trial, u *userFunction, requests ...[]exchange) {
	c := u.actionCall(t, actionpb.ActionProtocol_HandleStreamed_FullMethodName)
	c.header(actionModelName, "ProcessStreamed", nil)
	for _, request := range requests {
		groups := make([]*actionmodel.ProcessGroup, 0, len(request))
		for _, e := range request {
			groups = append(groups, e.group)
		}
		c.request(groups...)
		for _, e := range request {
			c.responds(e.response)
		}
	}
	c.passivate()
}

func streamedEverything(t *trial, u *userFunction) {
	all := make([][]exchange, 0, len(exchanges()))
	for _, about := range slices.Sorted(maps.Keys(exchanges())) {
		all = append(all, []exchange{exchanges()[about], exchanges()["a reply"]})
	}
	streamed(t, u, all...)
}

func refusesService(t *trial, u *userFunction, fullMethod string) {
	refuses(t, u, fullMethod, "cloudstate.tck.model.action.NoSuchService", "ProcessUnary")
}

func refusesMethod(t *trial, u *userFunction, fullMethod string) {
	refuses(t, u, fullMethod, actionModelName, "NoSuchMethod")
}

// refuses requires a failure as the answer to a call that nothing serves.
func refuses(t *trial, u *userFunction, fullMethod, service, name string) {
	c := u.actionCall(t, fullMethod)
	c.header(service, name, pack(act.request()))
	c.halfClose()
	c.expectFailure(0)
}
