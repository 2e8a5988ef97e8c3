package crdt

import (
	"errors"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A Vote is a question on which each node votes. Make it with [NewVote].
//
// There is one vote per node of the proxy, however many clients there are. Nodes that have
// not voted are against.
type Vote struct {
	node

	self        bool
	votesFor    int32
	totalVoters int32
	pending     bool // the vote of this node is another than the one that was sent
}

// NewVote returns a vote in which this node is the only voter, and against.
func NewVote() *Vote { return &Vote{totalVoters: 1} }

// SelfVote returns the vote of this node.
func (v *Vote) SelfVote() bool { return v.self }

// VotesFor returns how many nodes have voted for it.
func (v *Vote) VotesFor() int { return int(v.votesFor) }

// TotalVoters returns how many nodes there are. The number is as old as the last change that
// has arrived from the proxy.
func (v *Vote) TotalVoters() int { return int(v.totalVoters) }

// AtLeastOne reports whether any node has voted for it.
func (v *Vote) AtLeastOne() bool { return v.votesFor > 0 }

// Majority reports whether more than half of the nodes have voted for it.
func (v *Vote) Majority() bool { return v.votesFor > v.totalVoters/2 }

// All reports whether all nodes have voted for it.
func (v *Vote) All() bool { return v.votesFor == v.totalVoters }

// Set sets the vote of this node.
func (v *Vote) Set(vote bool) {
	v.permit()
	if v.self == vote {
		return
	}
	v.self = vote
	if vote {
		v.votesFor++
	} else {
		v.votesFor--
	}
	v.pending = !v.pending
	v.touch()
}

func (v *Vote) usable() error {
	if v.totalVoters == 0 {
		return errors.New("the Vote has no voters; make it with crdt.NewVote")
	}
	return nil
}

func (v *Vote) check() error { return v.usable() }

func (v *Vote) changed() bool { return v.pending }

// delta has the vote of this node only; to count is the task of the proxy (protocol section
// 5.9).
func (v *Vote) delta() *crdtpb.CrdtDelta { return voteDelta(&crdtpb.VoteDelta{SelfVote: v.self}) }

func (v *Vote) reset() { v.pending = false }

func (v *Vote) prepare(delta *crdtpb.CrdtDelta) (func(), error) {
	d, ok := delta.GetDelta().(*crdtpb.CrdtDelta_Vote)
	if !ok {
		return nil, mismatch(delta, "Vote")
	}
	return func() {
		v.self, v.votesFor, v.totalVoters = d.Vote.GetSelfVote(), d.Vote.GetVotesFor(), d.Vote.GetTotalVoters()
	}, nil
}

func (v *Vote) state() *crdtpb.CrdtDelta {
	return voteDelta(&crdtpb.VoteDelta{SelfVote: v.self, VotesFor: v.votesFor, TotalVoters: v.totalVoters})
}

func voteDelta(d *crdtpb.VoteDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: d}}
}
