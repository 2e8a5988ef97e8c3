package conformance

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// proxyClusterChecks are those of what other proxies do to CRDT entities.
var proxyClusterChecks = checks[*rig]{
	"P-110": {"what another node has": inCluster(checkInitFromOtherNode)},
	"P-116": {"on all nodes": inCluster(checkDeletedEverywhere)},
	"P-124": {
		"changes of another node come together":         inCluster(checkCombinedDelta),
		"changes that cancel each other out":            inCluster(checkCancelledOut),
		"changes of another node during a cancellation": inCluster(checkDeltasAfterCancel),
	},
	"P-125": {"in a cluster": inCluster(checkNoEchoInCluster)},
	"P-140": {"increments of another node": toldElsewhere(
		told{cr.gcounterDelta(3), cr.gcounterDelta(3)}, told{cr.gcounterDelta(4), cr.gcounterDelta(4)})},
	"P-141": {"changes of another node": toldElsewhere(
		told{cr.pncounterDelta(3), cr.pncounterDelta(3)}, told{cr.pncounterDelta(-5), cr.pncounterDelta(-5)})},
	"P-142": {"only new elements are told elsewhere": toldElsewhere(
		told{cr.gsetDelta("a"), cr.gsetDelta("a")}, told{cr.gsetDelta("a", "b"), cr.gsetDelta("b")})},
	"P-143": {"a clear is told elsewhere": toldElsewhere(
		told{cr.orsetDelta(nil, []string{"a", "b"}), cr.orsetDelta(nil, []string{"a", "b"})}, told{cr.clearedDelta(), cr.clearedDelta()})},
	"P-144": {"removed and added": toldElsewhere(
		told{cr.orsetDelta(nil, []string{"a", "b", "c"}), cr.orsetDelta(nil, []string{"a", "b", "c"})},
		told{cr.orsetDelta([]string{"a", "z"}, []string{"b", "d"}), cr.orsetDelta([]string{"a"}, []string{"d"})})},
	"P-147": {"an enabled flag is told elsewhere": toldElsewhere(
		told{cr.flagDelta(false), cr.flagDelta(false)}, told{cr.flagDelta(true), cr.flagDelta(true)})},
	"P-148": {"entries of another node": toldElsewhere(
		told{mapOf(cr.entryDelta("Flag-1", cr.flagDelta(false))), mapOf(cr.entryDelta("Flag-1", cr.flagDelta(false)))},
		told{cr.ormapDelta(&crdtpb.ORMapDelta{
			Updated: []*crdtpb.ORMapEntryDelta{cr.entryDelta("Flag-1", cr.flagDelta(true))},
			Added:   []*crdtpb.ORMapEntryDelta{cr.entryDelta("GCounter-1", cr.gcounterDelta(2))},
		}), cr.ormapDelta(&crdtpb.ORMapDelta{
			Updated: []*crdtpb.ORMapEntryDelta{cr.entryDelta("Flag-1", cr.flagDelta(true))},
			Added:   []*crdtpb.ORMapEntryDelta{cr.entryDelta("GCounter-1", cr.gcounterDelta(2))},
		})},
		told{cr.ormapDelta(&crdtpb.ORMapDelta{Removed: []*anypb.Any{packString("Flag-1")}}), cr.ormapDelta(&crdtpb.ORMapDelta{Removed: []*anypb.Any{packString("Flag-1")}})},
		told{cr.ormapDelta(&crdtpb.ORMapDelta{Cleared: true}), cr.ormapDelta(&crdtpb.ORMapDelta{Cleared: true})})},
	"P-150": {"replaced on another node": toldElsewhere(
		told{mapOf(cr.entryDelta("key", cr.flagDelta(true))), mapOf(cr.entryDelta("key", cr.flagDelta(true)))},
		told{
			cr.ormapDelta(&crdtpb.ORMapDelta{
				Removed: []*anypb.Any{packString("key")}, Added: []*crdtpb.ORMapEntryDelta{cr.entryDelta("key", cr.gcounterDelta(2))},
			}),
			cr.ormapDelta(&crdtpb.ORMapDelta{
				Removed: []*anypb.Any{packString("key")}, Added: []*crdtpb.ORMapEntryDelta{cr.entryDelta("key", cr.gcounterDelta(2))},
			}),
		})},
	"P-151": {"votes of two nodes": inCluster(checkVotes)},
	"P-154": {"when most of it is removed": toldElsewhere(
		told{cr.orsetDelta(nil, []string{"a", "b", "c", "d"}), cr.orsetDelta(nil, []string{"a", "b", "c", "d"})},
		told{cr.orsetDelta([]string{"a", "b", "c"}, nil), cr.clearedDelta("d")})},
}

// inCluster returns a check of two proxies, each with a rig of its own.
func inCluster(check func(t *trial, here, there *rig)) func(*trial, *rig) {
	return func(t *trial, r *rig) {
		if r.target.StartCluster == nil {
			t.NotApplicablef("it needs two proxies that replicate CRDTs, and the target starts no clusters")
		}
		rigs := []*rig{r.newRig(withProbes), r.newRig(withProbes)}
		running, err := r.target.StartCluster(t.Context(), []Server{rigs[0], rigs[1]})
		if err != nil {
			t.Fatalf("start a cluster: %v", err)
		}
		for i, other := range rigs {
			other.set(running[i])
			other.scriptProbes()
			t.stopLater(other)
		}
		for _, other := range rigs {
			other.awaitReady(t)
		}
		check(t, rigs[0], rigs[1])
	}
}

// replicas returns the same scripted entity on two nodes.
func replicas(t *trial, here, there *rig) (a, b *specimen) {
	a = here.scripted(t, crdtKind, crdtTwoName)
	b = &specimen{t: t, rig: there, kind: a.kind, service: a.service, id: a.id}
	t.Cleanup(there.Script(b.matches()))
	return a, b
}

// told is a change on one node, and what another node is told of it.
type told struct{ change, delta *crdtpb.CrdtDelta }

// toldElsewhere returns a check of what another node is told of changes, one by one.
func toldElsewhere(changes ...told) func(*trial, *rig) {
	return inCluster(func(t *trial, here, there *rig) {
		a, b := replicas(t, here, there)
		listening := b.begin()
		changing := a.begin()
		for i, c := range changes {
			a.change(changing, int64(i+2), c.change)
			listening.requireSorted(deltaOf(c.delta))
		}
	})
}

func checkInitFromOtherNode(t *trial, here, there *rig) {
	a, b := replicas(t, here, there)
	d := a.begin()
	a.change(d, 2, cr.gcounterDelta(3))
	call := b.call()
	other := b.accept()
	other.require(crdtInit(b.service, b.id, cr.gcounterDelta(3)), b.command(1))
	other.say(b.replied(1))
	call.requireReply(b.kind.response)
}

func checkDeletedEverywhere(t *trial, here, there *rig) {
	a, b := replicas(t, here, there)
	listening := b.begin()
	d := a.begin()
	a.change(d, 2, cr.gcounterDelta(3))
	listening.require(deltaOf(cr.gcounterDelta(3)))
	call := a.call()
	d.require(a.command(3))
	d.say(changedBy(3, cr.deleted()))
	call.requireReply(a.kind.response)
	d.requireHalfClosed()
	listening.require(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delete{Delete: &crdtpb.CrdtDelete{}}})
	listening.requireHalfClosed()
	a.call().requireFailure("Entity deleted")
	b.call().requireFailure("Entity deleted")
}

// checkCombinedDelta changes a CRDT elsewhere while a command is outstanding here.
func checkCombinedDelta(t *trial, here, there *rig) {
	a, b := replicas(t, here, there)
	d := a.begin()
	other := b.begin()
	call := a.call()
	d.require(a.command(2))
	b.change(other, 2, cr.gcounterDelta(3))
	b.change(other, 3, cr.gcounterDelta(4))
	b.awaitReplication(t, a)
	d.say(changedBy(2, cr.changed(cr.gcounterDelta(10))))
	call.requireReply(a.kind.response)
	d.require(deltaOf(cr.gcounterDelta(7)))
	other.require(deltaOf(cr.gcounterDelta(10)))
}

// awaitReplication waits until what was changed here is known on the other node: until what
// is changed after it is known there.
func (s *specimen) awaitReplication(t *trial, to *specimen) {
	marker, listener := replicas(t, s.rig, to.rig)
	listening := listener.begin()
	changing := marker.begin()
	marker.change(changing, 2, cr.gcounterDelta(1))
	listening.require(deltaOf(cr.gcounterDelta(1)))
}

func checkCancelledOut(t *trial, here, there *rig) {
	a, b := replicas(t, here, there)
	d := a.begin()
	other := b.begin()
	b.change(other, 2, cr.orsetDelta(nil, []string{"a"}))
	d.require(deltaOf(cr.orsetDelta(nil, []string{"a"})))
	call := a.call()
	d.require(a.command(2))
	b.change(other, 3, cr.orsetDelta(nil, []string{"b"}))
	b.change(other, 4, cr.orsetDelta([]string{"b"}, nil))
	b.awaitReplication(t, a)
	d.say(a.replied(2))
	call.requireReply(a.kind.response)
	call = a.call()
	d.require(a.command(3)) // and no delta before
	d.say(a.replied(3))
	call.requireReply(a.kind.response)
}

// checkDeltasAfterCancel changes a CRDT elsewhere while a cancellation is outstanding here.
func checkDeltasAfterCancel(t *trial, here, there *rig) {
	w := here.watched(t, watchedName).open()
	b := there.specimen(t, crdtKind, watchedName)
	b.id = w.id
	other := &watched{specimen: b}
	call := other.ask()
	other.d = b.accept()
	other.d.require(other.init(), other.asked(1))
	other.d.say(other.reply(1))
	call.requireReply(w.client.reply)
	w.client.leave()
	w.d.require(streamCancelled(w.id, 1))
	call = other.ask()
	other.d.require(other.asked(2))
	other.d.say(crReply(&crAnswer{CommandId: 2, ClientAction: replyWith(w.client.reply), StateAction: cr.changed(cr.gcounterDelta(3))}))
	call.requireReply(w.client.reply)
	b.awaitReplication(t, w.specimen)
	w.requireCommandNext(2)
	w.d.say(w.confirm())
	w.d.require(deltaOf(cr.gcounterDelta(3)))
}

func checkNoEchoInCluster(t *trial, here, there *rig) {
	a, b := replicas(t, here, there)
	d := a.begin()
	other := b.begin()
	a.change(d, 2, cr.gcounterDelta(3))
	other.require(deltaOf(cr.gcounterDelta(3)))
	b.change(other, 2, cr.gcounterDelta(4))
	d.require(deltaOf(cr.gcounterDelta(4)))
	for id := range int64(2) {
		call := a.call()
		d.require(a.command(id + 3))
		d.say(a.replied(id + 3))
		call.requireReply(a.kind.response)
		call = b.call()
		other.require(b.command(id + 3))
		other.say(b.replied(id + 3))
		call.requireReply(b.kind.response)
	}
}

// checkVotes votes on two nodes. Each is told of the vote of the other, with all numbers.
func checkVotes(t *trial, here, there *rig) {
	a, b := replicas(t, here, there)
	d := a.begin()
	other := b.begin()
	a.change(d, 2, cr.selfVoteDelta(true))
	d.require(deltaOf(cr.voteDelta(true, 1, 2))) // it does not know how many nodes there are
	other.require(deltaOf(cr.voteDelta(false, 1, 2)))
	b.change(other, 2, cr.selfVoteDelta(true))
	d.require(deltaOf(cr.voteDelta(true, 2, 2)))
	a.change(d, 3, cr.selfVoteDelta(false))
	other.require(deltaOf(cr.voteDelta(true, 1, 2)))
}
