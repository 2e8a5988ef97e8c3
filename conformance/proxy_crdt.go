package conformance

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/internal/probepb"
	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// proxyCRDTChecks are those of the streams of CRDT entities.
var proxyCRDTChecks = checks[*rig]{
	"P-110": {"what does not exist, exists, and is empty": checkCRDTInit},
	"P-115": {"with and without an update before": checkDelete},
	"P-116": {
		"a unary command":    checkDeletedUnary,
		"a streamed command": checkDeletedStreamed,
	},
	"P-123": {
		"a stream of the model":                  checkCancel,
		"deltas wait for the response":           checkDeltaAfterCancel,
		"the client leaves before the reply":     checkCancelBeforeReply,
		"nothing is cancelled that has ended":    checkNoCancelAfterEnd,
		"the response may change the CRDT":       checkCancelWithUpdate,
		"side effects of the response are done":  checkCancelWithEffect,
		"a stream that the user function denies": checkDeniedStream,
	},
	"P-124": {"a correction waits for all commands": checkDeltaAfterCommands},
	"P-125": {"after updates": checkNoEcho},
	"P-126": {"a unary command": checkStreamedReply},
	"P-127": {
		"a reply":            checkUnknownReply,
		"a streamed message": checkUnknownStreamed,
	},
	"P-129": {"while another entity leaves memory": checkStreamKeepsEntity},
	"P-130": {"open streams": checkShutdown},
	"P-131": {"replies in reverse order": checkRepliesOutOfOrder},
}

// Messages of the proxy.

func streamCancelled(entityID string, id int64) proto.Message {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_StreamCancelled{
		StreamCancelled: &protocol.StreamCancelled{EntityId: entityID, Id: id},
	}}
}

func deltaOf(delta *crdtpb.CrdtDelta) proto.Message {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: delta}}
}

// requireSorted is require for one message, regardless of the order of what has none.
func (d *dialogue) requireSorted(want proto.Message) {
	requireEqual(d.t, sortedIn(want), sortedIn(d.message()), "message of the proxy, sorted")
}

// sortedIn returns a message of the proxy, in which what has no order is sorted.
func sortedIn(message proto.Message) proto.Message {
	in, ok := proto.Clone(message).(*crdtpb.CrdtStreamIn)
	if !ok {
		return message
	}
	sortDelta(in.GetDelta())
	sortDelta(in.GetInit().GetDelta())
	return in
}

// changedBy returns the reply to a command with a state action.
func changedBy(id int64, action *crdtpb.CrdtStateAction) proto.Message {
	return crReply(&crAnswer{CommandId: id, ClientAction: replyWith(crdtKind.response), StateAction: action})
}

// change lets a scripted entity carry out its next command, with a state action.
func (s *specimen) change(d *dialogue, id int64, delta *crdtpb.CrdtDelta) {
	call := s.call()
	d.require(s.command(id))
	d.say(changedBy(id, cr.changed(delta)))
	call.requireReply(s.kind.response)
}

// crdt returns a new entity of the model, of a type.
func (r *rig) crdt(t *trial, typ string) *specimen {
	s := r.specimen(t, crdtKind, crdtModelName)
	s.id = r.newID(typ)
	return s
}

// updating returns a request to the model.
func (s *specimen) updating(actions ...*pb.RequestAction) *pb.Request {
	return &pb.Request{Id: s.id, Actions: actions}
}

// watched is a streamed call of a scripted entity of the probe.
type watched struct {
	*specimen

	client *clientStream
	d      *dialogue
}

// watched returns a scripted entity that has got a command with streamed replies, which is its
// first.
func (r *rig) watched(t *trial, service string) *watched {
	w := &watched{specimen: r.specimen(t, crdtKind, service)}
	w.client = w.rig.watch(w.t, service, "Watch", &probepb.Key{Id: w.id}, &probepb.Fields{})
	w.d = w.accept()
	w.d.require(w.init(), w.watching())
	return w
}

// watching returns the message of the command with streamed replies.
func (w *watched) watching() proto.Message {
	return crdtKind.command(&protocol.Command{EntityId: w.id, Id: 1, Name: "Watch", Payload: pack(&probepb.Key{Id: w.id}), Streamed: true})
}

func (w *watched) ask() *clientCall {
	return w.rig.call(w.t, w.service, "Call", &probepb.Key{Id: w.id}, &probepb.Fields{})
}

func (w *watched) asked(id int64) proto.Message {
	return crdtKind.command(&protocol.Command{EntityId: w.id, Id: id, Name: "Call", Payload: pack(&probepb.Key{Id: w.id})})
}

func (w *watched) reply(id int64) proto.Message {
	return crdtKind.reply(id, replyWith(&probepb.Fields{}))
}

// opened returns the reply that opens the stream.
func (w *watched) opened() proto.Message {
	return crReply(&crAnswer{CommandId: 1, ClientAction: replyWith(&probepb.Fields{Text: "open"}), Streamed: true})
}

// open opens the stream.
func (w *watched) open() *watched {
	w.d.say(w.opened())
	w.client.requireReply(&probepb.Fields{Text: "open"})
	return w
}

// confirm returns the answer to the cancellation of the stream.
func (w *watched) confirm() proto.Message {
	return crCancelled(&crdtpb.CrdtStreamCancelledResponse{CommandId: 1})
}

// requireCommandNext requires that the next message of the proxy is a command: it has nothing
// to say before.
func (w *watched) requireCommandNext(id int64) {
	call := w.ask()
	w.d.require(w.asked(id))
	w.d.say(w.reply(id))
	call.requireReply(&probepb.Fields{})
}

func checkCRDTInit(t *trial, r *rig) {
	e := r.crdt(t, "ORSet")
	request := e.updating(cr.updates(cr.add("a"))...)
	e.process(request).requireReply(&pb.Response{State: cr.orset("a")})
	d := e.accept()
	d.require(crdtInit(e.service, e.id, nil), e.commandOf(1, request))
	e.crash(d, 2)
	request = e.updating(cr.updates(cr.clear(true))...)
	e.process(request).requireReply(&pb.Response{State: cr.orset()})
	d = e.accept()
	d.require(crdtInit(e.service, e.id, cr.orsetDelta(nil, []string{"a"})), e.commandOf(1, request))
	e.crash(d, 2)
	e.call().requireReply(&pb.Response{State: cr.orset()})
	e.accept().require(crdtInit(e.service, e.id, cr.orsetDelta(nil, nil)), e.command(1))
}

func checkDelete(t *trial, r *rig) {
	e := r.crdt(t, "PNCounter")
	request := e.updating(cr.updates(cr.change(2))...)
	e.process(request).requireReply(&pb.Response{State: cr.pncounter(2)})
	d := e.accept()
	d.require(e.init(), e.commandOf(1, request))
	e.delete(d, &pb.Response{State: cr.pncounter(2)})

	other := r.specimen(t, crdtKind, crdtTwoName)
	other.call().requireReply(other.kind.response)
	d = other.accept()
	d.require(other.init(), other.command(1))
	other.delete(d, other.kind.response)
}

// delete lets the model delete the CRDT, by the second command of the stream.
func (s *specimen) delete(d *dialogue, reply proto.Message) {
	request := s.updating(cr.delete())
	s.process(request).requireReply(reply)
	d.require(s.commandOf(2, request))
	d.requireHalfClosed()
	d.awaitOver()
}

func checkDeletedUnary(t *trial, r *rig) {
	e := r.specimen(t, crdtKind, crdtTwoName)
	e.call().requireReply(e.kind.response)
	d := e.accept()
	d.require(e.init(), e.command(1))
	e.delete(d, e.kind.response)
	for range 2 {
		e.call().requireFailure("Entity deleted")
	}
}

func checkDeletedStreamed(t *trial, r *rig) {
	e := r.crdt(t, "GSet")
	e.call().requireReply(&pb.Response{State: cr.gset()})
	d := e.accept()
	d.require(e.init(), e.command(1))
	e.delete(d, &pb.Response{State: cr.gset()})
	r.watch(t, e.service, "ProcessStreamed", &pb.StreamedRequest{Id: e.id}, &pb.Response{}).requireFailure("Entity deleted")
}

// checkCancel lets one of two clients leave, whose stream counts that.
func checkCancel(t *trial, r *rig) {
	e := r.crdt(t, "GCounter")
	streamed := func(id int64, request *pb.StreamedRequest) proto.Message {
		return crdtKind.command(&protocol.Command{EntityId: e.id, Id: id, Name: "ProcessStreamed", Payload: pack(request), Streamed: true})
	}
	stays := &pb.StreamedRequest{Id: e.id}
	staying := r.watch(t, e.service, "ProcessStreamed", stays, &pb.Response{})
	staying.requireReply(&pb.Response{State: cr.gcounter(0)})
	d := e.accept()
	d.require(e.init(), streamed(1, stays))
	leaves := &pb.StreamedRequest{Id: e.id, CancelUpdate: cr.increment(7)}
	leaving := r.watch(t, e.service, "ProcessStreamed", leaves, &pb.Response{})
	leaving.requireReply(&pb.Response{State: cr.gcounter(0)})
	d.require(streamed(2, leaves))
	leaving.leave()
	d.require(streamCancelled(e.id, 2))
	staying.requireReply(&pb.Response{State: cr.gcounter(7)})
	request := e.updating(cr.updates(cr.increment(1))...)
	e.process(request).requireReply(&pb.Response{State: cr.gcounter(8)})
	d.require(e.commandOf(3, request))
	staying.requireReply(&pb.Response{State: cr.gcounter(8)})
	staying.leave()
	d.require(streamCancelled(e.id, 1))
}

// checkDeltaAfterCancel makes the proxy correct a register while a cancellation is outstanding.
func checkDeltaAfterCancel(t *trial, r *rig) {
	w := r.watched(t, watchedName).open()
	call := w.ask()
	w.d.require(w.asked(2))
	w.d.say(crReply(&crAnswer{CommandId: 2, ClientAction: replyWith(&probepb.Fields{}), StateAction: cr.changed(cr.registerDelta("one"))}))
	call.requireReply(&probepb.Fields{})
	w.client.leave()
	w.d.require(streamCancelled(w.id, 1))
	call = w.ask()
	w.d.require(w.asked(3))
	w.d.say(crReply(&crAnswer{
		CommandId: 3, ClientAction: replyWith(&probepb.Fields{}),
		StateAction: cr.changed(cr.registerDeltaWithClock("two", crdtpb.CrdtClock_REVERSE, 0)),
	}))
	call.requireReply(&probepb.Fields{})
	w.requireCommandNext(4)
	w.d.say(w.confirm())
	w.d.require(deltaOf(cr.registerDelta("one")))
}

// checkCancelBeforeReply lets the client leave first.
func checkCancelBeforeReply(t *trial, r *rig) {
	w := r.watched(t, watchedName)
	w.client.leave()
	r.fence(t)
	w.d.say(w.opened())
	w.d.require(streamCancelled(w.id, 1))
	w.requireCommandNext(2)
	w.d.say(w.confirm())
	w.requireCommandNext(3)
}

func checkNoCancelAfterEnd(t *trial, r *rig) {
	w := r.watched(t, watchedName).open()
	w.d.say(crStreamed(&crdtpb.CrdtStreamedMessage{CommandId: 1, ClientAction: replyWith(&probepb.Fields{Text: "last"}), EndStream: true}))
	w.client.requireReply(&probepb.Fields{Text: "last"})
	w.client.requireEnd()
	w.client.leave()
	r.fence(t)
	w.requireCommandNext(2)
}

func checkCancelWithUpdate(t *trial, r *rig) {
	w := r.watched(t, briefName).open()
	w.client.leave()
	w.d.require(streamCancelled(w.id, 1))
	w.d.say(crCancelled(&crdtpb.CrdtStreamCancelledResponse{CommandId: 1, StateAction: cr.changed(cr.gcounterDelta(3))}))
	w.d.requireHalfClosed() // by passivation
	w.d.awaitOver()
	call := w.ask()
	w.d = w.accept()
	w.d.require(crdtInit(w.service, w.id, cr.gcounterDelta(3)), w.asked(1))
	w.d.say(w.reply(1))
	call.requireReply(&probepb.Fields{})
}

func checkCancelWithEffect(t *trial, r *rig) {
	target := r.specimen(t, valueEntityKind, valueTwoName)
	w := r.watched(t, watchedName).open()
	w.client.leave()
	w.d.require(streamCancelled(w.id, 1))
	w.d.say(crCancelled(&crdtpb.CrdtStreamCancelledResponse{
		CommandId: 1, SideEffects: []*protocol.SideEffect{sideEffect(target.service, target.kind.request(target.id), false)},
	}))
	target.accept().require(target.init(), target.command(1))
}

// checkDeniedStream has a reply that opens no stream.
func checkDeniedStream(t *trial, r *rig) {
	w := r.watched(t, watchedName)
	w.d.say(w.reply(1))
	w.client.requireReply(&probepb.Fields{})
	w.client.requireEnd()
	w.requireCommandNext(2)
}

// checkDeltaAfterCommands makes the proxy correct a register while another command is
// outstanding.
func checkDeltaAfterCommands(t *trial, r *rig) {
	e := r.scripted(t, crdtKind, crdtTwoName)
	d := e.begin()
	e.change(d, 2, cr.registerDelta("one"))
	first := e.call()
	d.require(e.command(3))
	second := e.call()
	d.require(e.command(4))
	d.say(changedBy(3, cr.changed(cr.registerDeltaWithClock("two", crdtpb.CrdtClock_REVERSE, 0))))
	first.requireReply(e.kind.response)
	third := e.call()
	d.require(e.command(5))
	d.say(e.replied(5), e.replied(4))
	d.require(deltaOf(cr.registerDelta("one")))
	second.requireReply(e.kind.response)
	third.requireReply(e.kind.response)
}

// checkNoEcho changes CRDTs of all types. Only commands reach the user function.
func checkNoEcho(t *trial, r *rig) {
	for typ, updates := range map[string][]*pb.Update{
		"GCounter":    {cr.increment(1), cr.increment(2)},
		"PNCounter":   {cr.change(1), cr.change(-2)},
		"GSet":        {cr.addG("a"), cr.addG("b")},
		"ORSet":       {cr.add("a"), cr.remove("a"), cr.add("b")},
		"LWWRegister": {cr.set("one"), cr.set("two")},
		"Flag":        {cr.enable(), cr.enable()},
		"ORMap":       {cr.addKey("Flag-1"), cr.updateKey("GCounter-1", cr.increment(1)), cr.removeKey("Flag-1")},
		"Vote":        {cr.vote(true), cr.vote(false)},
	} {
		e := r.crdt(t, typ)
		var d *dialogue
		for i, u := range updates {
			request := e.updating(cr.updates(u)...)
			call := e.process(request)
			call.wait()
			if call.err != nil {
				t.Fatalf("%s: %v", typ, call.err)
			}
			if d == nil {
				d = e.accept()
				d.require(e.init())
			}
			d.require(e.commandOf(int64(i+1), request))
		}
		e.call().wait()
		d.require(e.command(int64(len(updates) + 1)))
	}
}

func checkStreamedReply(t *trial, r *rig) {
	e := r.scripted(t, crdtKind, crdtTwoName)
	d := e.begin()
	call := e.call()
	d.require(e.command(2))
	d.say(crReply(&crAnswer{CommandId: 2, ClientAction: replyWith(e.kind.response), Streamed: true}))
	call.requireFailure("Entity terminating")
	r.requireReport(t, "Streamed reply to non streamed command 2")
	d.awaitOver()
	e.requireNew()
}

func checkUnknownReply(t *trial, r *rig) {
	e := r.scripted(t, crdtKind, crdtTwoName)
	d := e.begin()
	call := e.call()
	d.require(e.command(2))
	d.say(e.replied(7))
	call.requireFailure("Entity terminating")
	r.requireReport(t, fmt.Sprintf("Received reply for entity id %s for unknown command 7", e.id))
	d.awaitOver()
	e.requireNew()
}

func checkUnknownStreamed(t *trial, r *rig) {
	e := r.scripted(t, crdtKind, crdtTwoName)
	d := e.begin()
	id := r.ids.Add(1) // the report does not name the entity
	d.say(crStreamed(&crdtpb.CrdtStreamedMessage{CommandId: id, ClientAction: replyWith(e.kind.response)}))
	r.requireReport(t, fmt.Sprintf("Received streamed message for unknown command id: %d", id))
	call := e.call()
	d.require(e.command(2))
	d.say(e.replied(2))
	call.requireReply(e.kind.response)
}

// checkStreamKeepsEntity has entities that leave memory when they are idle, but not while a
// stream is open.
func checkStreamKeepsEntity(t *trial, r *rig) {
	w := r.watched(t, briefName).open()
	for range 2 {
		other := r.specimen(t, crdtKind, crdtConfiguredName)
		other.call().requireReply(other.kind.response)
		d := other.accept()
		d.require(other.init(), other.command(1))
		d.requireHalfClosed()
	}
	w.requireCommandNext(2)
	w.d.say(crStreamed(&crdtpb.CrdtStreamedMessage{CommandId: 1, EndStream: true}))
	w.client.requireEnd()
	w.d.requireHalfClosed()
}

func checkShutdown(t *trial, r *rig) {
	r = r.start(t, withProbes).awaitReady(t)
	r.scriptProbes()
	w := r.watched(t, watchedName).open()
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }() // a bench waits for it
	w.client.requireEnd()
	switch event := w.d.next(); {
	case event.Message != nil:
		requireEqual(t, streamCancelled(w.id, 1), event.Message, "what the proxy says when the client has gone")
		w.d.say(w.confirm())
		w.d.requireHalfClosed()
	case event.Err != nil:
		t.Fatalf("want the stream half-closed, got %v", event)
	}
	if err := <-stopped; err != nil {
		t.Fatalf("stop the proxy: %v", err)
	}
	if err := r.proxy.Conn.Invoke(t.Context(), "/"+watchedName+"/Call", &probepb.Key{Id: w.id}, &probepb.Fields{}); status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled {
		t.Fatalf("a call after the proxy has stopped: got %v", err)
	}
}

func checkRepliesOutOfOrder(t *trial, r *rig) {
	e := r.scripted(t, crdtKind, crdtTwoName)
	d := e.begin()
	one := e.process(e.kind.marked(e.id, "one"))
	d.require(e.commandOf(2, e.kind.marked(e.id, "one")))
	two := e.process(e.kind.marked(e.id, "two"))
	d.require(e.commandOf(3, e.kind.marked(e.id, "two")))
	d.say(e.kind.reply(3, replyWith(e.kind.echo("two"))))
	two.requireReply(e.kind.echo("two"))
	one.requirePending()
	d.say(e.kind.reply(2, replyWith(e.kind.echo("one"))))
	one.requireReply(e.kind.echo("one"))
}
