package conformance

import (
	"math"

	"github.com/stretchr/testify/require"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
)

var crdtCounterChecks = checks[*userFunction]{
	"P-140": {
		"increments add up":                countsUp,
		"an increment of zero":             countsNothing,
		"increments of other nodes":        countsWithOthers,
		"an increment of more than 2^63-1": rejectsHugeIncrement,
	},
	"P-141": {
		"changes add up":          countsBothWays,
		"changes that cancel out": countsBackAndForth,
		"changes of other nodes":  countsBothWaysWithOthers,
	},
	"P-147": {
		"enabled twice":         enablesOnce,
		"a delta that is false": keepsEnabled,
		"enabled elsewhere":     enabledElsewhere,
	},
	"P-151": {
		"votes":                     votes,
		"a vote and its revocation": votesBackAndForth,
		"votes of other nodes":      votesWithOthers,
	},
}

func countsUp(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", nil)
	e.update(cr.gcounter(6), cr.gcounterDelta(6), cr.increment(1), cr.increment(2), cr.increment(3))
	e.update(cr.gcounter(10), cr.gcounterDelta(4), cr.increment(4))
	e.read(cr.gcounter(10))
	e.passivate()
}

func countsNothing(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", cr.gcounterDelta(5))
	e.update(cr.gcounter(5), nil, cr.increment(0))
	e.passivate()
}

func countsWithOthers(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", cr.gcounterDelta(42))
	e.update(cr.gcounter(49), cr.gcounterDelta(7), cr.increment(7))
	e.delta(cr.gcounterDelta(53))
	e.read(cr.gcounter(102))
	e.passivate()
}

// rejectsHugeIncrement accepts both ways to refuse: to fail the command, or to give the
// activation up.
func rejectsHugeIncrement(t *trial, u *userFunction) {
	e := u.crdt(t, "GCounter", cr.gcounterDelta(5))
	e.call("Process", &pb.Request{Id: e.id, Actions: cr.updates(cr.increment(math.MaxInt64 + 1))})
	got := e.next("the answer to an increment of 2^63")
	if got.GetFailure() != nil {
		e.expectEnd()
		return
	}
	failure := got.GetReply().GetClientAction().GetFailure()
	require.NotNil(t, failure, "an increment of 2^63, which proxies refuse, has to fail; received %v", got)
	require.EqualValues(t, 1, failure.GetCommandId(), "the command id of the failure %v", failure)
	requireEqual(t, crReply(&crAnswer{CommandId: 1, ClientAction: got.GetReply().GetClientAction()}), got, "the answer to an increment of 2^63")
	e.read(cr.gcounter(5))
	e.passivate()
}

func countsBothWays(t *trial, u *userFunction) {
	e := u.crdt(t, "PNCounter", nil)
	e.update(cr.pncounter(2), cr.pncounterDelta(2), cr.change(1), cr.change(-2), cr.change(3))
	e.update(cr.pncounter(-2), cr.pncounterDelta(-4), cr.change(-4))
	e.read(cr.pncounter(-2))
	e.passivate()
}

func countsBackAndForth(t *trial, u *userFunction) {
	e := u.crdt(t, "PNCounter", nil)
	e.update(cr.pncounter(0), nil, cr.change(3), cr.change(-3))
	e.update(cr.pncounter(1), cr.pncounterDelta(1), cr.change(1))
	e.passivate()
}

func countsBothWaysWithOthers(t *trial, u *userFunction) {
	e := u.crdt(t, "PNCounter", nil)
	e.update(cr.pncounter(-7), cr.pncounterDelta(-7), cr.change(-7))
	e.delta(cr.pncounterDelta(-53))
	e.update(cr.pncounter(-59), cr.pncounterDelta(1), cr.change(1))
	e.passivate()
}

func enablesOnce(t *trial, u *userFunction) {
	e := u.crdt(t, "Flag", nil)
	e.update(cr.flag(true), cr.flagDelta(true), cr.enable(), cr.enable())
	e.update(cr.flag(true), nil, cr.enable())
	e.passivate()
}

func keepsEnabled(t *trial, u *userFunction) {
	e := u.crdt(t, "Flag", nil)
	e.update(cr.flag(true), cr.flagDelta(true), cr.enable())
	e.delta(cr.flagDelta(false))
	e.read(cr.flag(true))
	e.passivate()
}

func enabledElsewhere(t *trial, u *userFunction) {
	e := u.crdt(t, "Flag", nil)
	e.delta(cr.flagDelta(true))
	e.update(cr.flag(true), nil, cr.enable())
	e.passivate()
}

func votes(t *trial, u *userFunction) {
	e := u.crdt(t, "Vote", nil)
	e.update(cr.votes(true, 1, 1), cr.selfVoteDelta(true), cr.vote(true), cr.vote(true))
	e.update(cr.votes(true, 1, 1), nil, cr.vote(true))
	e.update(cr.votes(false, 0, 1), cr.selfVoteDelta(false), cr.vote(false))
	e.passivate()
}

func votesBackAndForth(t *trial, u *userFunction) {
	e := u.crdt(t, "Vote", cr.voteDelta(false, 1, 3))
	e.update(cr.votes(false, 1, 3), nil, cr.vote(true), cr.vote(false))
	e.update(cr.votes(true, 2, 3), cr.selfVoteDelta(true), cr.vote(true))
	e.passivate()
}

func votesWithOthers(t *trial, u *userFunction) {
	e := u.crdt(t, "Vote", nil)
	e.update(cr.votes(true, 1, 1), cr.selfVoteDelta(true), cr.vote(true))
	e.delta(cr.voteDelta(true, 2, 3))
	e.read(cr.votes(true, 2, 3))
	e.update(cr.votes(false, 1, 3), cr.selfVoteDelta(false), cr.vote(false))
	e.delta(cr.voteDelta(true, 4, 5))
	e.read(cr.votes(true, 4, 5))
	e.passivate()
}
