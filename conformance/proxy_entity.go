package conformance

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/internal/interceptor"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// A specimen is an entity that nobody has used before.
type specimen struct {
	t       *trial
	rig     *rig
	kind    *entityKind
	service string
	id      string
}

// specimen returns a new entity of a service whose streams are relayed to the models.
func (r *rig) specimen(t *trial, kind *entityKind, service string) *specimen {
	return &specimen{t: t, rig: r, kind: kind, service: service, id: r.newID(kind.prefix)}
}

// scripted returns a new entity whose streams the check answers.
func (r *rig) scripted(t *trial, kind *entityKind, service string) *specimen {
	s := r.specimen(t, kind, service)
	t.Cleanup(r.Script(s.matches()))
	return s
}

// matches returns what matches the streams of the entity.
func (s *specimen) matches() func(*interceptor.Stream) bool {
	return interceptor.Entity(s.service, s.id)
}

// method is the unary method of the service.
func (s *specimen) method() string {
	if s.service == s.kind.model {
		return "Process"
	}
	return "Call"
}

// call begins a call of the entity with a request that does nothing.
func (s *specimen) call(opts ...grpc.CallOption) *clientCall {
	return s.process(s.kind.request(s.id), opts...)
}

// process begins a call of the entity.
func (s *specimen) process(request proto.Message, opts ...grpc.CallOption) *clientCall {
	return s.rig.call(s.t, s.service, s.method(), request, s.kind.response, opts...)
}

// accept waits for the next stream for the entity.
func (s *specimen) accept() *dialogue {
	return s.rig.accept(s.t, s.service, s.id)
}

// command returns the message of a command that does nothing.
func (s *specimen) command(id int64) proto.Message {
	return s.commandOf(id, s.kind.request(s.id))
}

// commandOf returns the message of a command with a request.
func (s *specimen) commandOf(id int64, request proto.Message) proto.Message {
	return s.kind.command(&protocol.Command{EntityId: s.id, Id: id, Name: s.method(), Payload: pack(request)})
}

// init returns the init message of the entity as long as nothing is stored.
func (s *specimen) init() proto.Message { return s.kind.init(s.service, s.id) }

// replied returns the reply to a command, with an empty response.
func (s *specimen) replied(id int64) proto.Message {
	return s.kind.reply(id, replyWith(s.kind.response))
}

// begin opens a stream of a scripted entity, by a command with id 1 that is answered.
func (s *specimen) begin() *dialogue {
	call := s.call()
	d := s.accept()
	d.require(s.init(), s.command(1))
	d.say(s.replied(1))
	call.requireReply(s.kind.response)
	return d
}

// crash lets the user function break the stream at the next command, so that the one after it
// opens another stream.
func (s *specimen) crash(d *dialogue, id int64) {
	crashed := status.Error(codes.Unavailable, "the user function has crashed")
	d.BreakNext(crashed) // if the stream is relayed
	call := s.call()
	d.require(s.command(id))
	d.End(crashed)
	call.requireFailure(s.kind.texts.termination)
	if s.kind == crdtKind {
		s.rig.requireReport(s.t, "Entity crashed")
	}
}

// reactivate calls the entity after its stream has ended, until the proxy has noticed that and
// opens another one. It returns that, and the call which it is for.
func (s *specimen) reactivate() (*clientCall, *dialogue) {
	for {
		call := s.call()
		ctx, cancel := s.rig.limit(s.t.Context())
		go func() { // ends with the trial, at the latest
			<-call.done
			cancel()
		}()
		stream, err := s.rig.Accept(ctx, interceptor.Entity(s.service, s.id))
		if err == nil {
			return call, s.rig.dialogue(s.t, stream)
		}
		call.requireFailure(s.kind.texts.termination)
	}
}

// requireReport waits for a report of an error that begins like this.
func (r *rig) requireReport(t *trial, prefix string) {
	r.requireReportThat(t, prefix, func(text string) bool { return strings.HasPrefix(text, prefix) })
}

// requireReportWith waits for a report of an error that contains this.
func (r *rig) requireReportWith(t *trial, part string) {
	r.requireReportThat(t, part, func(text string) bool { return strings.Contains(text, part) })
}

func (r *rig) requireReportThat(t *trial, what string, match func(string) bool) {
	ctx, cancel := r.limit(t.Context())
	defer cancel()
	if _, err := r.Report(ctx, match); err != nil {
		t.Fatalf("want a report of %q: %v", what, err)
	}
}

// persistenceID returns the namespace of what is stored for the entity.
func (s *specimen) persistenceID() string {
	for _, entity := range s.rig.spec.Load().GetEntities() {
		if entity.GetServiceName() == s.service {
			return entity.GetPersistenceId()
		}
	}
	s.t.Fatalf("the proxy has not discovered %s", s.service)
	return ""
}

// store returns what disturbs the store of the proxy.
func (r *rig) store(t *trial) Store {
	if r.proxy.Store == nil {
		t.NotApplicablef("the store of the proxy cannot be disturbed")
	}
	return r.proxy.Store
}

// holdWrite lets the next write for the entity wait until the check releases it, or ends.
func (s *specimen) holdWrite(store Store) (waits <-chan struct{}, release func()) {
	waits, release = store.HoldNext(s.persistenceID(), s.id)
	release = sync.OnceFunc(release)
	s.t.Cleanup(release)
	return waits, release
}

// requireNoStream requires that the proxy has not opened a stream for the entity that the
// check has not accepted. It may be about to.
func (s *specimen) requireNoStream() {
	for _, stream := range s.rig.Streams() {
		if stream.Service == s.service && stream.EntityID == s.id {
			s.t.Fatalf("the proxy has opened a stream too early:\n%s", stream)
		}
	}
}

// awaitClosed waits until a channel is closed.
func (r *rig) awaitClosed(t *trial, c <-chan struct{}, what string) {
	ctx, cancel := r.limit(t.Context())
	defer cancel()
	select {
	case <-c:
	case <-ctx.Done():
		t.Fatalf("want %s: %v", what, context.Cause(ctx))
	}
}

// fence waits until the proxy has answered calls that have nothing to do with the check: many
// at the same time, and then as many again. What the proxy has got before, it has begun to
// work on by then, as far as can be told from outside.
func (r *rig) fence(t *trial) {
	for range 2 {
		calls := make([]*clientCall, 16)
		requests := make([]*actionmodel.OtherRequest, len(calls))
		for i := range calls {
			requests[i] = &actionmodel.OtherRequest{Id: r.newID("fence")}
			calls[i] = r.call(t, actionTwoName, "Call", requests[i], &actionmodel.Response{})
		}
		for i, call := range calls {
			call.requireReply(&actionmodel.Response{})
			r.acceptRequest(t, actionTwoName, "Call", requests[i]).requireHeader(actionTwoName, "Call", requests[i])
		}
	}
}
