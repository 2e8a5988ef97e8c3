package conformance

import (
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// forKinds returns a scenario for each kind of entity.
func forKinds(check func(t *trial, r *rig, kind *entityKind), kinds ...*entityKind) scenarios[*rig] {
	all := scenarios[*rig]{}
	for _, kind := range kinds {
		all[kind.name+" entities"] = func(t *trial, r *rig) { check(t, r, kind) }
	}
	return all
}

// forAllKinds returns a scenario for each of the three kinds of entities.
func forAllKinds(check func(t *trial, r *rig, kind *entityKind)) scenarios[*rig] {
	return forKinds(check, eventSourcedKind, valueEntityKind, crdtKind)
}

// proxyStreamChecks are those of the assertions that all kinds of entities share.
var proxyStreamChecks = checks[*rig]{
	"P-020": forAllKinds(checkCommandIDs),
	"P-021": forAllKinds(checkCommandContent),
	"P-023": forAllKinds(checkPassivation),
	"P-024": forAllKinds(checkReactivation),
	"P-034": forKinds(checkCommandsDoNotOverlap, eventSourcedKind, valueEntityKind),
	"P-035": forAllKinds(checkEntitiesAreIndependent),
}

// checkCommandIDs has three commands in one activation, and another one in the next.
func checkCommandIDs(t *trial, r *rig, kind *entityKind) {
	e := r.specimen(t, kind, kind.two)
	e.call().requireReply(kind.response)
	d := e.accept()
	d.require(e.init(), e.command(1))
	for id := range int64(3) {
		e.call().requireReply(kind.response)
		d.require(e.command(id + 2))
	}
	e.crash(d, 5)
	e.call().requireReply(kind.response)
	e.accept().require(e.init(), e.command(1))
}

// checkCommandContent calls with headers, which are not for entities.
func checkCommandContent(t *trial, r *rig, kind *entityKind) {
	e := r.specimen(t, kind, kind.two)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-conformance", "header", "x-conformance-bin", "\x00\x01")
	r.callWith(ctx, t, e.service, e.method(), kind.request(e.id), kind.response).requireReply(kind.response)
	e.accept().require(e.init(), e.command(1))
}

// checkPassivation waits for the end of an activation whose service wants it after 100 ms.
func checkPassivation(t *trial, r *rig, kind *entityKind) {
	e := r.specimen(t, kind, kind.configured)
	e.call().requireReply(kind.response)
	d := e.accept()
	d.require(e.init(), e.command(1))
	d.requireHalfClosed()
	d.awaitOver()
}

// checkReactivation calls an entity that has left memory.
func checkReactivation(t *trial, r *rig, kind *entityKind) {
	e := r.specimen(t, kind, kind.configured)
	for range 2 {
		e.call().requireReply(kind.response)
		d := e.accept()
		d.require(e.init(), e.command(1))
		d.requireHalfClosed()
		d.awaitOver()
	}
}

// checkCommandsDoNotOverlap has more commands waiting while one is under way. Each client gets
// the reply to its own.
func checkCommandsDoNotOverlap(t *trial, r *rig, kind *entityKind) {
	e := r.scripted(t, kind, kind.two)
	calls := map[string]*clientCall{"0": e.process(kind.marked(e.id, "0"))}
	d := e.accept()
	d.require(e.init(), e.commandOf(1, kind.marked(e.id, "0")))
	for _, text := range []string{"1", "2", "3"} {
		calls[text] = e.process(kind.marked(e.id, text))
	}
	r.fence(t)
	d.say(kind.reply(1, replyWith(kind.echo("0"))))
	calls["0"].requireReply(kind.echo("0"))
	delete(calls, "0")
	for id := int64(2); len(calls) > 0; id++ {
		command := d.message()
		for text, call := range calls {
			if proto.Equal(command, e.commandOf(id, kind.marked(e.id, text))) {
				d.say(kind.reply(id, replyWith(kind.echo(text))))
				call.requireReply(kind.echo(text))
				delete(calls, text)
				command = nil
				break
			}
		}
		if command != nil {
			t.Fatalf("want command %d, one of those that wait: got %v", id, command)
		}
	}
}

// checkEntitiesAreIndependent blocks an entity.
func checkEntitiesAreIndependent(t *trial, r *rig, kind *entityKind) {
	blocked := r.scripted(t, kind, kind.two)
	waits := blocked.call()
	d := blocked.accept()
	d.require(blocked.init(), blocked.command(1))

	other := r.specimen(t, kind, kind.two)
	other.call().requireReply(kind.response)
	other.accept().require(other.init(), other.command(1))

	waits.requirePending()
	d.say(blocked.replied(1))
	waits.requireReply(kind.response)
}
