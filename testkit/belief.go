package testkit

import (
	"fmt"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A belief is what a proxy believes that an entity holds: the value of a CRDT, put together
// from the deltas that have passed between them (protocol section 5).
type belief struct {
	kind     string
	counter  int64 // modulo 2^64
	set      map[element]bool
	register element
	flag     bool
	vote     vote
	entries  map[element]*belief
}

type vote struct {
	self          bool
	votes, voters int32
}

// An element is a member of a set, the key of a map, or the value of a register.
type element struct{ url, value string }

// String returns the element as text for people.
func (e element) String() string {
	stored := &anypb.Any{TypeUrl: e.url, Value: []byte(e.value)}
	if m, err := stored.UnmarshalNew(); err == nil {
		return fmt.Sprintf("%s {%s}", m.ProtoReflect().Descriptor().FullName(), prototext.MarshalOptions{EmitUnknown: true}.Format(m))
	}
	text, err := describeStored(stored)
	if err != nil {
		return fmt.Sprintf("%s %q", e.url, e.value)
	}
	return text
}

func elementOf(a *anypb.Any) element {
	return element{a.GetTypeUrl(), string(a.GetValue())}
}

// believe returns what a delta makes of an empty value. It is as the proxy sends it.
func believe(delta *crdtpb.CrdtDelta) *belief {
	b := &belief{}
	b.apply(delta, byProxy)
	return b
}

// A sender is who has sent a delta.
type sender int

const (
	byProxy sender = iota
	byEntity
)

// apply brings the belief up to date with a delta.
func (b *belief) apply(delta *crdtpb.CrdtDelta, by sender) {
	switch d := delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		b.kind = "GCounter"
		b.counter += int64(d.Gcounter.GetIncrement()) //nolint:gosec // modulo 2^64
	case *crdtpb.CrdtDelta_Pncounter:
		b.kind = "PNCounter"
		b.counter += d.Pncounter.GetChange()
	case *crdtpb.CrdtDelta_Gset:
		b.kind = "GSet"
		b.add(d.Gset.GetAdded())
	case *crdtpb.CrdtDelta_Orset:
		b.kind = "ORSet"
		b.remove(d.Orset.GetCleared(), d.Orset.GetRemoved())
		b.add(d.Orset.GetAdded())
	case *crdtpb.CrdtDelta_Lwwregister:
		b.kind = "LWWRegister"
		b.register = elementOf(d.Lwwregister.GetValue())
	case *crdtpb.CrdtDelta_Flag:
		b.kind = "Flag"
		b.flag = b.flag || d.Flag.GetValue()
	case *crdtpb.CrdtDelta_Vote:
		b.kind = "Vote"
		b.vote.apply(d.Vote, by)
	case *crdtpb.CrdtDelta_Ormap:
		b.kind = "ORMap"
		b.applyMap(d.Ormap, by)
	}
}

func (b *belief) add(elements []*anypb.Any) {
	if b.set == nil {
		b.set = map[element]bool{}
	}
	for _, e := range elements {
		b.set[elementOf(e)] = true
	}
}

func (b *belief) remove(all bool, some []*anypb.Any) {
	if all {
		clear(b.set)
		clear(b.entries)
	}
	for _, e := range some {
		delete(b.set, elementOf(e))
		delete(b.entries, elementOf(e))
	}
}

// apply: an entity sends its own vote only, and the proxy counts.
func (v *vote) apply(d *crdtpb.VoteDelta, by sender) {
	self := d.GetSelfVote()
	switch {
	case by == byProxy:
		v.votes, v.voters = d.GetVotesFor(), d.GetTotalVoters()
	case self && !v.self:
		v.votes++
	case v.self && !self:
		v.votes--
	}
	v.self = self
}

func (b *belief) applyMap(d *crdtpb.ORMapDelta, by sender) {
	if b.entries == nil {
		b.entries = map[element]*belief{}
	}
	b.remove(d.GetCleared(), d.GetRemoved())
	for _, e := range d.GetUpdated() {
		if entry := b.entries[elementOf(e.GetKey())]; entry != nil {
			entry.apply(e.GetDelta(), by)
		}
	}
	for _, e := range d.GetAdded() {
		entry := &belief{vote: vote{voters: 1}}
		entry.apply(e.GetDelta(), by)
		b.entries[elementOf(e.GetKey())] = entry
	}
}
