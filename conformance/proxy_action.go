package conformance

import (
	"encoding/base64"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/internal/probepb"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// proxyActionChecks are those of actions.
var proxyActionChecks = checks[*rig]{
	"P-090": {
		"a unary call":                 checkUnaryAction,
		"a call with streamed replies": checkStreamedOutAction,
	},
	"P-091": {
		"a call with streamed requests":                  func(t *trial, r *rig) { checkStreamedRequests(t, r, "Upload", false) },
		"a call with streamed requests and replies":      func(t *trial, r *rig) { checkStreamedRequests(t, r, "Talk", true) },
		"a call without a request":                       checkNoRequests,
		"the header does not wait for the first request": checkHeaderComesFirst,
	},
	"P-096": {
		"among streamed replies": checkEmptyResponses,
		"as the only response":   checkNoReply,
	},
	"P-097": {
		"a call with streamed replies":              checkFailureOfStreamedOut,
		"a call with streamed requests and replies": checkFailureOfStreamed,
	},
	"P-098": {"between other replies": checkForwardOfStreamedOut},
	"P-100": {
		"headers of a unary call":                   func(t *trial, r *rig) { checkHeaders(t, r, "Plain") },
		"headers of a call with streamed replies":   func(t *trial, r *rig) { checkHeaders(t, r, "Watch") },
		"headers of a call with streamed requests":  func(t *trial, r *rig) { checkHeaders(t, r, "Upload") },
		"headers of a call with both":               func(t *trial, r *rig) { checkHeaders(t, r, "Talk") },
		"metadata of the reply to a unary call":     checkReplyMetadata,
		"metadata of the first of streamed replies": checkStreamedReplyMetadata,
	},
	"P-101": {
		"a unary call":                  func(t *trial, r *rig) { checkCancelledAction(t, r, "Plain") },
		"a call with streamed replies":  func(t *trial, r *rig) { checkCancelledAction(t, r, "Watch") },
		"a call with streamed requests": func(t *trial, r *rig) { checkCancelledAction(t, r, "Upload") },
		"a call with both":              func(t *trial, r *rig) { checkCancelledAction(t, r, "Talk") },
	},
}

// requireHeader requires that the first message of a call names this command, and has this
// request unless it is nil. It returns the metadata.
func (d *dialogue) requireHeader(service, command string, request proto.Message) *protocol.Metadata {
	message := d.message()
	got, ok := proto.Clone(message).(*actionpb.ActionCommand)
	if !ok {
		d.t.Fatalf("want a command of an action, got %v", message)
	}
	found := got.GetMetadata()
	got.Metadata = nil
	want := &actionpb.ActionCommand{ServiceName: service, Name: command}
	if request != nil {
		want.Payload = pack(request)
	}
	requireEqual(d.t, want, got, "the first message of the call, without metadata")
	return found
}

// requirePayload requires that the next message of a call has this request, and nothing else
// but metadata without entries.
func (d *dialogue) requirePayload(request proto.Message) {
	message := d.message()
	got, ok := proto.Clone(message).(*actionpb.ActionCommand)
	if !ok {
		d.t.Fatalf("want a command of an action, got %v", message)
	}
	if len(got.GetMetadata().GetEntries()) == 0 {
		got.Metadata = nil
	}
	requireEqual(d.t, &actionpb.ActionCommand{Payload: pack(request)}, got, "a message of the call after the first")
}

// actionReply returns a response with a reply, and metadata unless it is nil.
func actionReply(reply proto.Message, entries ...*protocol.MetadataEntry) *actionpb.ActionResponse {
	r := &protocol.Reply{Payload: pack(reply)}
	if len(entries) > 0 {
		r.Metadata = &protocol.Metadata{Entries: entries}
	}
	return &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{Reply: r}}
}

func checkUnaryAction(t *trial, r *rig) {
	id := r.newID("unary")
	request := act.request(act.group(act.reply(id)))
	r.call(t, actionModelName, "ProcessUnary", request, &actionmodel.Response{}).requireReply(&actionmodel.Response{Message: id})
	d := r.acceptRequest(t, actionModelName, "ProcessUnary", request)
	d.requireHeader(actionModelName, "ProcessUnary", request)
	d.requireHalfClosed()
}

func checkStreamedOutAction(t *trial, r *rig) {
	id := r.newID("out")
	request := act.request(act.group(act.reply(id)), act.group(act.reply("two")), act.group(act.reply("three")))
	s := r.watch(t, actionModelName, "ProcessStreamedOut", request, &actionmodel.Response{})
	d := r.acceptRequest(t, actionModelName, "ProcessStreamedOut", request)
	d.requireHeader(actionModelName, "ProcessStreamedOut", request)
	d.requireHalfClosed()
	s.requireReply(&actionmodel.Response{Message: id}, &actionmodel.Response{Message: "two"}, &actionmodel.Response{Message: "three"})
	s.requireEnd()
}

// talk begins a call of the probe with streamed requests and these headers, and accepts it.
// There is one such call at a time, because its first message does not say which it is.
func (r *rig) talk(t *trial, method string, headers ...string) (*clientStream, *dialogue) {
	r.claim(t, probeName+"."+method)
	ctx := metadata.AppendToOutgoingContext(t.Context(), headers...)
	s := r.streamWith(ctx, t, probeName, method, grpc.StreamDesc{ClientStreams: true, ServerStreams: method == "Talk"}, &probepb.Fields{})
	return s, r.acceptAction(t, probeName, method)
}

func checkStreamedRequests(t *trial, r *rig, method string, streamedReplies bool) {
	s, d := r.talk(t, method)
	d.requireHeader(probeName, method, nil)
	for _, text := range []string{"one", "", "three"} {
		s.send(&probepb.Fields{Text: text})
		d.requirePayload(&probepb.Fields{Text: text})
		if streamedReplies {
			d.say(actionReply(&probepb.Fields{Text: "reply to " + text}))
			s.requireReply(&probepb.Fields{Text: "reply to " + text})
		}
	}
	s.closeSend()
	d.requireHalfClosed()
	d.say(actionReply(&probepb.Fields{Text: "the end"}))
	d.End(nil)
	s.requireReply(&probepb.Fields{Text: "the end"})
	s.requireEnd()
}

func checkNoRequests(t *trial, r *rig) {
	s, d := r.talk(t, "Talk")
	s.closeSend()
	d.requireHeader(probeName, "Talk", nil)
	d.requireHalfClosed()
	d.End(nil)
	s.requireEnd()
}

func checkHeaderComesFirst(t *trial, r *rig) {
	s, d := r.talk(t, "Talk")
	d.requireHeader(probeName, "Talk", nil)
	d.say(actionReply(&probepb.Fields{Text: "unasked"}))
	s.requireReply(&probepb.Fields{Text: "unasked"})
	s.closeSend()
	d.requireHalfClosed()
	d.End(nil)
	s.requireEnd()
}

// requireEffect requires that the second model of actions is called.
func (r *rig) requireEffect(t *trial, id string) {
	request := &actionmodel.OtherRequest{Id: id}
	r.acceptRequest(t, actionTwoName, "Call", request).requireHeader(actionTwoName, "Call", request)
}

func checkEmptyResponses(t *trial, r *rig) {
	one, two := r.newID("effect"), r.newID("effect")
	request := act.request(act.group(act.effect(one, false)), act.group(act.reply("here")), act.group(act.effect(two, true)), act.group())
	s := r.watch(t, actionModelName, "ProcessStreamedOut", request, &actionmodel.Response{})
	s.requireReply(&actionmodel.Response{Message: "here"})
	s.requireEnd()
	r.acceptRequest(t, actionModelName, "ProcessStreamedOut", request).requireHeader(actionModelName, "ProcessStreamedOut", request)
	r.requireEffect(t, one)
	r.requireEffect(t, two)
}

func checkNoReply(t *trial, r *rig) {
	id := r.newID("effect")
	request := act.request(act.group(act.effect(id, false)))
	call := r.call(t, actionModelName, "ProcessUnary", request, &actionmodel.Response{})
	call.wait()
	if call.err == nil {
		t.Fatalf("got the reply %v, want none", call.reply)
	}
	r.acceptRequest(t, actionModelName, "ProcessUnary", request).requireHeader(actionModelName, "ProcessUnary", request)
	r.requireEffect(t, id)
}

func checkFailureOfStreamedOut(t *trial, r *rig) {
	id := r.newID("failure")
	request := act.request(act.group(act.reply(id)), act.group(act.fail("no way")), act.group(act.reply("nobody reads this")))
	s := r.watch(t, actionModelName, "ProcessStreamedOut", request, &actionmodel.Response{})
	s.requireReply(&actionmodel.Response{Message: id})
	s.requireFailure("no way")
	r.acceptRequest(t, actionModelName, "ProcessStreamedOut", request).requireHeader(actionModelName, "ProcessStreamedOut", request)
}

func checkFailureOfStreamed(t *trial, r *rig) {
	s, d := r.talk(t, "Talk")
	d.requireHeader(probeName, "Talk", nil)
	s.send(&probepb.Fields{Text: "one"})
	d.requirePayload(&probepb.Fields{Text: "one"})
	d.say(actionReply(&probepb.Fields{Text: "fine"}),
		&actionpb.ActionResponse{Response: &actionpb.ActionResponse_Failure{Failure: &protocol.Failure{Description: "no way"}}})
	s.requireReply(&probepb.Fields{Text: "fine"})
	s.requireFailure("no way")
	d.requireCancelled()
}

func checkForwardOfStreamedOut(t *trial, r *rig) {
	one, two := r.newID("forward"), r.newID("forward")
	request := act.request(act.group(act.reply("before")), act.group(act.forward(one)), act.group(act.reply("after")), act.group(act.forward(two)))
	s := r.watch(t, actionModelName, "ProcessStreamedOut", request, &actionmodel.Response{})
	s.requireReply(&actionmodel.Response{Message: "before"}, &actionmodel.Response{}, &actionmodel.Response{Message: "after"}, &actionmodel.Response{})
	s.requireEnd()
	r.acceptRequest(t, actionModelName, "ProcessStreamedOut", request).requireHeader(actionModelName, "ProcessStreamedOut", request)
	r.requireEffect(t, one)
	r.requireEffect(t, two)
}

// probeCall begins a call of a method of the probe, of any call kind, with these headers. It
// accepts it, and takes its header. What is returned ends the call.
func (r *rig) probeCall(t *trial, method string, headers ...string) (d *dialogue, header *protocol.Metadata, leave func()) {
	request := &probepb.Fields{Text: r.newID(method)}
	streamsIn, streamsOut := method == "Upload" || method == "Talk", method == "Watch" || method == "Talk"
	if streamsIn {
		s, d := r.talk(t, method, headers...)
		return d, d.requireHeader(probeName, method, nil), s.leave
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), headers...)
	s := r.streamWith(ctx, t, probeName, method, grpc.StreamDesc{ServerStreams: streamsOut}, &probepb.Fields{})
	s.send(request)
	s.closeSend()
	d = r.acceptRequest(t, probeName, method, request)
	return d, d.requireHeader(probeName, method, request), s.leave
}

// checkHeaders calls with headers, of which one is binary and one comes twice.
func checkHeaders(t *trial, r *rig, method string) {
	d, header, _ := r.probeCall(t, method, "x-conformance", "one", "x-other", "three", "x-conformance", "two", "x-conformance-bin", "\x00\xff")
	got := map[string][]string{}
	for _, entry := range header.GetEntries() {
		value, isText := entry.GetValue().(*protocol.MetadataEntry_StringValue)
		if !isText {
			t.Fatalf("the header %q is %v, want text", entry.GetKey(), entry)
		}
		name := strings.ToLower(entry.GetKey())
		got[name] = append(got[name], value.StringValue)
	}
	binary := base64.RawStdEncoding.EncodeToString([]byte("\x00\xff"))
	for name, want := range map[string]string{"x-conformance": "one,two", "x-other": "three", "x-conformance-bin": binary} {
		if text := strings.TrimRight(strings.Join(got[name], ","), "="); text != want {
			t.Errorf("the header %q has become %q, want %q; all: %v", name, text, want, header)
		}
	}
	d.End(nil)
}

func checkReplyMetadata(t *trial, r *rig) {
	request := &probepb.Fields{Text: r.newID("metadata")}
	var header, trailer metadata.MD
	call := r.call(t, probeName, "Plain", request, &probepb.Fields{}, grpc.Header(&header), grpc.Trailer(&trailer))
	d := r.acceptRequest(t, probeName, "Plain", request)
	d.requireHeader(probeName, "Plain", request)
	d.say(actionReply(&probepb.Fields{Text: "reply"},
		textEntry("x-conformance", "one"), textEntry("X-Other", "three"), textEntry("x-conformance", "two"),
		&protocol.MetadataEntry{Key: "x-bytes", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte("bytes")}}))
	d.End(nil)
	call.requireReply(&probepb.Fields{Text: "reply"})
	requireHeader(t, header, "x-conformance", "one", "two")
	requireHeader(t, header, "x-other", "three")
	requireHeader(t, header, "x-bytes")
	for _, name := range []string{"x-conformance", "x-other", "x-bytes"} {
		requireHeader(t, trailer, name)
	}
}

func requireHeader(t *trial, all metadata.MD, name string, want ...string) {
	if got := all.Get(name); strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("the header %q is %q, want %q; all: %v", name, got, want, all)
	}
}

func checkStreamedReplyMetadata(t *trial, r *rig) {
	request := &probepb.Fields{Text: r.newID("metadata")}
	s := r.watch(t, probeName, "Watch", request, &probepb.Fields{})
	d := r.acceptRequest(t, probeName, "Watch", request)
	d.requireHeader(probeName, "Watch", request)
	for _, text := range []string{"first", "second"} {
		d.say(actionReply(&probepb.Fields{Text: text}, textEntry("x-"+text, "here")))
		s.requireReply(&probepb.Fields{Text: text})
	}
	d.End(nil)
	s.requireEnd()
	header, err := s.Header()
	if err != nil {
		t.Fatalf("the headers: %v", err)
	}
	requireHeader(t, header, "x-first", "here")
	requireHeader(t, header, "x-second")
	requireHeader(t, s.Trailer(), "x-first")
	requireHeader(t, s.Trailer(), "x-second")
}

func checkCancelledAction(t *trial, r *rig, method string) {
	d, _, leave := r.probeCall(t, method)
	leave()
	d.requireCancelled()
}
