package conformance

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/internal/probepb"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
)

// proxyHTTPChecks are those of clients that speak HTTP and JSON.
var proxyHTTPChecks = checks[*rig]{
	"P-055": {"over HTTP, event sourced": overHTTP(func(t *trial, r *rig) { checkHTTPFailure(t, r, eventSourcedKind, "eventsourced") })},
	"P-175": {
		"methods without a rule":               overHTTP(checkDefaultRule),
		"the default path of one with a rule":  overHTTP(checkNoDefaultRule),
		"the default path of one with a query": overHTTP(checkNoDefaultRuleOfGet),
	},
	"P-176": {
		"a body with another value": overHTTP(checkPathOverridesBody),
		"encoded characters":        overHTTP(checkEncodedPath),
	},
	"P-177": {
		"the samples":                overHTTP(checkJSONSamples),
		"fields of all kinds":        overHTTP(func(t *trial, r *rig) { checkJSON(t, r, fullFields(), fullJSON) }),
		"fields with their defaults": overHTTP(func(t *trial, r *rig) { checkJSON(t, r, &probepb.Fields{}, emptyJSON) }),
	},
	"P-178": {
		"event sourced": overHTTP(func(t *trial, r *rig) { checkHTTPFailure(t, r, eventSourcedKind, "eventsourced") }),
		"value":         overHTTP(func(t *trial, r *rig) { checkHTTPFailure(t, r, valueEntityKind, "entity") }),
		"CRDT":          overHTTP(func(t *trial, r *rig) { checkHTTPFailure(t, r, crdtKind, "crdt") }),
		"action":        overHTTP(checkHTTPFailureOfAction),
	},
	"P-179": {
		"another content type":              overHTTP(badRequest("POST", "/"+probeName+"/Plain", "text/plain", "{}")),
		"no content type":                   overHTTP(badRequest("POST", "/"+probeName+"/Plain", "", "{}")),
		"a body that is no JSON":            overHTTP(badRequest("POST", "/"+probeName+"/Plain", "application/json", "{")),
		"a body that is no object":          overHTTP(badRequest("POST", "/"+probeName+"/Plain", "application/json", "[]")),
		"a field that there is not":         overHTTP(badRequest("POST", "/"+probeName+"/Plain", "application/json", `{"none":1}`)),
		"a field of another type":           overHTTP(badRequest("POST", "/"+probeName+"/Plain", "application/json", `{"flag":"maybe"}`)),
		"a number in the path that is none": overHTTP(badRequest("GET", "/probe/get/text/many", "", "")),
	},
	"P-180": {
		"fields of all kinds":                overHTTP(checkQuery),
		"a field that there is not":          overHTTP(badRequest("GET", "/probe/get/text/1?none=1", "", "")),
		"a value twice":                      overHTTP(badRequest("GET", "/probe/get/text/1?small=1&small=2", "", "")),
		"a value of another type":            overHTTP(badRequest("GET", "/probe/get/text/1?small=many", "", "")),
		"a field that is a message":          overHTTP(badRequest("GET", "/probe/get/text/1?nested=x", "", "")),
		"the path comes after the query":     overHTTP(checkPathOverridesQuery),
		"the body of the request is ignored": overHTTP(checkBodyIsIgnored),
	},
	"P-181": {
		"an additional binding":           overHTTP(checkAdditionalBinding),
		"a binding whose body is a field": overHTTP(checkBodyField),
		"a response that is a message":    overHTTP(func(t *trial, r *rig) { checkResponseBody(t, r, "Nested", "/probe/nested", `{"text":"inner"}`) }),
		"a response that is a list":       overHTTP(func(t *trial, r *rig) { checkResponseBody(t, r, "List", "/probe/list", `["a","b"]`) }),
		"a response that is a number":     overHTTP(func(t *trial, r *rig) { checkResponseBody(t, r, "Number", "/probe/number", `9007199254740993`) }),
	},
	"P-182": {
		"a CRDT command": overHTTP(checkStreamedCRDT),
		"lines of JSON":  overHTTP(func(t *trial, r *rig) { checkStreamedJSON(t, r, "", "application/json", "") }),
		"server-sent events": overHTTP(func(t *trial, r *rig) {
			checkStreamedJSON(t, r, "text/event-stream", "text/event-stream", "data:")
		}),
		"HttpBody":             overHTTP(func(t *trial, r *rig) { checkDownload(t, r, "", "application/octet-stream") }),
		"HttpBody as a whole":  overHTTP(checkRawBody),
		"HttpBody with a type": overHTTP(func(t *trial, r *rig) { checkDownload(t, r, "text/csv", "text/csv") }),
	},
	"P-187": {"a request to /": overHTTP(checkAnyRequest)},
	"P-188": {
		"a probe": overHTTP(func(t *trial, r *rig) { checkNetworkProbe(t, r, "queue", http.StatusOK, "queue") }),
		"a probe of another thing": overHTTP(func(t *trial, r *rig) {
			checkNetworkProbe(t, r, "other", http.StatusBadRequest, "unexpected probe header value: other")
		}),
	},
}

// overHTTP returns a check that needs a proxy with HTTP.
func overHTTP(check func(t *trial, r *rig)) func(*trial, *rig) {
	return func(t *trial, r *rig) {
		if r.proxy.HTTP == nil {
			t.NotApplicablef("the proxy has no HTTP")
		}
		check(t, r)
	}
}

// A webCall is a request that the suite has made over HTTP.
type webCall struct {
	t        *trial
	rig      *rig
	what     string
	done     chan struct{} // closed when the response has begun
	response *http.Response
	err      error
}

// send begins a request. It has a content type if there is a body.
func (r *rig) send(t *trial, method, target, body string) *webCall {
	header := http.Header{}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	return r.sendWith(t, method, target, body, header)
}

func (r *rig) sendWith(t *trial, method, target, body string, header http.Header) *webCall {
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	require.NoError(t, err)
	request.Header = header
	c := &webCall{t: t, rig: r, what: method + " " + target, done: make(chan struct{})}
	go func() { // ends with the trial, at the latest
		defer close(c.done)
		c.response, c.err = r.proxy.HTTP(request) //nolint:bodyclose // closed with the trial
	}()
	t.Cleanup(func() {
		<-c.done
		if c.err == nil {
			_ = c.response.Body.Close() // nothing is expected any more
		}
	})
	return c
}

// begun waits until the response has begun.
func (c *webCall) begun() *http.Response {
	ctx, cancel := c.rig.limit(c.t.Context())
	defer cancel()
	select {
	case <-c.done:
	case <-ctx.Done():
		c.t.Fatalf("%s: there is no response: %v", c.what, context.Cause(ctx))
	}
	require.NoError(c.t, c.err, c.what)
	return c.response
}

// body returns the whole body.
func (c *webCall) body() string {
	body, err := io.ReadAll(c.begun().Body) //nolint:bodyclose // closed with the trial
	require.NoError(c.t, err, "%s: the body of the response", c.what)
	return string(body)
}

// requireJSON requires a response with exactly this JSON.
func (c *webCall) requireJSON(want string) {
	body := c.body()
	require.Equal(c.t, http.StatusOK, c.response.StatusCode, "%s: the status of the response %q", c.what, body)
	require.Equal(c.t, want, body, "%s: the body of the response", c.what)
	require.Equal(c.t, []string{"application/json"}, c.response.Header["Content-Type"], "%s: the content type", c.what)
}

// requireText requires a response with a status and this text.
func (c *webCall) requireText(status int, want string) {
	require.Equal(c.t, want, c.body(), "%s: the body of the response", c.what)
	require.Equal(c.t, status, c.response.StatusCode, "%s: the status", c.what)
}

// requireStatus requires a response with a status.
func (c *webCall) requireStatus(status int) {
	body := c.body()
	require.Equal(c.t, status, c.response.StatusCode, "%s: the status of the response %q", c.what, body)
}

func checkDefaultRule(t *trial, r *rig) {
	for _, kind := range []*entityKind{eventSourcedKind, valueEntityKind} {
		e := r.specimen(t, kind, kind.two)
		r.send(t, "POST", "/"+e.service+"/Call", `{"id":"`+e.id+`"}`).requireJSON(`{"message":""}`)
		e.accept().require(e.init(), e.command(1))
	}
	e := r.specimen(t, crdtKind, crdtTwoName)
	r.send(t, "POST", "/"+e.service+"/Call", `{"id":"`+e.id+`"}`).requireJSON(`{}`)
	e.accept().require(e.init(), e.command(1))
}

func checkNoDefaultRule(t *trial, r *rig) {
	r.send(t, "POST", "/"+eventSourcedModelName+"/Process", `{"id":"`+r.newID("none")+`"}`).requireStatus(http.StatusNotFound)
	r.send(t, "POST", "/"+actionModelName+"/ProcessUnary", `{}`).requireStatus(http.StatusNotFound)
}

func checkNoDefaultRuleOfGet(t *trial, r *rig) {
	r.send(t, "POST", "/"+probeName+"/Get", `{}`).requireStatus(http.StatusNotFound)
}

func checkPathOverridesBody(t *trial, r *rig) {
	e := r.specimen(t, eventSourcedKind, eventSourcedModelName)
	r.send(t, "POST", "/tck/model/eventsourced/"+e.id, `{"id":"another","actions":[{"emit":{"value":"one"}}]}`).requireJSON(`{"message":"one"}`)
	request := &eventsourcedmodel.Request{Id: e.id, Actions: es.emitAll("one")}
	e.accept().require(e.init(), e.commandOf(1, request))
}

// checkEncodedPath has an id that a path cannot have as it is.
func checkEncodedPath(t *trial, r *rig) {
	e := r.specimen(t, eventSourcedKind, eventSourcedModelName)
	e.id += " a/b+c%ü"
	r.send(t, "POST", "/tck/model/eventsourced/"+url.PathEscape(e.id), `{}`).requireJSON(`{"message":""}`)
	e.accept().require(e.init(), e.command(1))
}

func checkJSONSamples(t *trial, r *rig) {
	e := r.specimen(t, valueEntityKind, valueModelName)
	r.send(t, "POST", "/tck/model/entity/"+e.id, `{}`).requireJSON(`{"message":""}`)
	e.accept().require(e.init(), e.command(1))
	e = r.crdt(t, "PNCounter")
	r.send(t, "POST", "/tck/model/crdt/"+e.id, `{}`).requireJSON(`{"state":{"pncounter":{"value":"0"}}}`)
	e.accept().require(e.init(), e.command(1))
}

func fullFields() *probepb.Fields {
	return &probepb.Fields{
		Text: `"<ü>"`, Number: 9007199254740993, Nested: &probepb.Inner{Text: "inner"},
		List: []string{"a", "b"}, Data: []byte{0xff, 0xfe, 0x00}, Small: -3, Flag: true,
	}
}

// The JSON of fields that have values, and of fields that have not.
const (
	fullJSON  = `{"text":"\"<ü>\"","number":"9007199254740993","nested":{"text":"inner"},"list":["a","b"],"data":"//4A","small":-3,"flag":true}`
	emptyJSON = `{"text":"","number":"0","list":[],"data":"","small":0,"flag":false}`
)

// answerProbe accepts a call of a method of the probe with this request, and replies.
func (r *rig) answerProbe(t *trial, method string, request, reply proto.Message) {
	d := r.acceptRequest(t, probeName, method, request)
	d.requireHeader(probeName, method, request)
	d.say(actionReply(reply))
	d.End(nil)
}

// checkJSON replies with a message.
func checkJSON(t *trial, r *rig, reply *probepb.Fields, want string) {
	request := &probepb.Fields{Text: r.newID("json"), Data: []byte{1}}
	call := r.send(t, "POST", "/"+probeName+"/Plain", `{"text":"`+request.GetText()+`","data":"AQ=="}`)
	r.answerProbe(t, "Plain", request, reply)
	call.requireJSON(want)
}

func checkHTTPFailure(t *trial, r *rig, kind *entityKind, path string) {
	e := r.specimen(t, kind, kind.model)
	const text = "some error message: ünïcode 100%"
	r.send(t, "POST", "/tck/model/"+path+"/"+e.id, `{"actions":[{"fail":{"message":"`+text+`"}}]}`).
		requireText(http.StatusInternalServerError, text)
	d := e.accept()
	d.require(e.init(), e.commandOf(1, kind.failing(e.id, text)))
	call := e.call()
	d.require(e.command(2))
	call.wait()
	require.NoError(t, call.err, "the command after the failure")
}

func checkHTTPFailureOfAction(t *trial, r *rig) {
	text := r.newID("some error message")
	r.send(t, "POST", "/tck/model/action/unary", `{"groups":[{"steps":[{"fail":{"message":"`+text+`"}}]}]}`).
		requireText(http.StatusInternalServerError, text)
	request := act.request(act.group(act.fail(text)))
	r.acceptRequest(t, actionModelName, "ProcessUnary", request).requireHeader(actionModelName, "ProcessUnary", request)
}

// badRequest returns a check that a request is refused. No call reaches the user function, or
// the suite will find it at its end.
func badRequest(method, target, contentType, body string) func(*trial, *rig) {
	return func(t *trial, r *rig) {
		header := http.Header{}
		if contentType != "" {
			header.Set("Content-Type", contentType)
		}
		r.sendWith(t, method, target, body, header).requireStatus(http.StatusBadRequest)
	}
}

func checkQuery(t *trial, r *rig) {
	want := &probepb.Fields{Text: r.newID("query"), Number: 7, List: []string{"a b", "c+d"}, Data: []byte{0xff, 0xfe}, Small: -3, Flag: true}
	query := url.Values{"list": want.GetList(), "data": {"//4="}, "small": {"-3"}, "flag": {"true"}}
	call := r.send(t, "GET", "/probe/get/"+want.GetText()+"/7?"+query.Encode(), "")
	r.answerProbe(t, "Get", want, &probepb.Fields{Text: "here"})
	call.requireJSON(strings.Replace(emptyJSON, `"text":""`, `"text":"here"`, 1))
}

func checkPathOverridesQuery(t *trial, r *rig) {
	want := &probepb.Fields{Text: r.newID("query"), Number: 7}
	call := r.send(t, "GET", "/probe/get/"+want.GetText()+"/7?text=other", "")
	r.answerProbe(t, "Get", want, &probepb.Fields{})
	call.requireJSON(emptyJSON)
}

func checkBodyIsIgnored(t *trial, r *rig) {
	want := &probepb.Fields{Text: r.newID("query"), Number: 7}
	call := r.send(t, "GET", "/probe/get/"+want.GetText()+"/7", `{"small":3}`)
	r.answerProbe(t, "Get", want, &probepb.Fields{})
	call.requireJSON(emptyJSON)
}

func checkAdditionalBinding(t *trial, r *rig) {
	want := &probepb.Fields{Text: r.newID("also"), Small: 3}
	call := r.send(t, "GET", "/probe/also/"+want.GetText()+"?small=3", "")
	r.answerProbe(t, "Get", want, &probepb.Fields{})
	call.requireJSON(emptyJSON)
}

func checkBodyField(t *trial, r *rig) {
	want := &probepb.Fields{Text: r.newID("put"), Nested: &probepb.Inner{Text: "inner"}, Small: 3}
	call := r.send(t, "PUT", "/probe/put/"+want.GetText()+"?small=3", `{"text":"inner"}`)
	r.answerProbe(t, "Get", want, &probepb.Fields{})
	call.requireJSON(emptyJSON)
}

func checkResponseBody(t *trial, r *rig, method, path, want string) {
	request := &probepb.Fields{Text: r.newID("part")}
	call := r.send(t, "GET", path+"?text="+request.GetText(), "")
	r.answerProbe(t, method, request, fullFields())
	call.requireJSON(want)
}
