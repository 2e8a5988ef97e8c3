package conformance

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// forQueued returns a scenario for each kind of entity whose commands wait for each other.
func forQueued(check func(t *trial, r *rig, kind *entityKind)) scenarios[*rig] {
	return forKinds(check, eventSourcedKind, valueEntityKind)
}

// with adds a scenario.
func with(all scenarios[*rig], name string, check func(t *trial, r *rig)) scenarios[*rig] {
	all[name] = check
	return all
}

// proxyCrashChecks are those of what becomes of failures, deliberate or not.
var proxyCrashChecks = checks[*rig]{
	"P-055": forAllKinds(checkFailure),
	"P-056": with(forQueued(func(t *trial, r *rig, kind *entityKind) {
		checkCrash(t, r, kind, kind.texts.failure, func(d *dialogue) {
			d.say(kind.failure(&protocol.Failure{CommandId: 2, Description: "for the log"}))
		})
	}), "a failure that names no command", func(t *trial, r *rig) {
		checkCrash(t, r, eventSourcedKind, eventSourcedKind.texts.failure, func(d *dialogue) {
			d.say(eventSourcedKind.failure(&protocol.Failure{Description: "for the log"}))
		})
	}),
	"P-057": with(forQueued(func(t *trial, r *rig, kind *entityKind) {
		checkCrash(t, r, kind, kind.texts.termination, func(d *dialogue) {
			d.End(status.Error(codes.Internal, "for the log"))
		})
	}), "a stream that ends with OK", func(t *trial, r *rig) {
		checkCrash(t, r, eventSourcedKind, eventSourcedKind.texts.termination, func(d *dialogue) { d.End(nil) })
	}),
	"P-058": with(with(forQueued(func(t *trial, r *rig, kind *entityKind) {
		checkCrash(t, r, kind, kind.texts.reply, func(d *dialogue) { d.say(kind.reply(7, replyWith(kind.response))) })
	}), "the reply to an event sourced entity comes twice", func(t *trial, r *rig) {
		checkSpareReply(t, r, eventSourcedKind)
	}), "the reply to a value entity comes twice", func(t *trial, r *rig) {
		checkSpareReply(t, r, valueEntityKind)
	}),
	"P-059": forQueued(func(t *trial, r *rig, kind *entityKind) {
		checkCrash(t, r, kind, kind.texts.message, func(d *dialogue) { d.say(kind.empty) })
	}),
}

// checkFailure has a command that fails, and another one on the same stream.
func checkFailure(t *trial, r *rig, kind *entityKind) {
	const text = "some error message: ünïcode 100%"
	e := r.specimen(t, kind, kind.model)
	e.process(kind.failing(e.id, text)).requireFailure(text)
	d := e.accept()
	d.require(e.init(), e.commandOf(1, kind.failing(e.id, text)))
	again := e.call()
	d.require(e.command(2))
	again.wait()
	if again.err != nil {
		t.Fatalf("the command after the failure has failed: %v", again.err)
	}
}

// checkCrash lets the user function break the protocol while a command is under way and others
// wait. The next command works.
func checkCrash(t *trial, r *rig, kind *entityKind, text string, do func(*dialogue)) {
	e := r.scripted(t, kind, kind.two)
	d := e.begin()
	current := e.call()
	d.require(e.command(2))
	queued := []*clientCall{e.call(), e.call()}
	r.fence(t)
	do(d)
	current.requireFailure(text)
	for _, call := range queued {
		call.requireFailure(kind.texts.queued)
	}
	d.awaitOver()
	e.requireNew()
}

// checkSpareReply has a reply without a command.
func checkSpareReply(t *trial, r *rig, kind *entityKind) {
	e := r.scripted(t, kind, kind.two)
	d := e.begin()
	d.say(e.replied(1))
	d.requireGivenUp()
	e.requireNew()
}

// requireNew requires that the next command of a scripted entity, of which nothing is stored,
// opens another stream.
func (s *specimen) requireNew() {
	call := s.call()
	d := s.accept()
	d.require(s.init(), s.command(1))
	d.say(s.replied(1))
	call.requireReply(s.kind.response)
}
