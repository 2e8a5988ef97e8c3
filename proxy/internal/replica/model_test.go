package replica_test

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// A model is what a user function holds, in the simplest way that follows the protocol
// (sections 5.2 to 5.9).
type model struct {
	kind    replica.Kind
	number  uint64
	set     map[string]bool
	value   string
	flag    bool
	vote    *crdtpb.VoteDelta
	entries map[string]*model
}

func newModel(kind replica.Kind) *model {
	return &model{kind: kind, set: map[string]bool{}, vote: &crdtpb.VoteDelta{TotalVoters: 1}, entries: map[string]*model{}}
}

// apply is what a user function does with a delta of the proxy.
func (m *model) apply(delta *crdtpb.CrdtDelta) {
	switch d := delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		m.number += d.Gcounter.GetIncrement()
	case *crdtpb.CrdtDelta_Pncounter:
		m.number += uint64(d.Pncounter.GetChange())
	case *crdtpb.CrdtDelta_Gset:
		m.change(false, nil, d.Gset.GetAdded())
	case *crdtpb.CrdtDelta_Orset:
		m.change(d.Orset.GetCleared(), d.Orset.GetRemoved(), d.Orset.GetAdded())
	case *crdtpb.CrdtDelta_Lwwregister:
		m.value = string(d.Lwwregister.GetValue().GetValue())
	case *crdtpb.CrdtDelta_Flag:
		m.flag = m.flag || d.Flag.GetValue()
	case *crdtpb.CrdtDelta_Vote:
		m.vote = d.Vote
	case *crdtpb.CrdtDelta_Ormap:
		m.applyMap(d.Ormap)
	}
}

func (m *model) change(cleared bool, removed, added []*anypb.Any) {
	if cleared {
		clear(m.set)
	}
	for _, e := range removed {
		delete(m.set, string(e.GetValue()))
	}
	for _, e := range added {
		m.set[string(e.GetValue())] = true
	}
}

func (m *model) applyMap(delta *crdtpb.ORMapDelta) {
	if delta.GetCleared() {
		clear(m.entries)
	}
	for _, key := range delta.GetRemoved() {
		delete(m.entries, string(key.GetValue()))
	}
	for _, u := range delta.GetUpdated() {
		if child := m.entries[string(u.GetKey().GetValue())]; child != nil && child.kind == replica.KindOf(u.GetDelta()) {
			child.apply(u.GetDelta())
		}
	}
	for _, a := range delta.GetAdded() {
		child := newModel(replica.KindOf(a.GetDelta()))
		child.apply(a.GetDelta())
		m.entries[string(a.GetKey().GetValue())] = child
	}
}

// full returns the delta that leads to the model.
func (m *model) full() *crdtpb.CrdtDelta {
	members := slices.Sorted(maps.Keys(m.set))
	switch m.kind {
	case replica.GCounter:
		return gcounter(m.number)
	case replica.PNCounter:
		return pncounter(int64(m.number))
	case replica.GSet:
		return gset(members...)
	case replica.ORSet:
		return added(members...)
	case replica.LWWRegister:
		return register(m.value, 0, 0)
	case replica.Flag:
		return flag(m.flag)
	case replica.Vote:
		return vote(m.vote.GetSelfVote(), m.vote.GetVotesFor(), m.vote.GetTotalVoters())
	default:
		delta := &crdtpb.ORMapDelta{}
		for _, key := range slices.Sorted(maps.Keys(m.entries)) {
			delta.Added = append(delta.Added, at(key, m.entries[key].full())...)
		}
		return ormap(delta)
	}
}
