package replica

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// maxDepth is how deep maps may be nested in maps.
const maxDepth = 64

// A View is the plain value of a CRDT, as a user function holds it.
type View struct {
	kind    Kind
	counter wide // of counters; the low half of it is the value
	set     map[Element]struct{}
	value   Element // of registers
	flag    bool
	entries map[Element]*View
	vote    vote
}

type vote struct {
	self           bool
	votes, members int32
}

// NewView returns an empty CRDT of a type, in a cluster of one node.
func NewView(kind Kind) *View {
	v := &View{kind: kind}
	switch kind {
	case Vote:
		v.vote.members = 1
	case GSet, ORSet:
		v.set = map[Element]struct{}{}
	case ORMap:
		v.entries = map[Element]*View{}
	default: // the zero value is empty
	}
	return v
}

// Kind returns the type of the CRDT.
func (v *View) Kind() Kind { return v.kind }

// A Cluster is what a node knows of its cluster: who may vote.
type Cluster struct {
	// Self is the node.
	Self string
	// Others are the other nodes.
	Others []string
}

// View returns the plain value of a state for the user function of a node, or nil if there
// is no CRDT.
func (s *State) View(in Cluster) *View {
	if !s.Exists() {
		return nil
	}
	return s.root.view(in)
}

func (e entry) view(in Cluster) *View {
	kind := e.kind()
	s, v := e[kind], NewView(kind)
	only := s.cells[Element{}]
	switch kind {
	case GCounter:
		for _, w := range only {
			v.counter = v.counter.plus(w.number)
		}
	case PNCounter:
		for _, w := range only {
			v.counter.low += w.number.low
		}
	case GSet, ORSet:
		for at, cell := range s.cells {
			if len(cell) > 0 {
				v.set[at] = struct{}{}
			}
		}
	case LWWRegister:
		v.value = only.latest().value
	case Flag:
		v.flag = len(only) > 0
	case ORMap:
		for key, child := range s.children {
			if child.kind() != 0 {
				v.entries[key] = child.view(in)
			}
		}
	case Vote:
		v.vote = only.vote(in)
	}
	return v
}

// vote counts votes: of each node of the cluster the last one. Nodes that have left do not
// vote any more (protocol section 5.9).
func (w writes) vote(in Cluster) vote {
	last := make(map[string]write, len(w))
	for _, x := range w {
		if x.seq > last[x.node].seq {
			last[x.node] = x
		}
	}
	isFor := func(node string) bool { return last[node].number.low == 1 }
	v := vote{self: isFor(in.Self), members: int32(min(1+len(in.Others), math.MaxInt32))}
	if v.self {
		v.votes++
	}
	for _, node := range in.Others {
		if isFor(node) {
			v.votes++
		}
	}
	return v
}

// Apply does what a delta of the user function says that it has done. An error means that
// the delta makes no sense for what the user function holds; its text is for the user
// function (protocol section 3.5.3). The view must not be used after an error.
func (v *View) Apply(delta *crdtpb.CrdtDelta) error {
	return v.apply(delta, 0)
}

func (v *View) apply(delta *crdtpb.CrdtDelta, depth int) error {
	if err := v.fits(KindOf(delta), depth); err != nil {
		return err
	}
	switch d := delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		if by := d.Gcounter.GetIncrement(); by > math.MaxInt64 {
			return fmt.Errorf("Cannot decrement a GCounter, requested amount was %d", int64(by)) //nolint:staticcheck,gosec // the text of the protocol, in which it is negative
		}
		v.counter = v.counter.plus(wide{low: d.Gcounter.GetIncrement()})
	case *crdtpb.CrdtDelta_Pncounter:
		v.counter.low += uint64(d.Pncounter.GetChange()) //nolint:gosec // modulo 2^64
	case *crdtpb.CrdtDelta_Gset:
		v.add(d.Gset.GetAdded())
	case *crdtpb.CrdtDelta_Orset:
		if d.Orset.GetCleared() {
			clear(v.set)
		}
		for _, e := range d.Orset.GetRemoved() {
			delete(v.set, ElementOf(e))
		}
		v.add(d.Orset.GetAdded())
	case *crdtpb.CrdtDelta_Lwwregister:
		v.value = ElementOf(d.Lwwregister.GetValue())
	case *crdtpb.CrdtDelta_Flag:
		if v.flag && !d.Flag.GetValue() {
			return errors.New("Cannot switch off already enabled flag") //nolint:staticcheck // the text of the protocol
		}
		v.flag = d.Flag.GetValue()
	case *crdtpb.CrdtDelta_Ormap:
		return v.applyMap(d.Ormap, depth)
	case *crdtpb.CrdtDelta_Vote:
		v.vote.choose(d.Vote.GetSelfVote())
	}
	return nil
}

// fits returns why a delta of a type cannot be for this CRDT.
func (v *View) fits(kind Kind, depth int) error {
	switch {
	case kind == 0:
		return errors.New("Empty delta") //nolint:staticcheck // the text of the protocol
	case kind != v.kind:
		return fmt.Errorf("%sDelta is incompatible with CRDT %s", kind, v.kind)
	case depth > maxDepth:
		return fmt.Errorf("ORMapDelta is nested more than %d levels deep", maxDepth)
	default:
		return nil
	}
}

func (v *View) add(elements []*anypb.Any) {
	for _, e := range elements {
		v.set[ElementOf(e)] = struct{}{}
	}
}

// choose sets the vote of this node.
func (v *vote) choose(self bool) {
	switch {
	case self && !v.self:
		v.votes++
	case !self && v.self:
		v.votes--
	}
	v.self = self
}

// applyMap does what a user function has done to a map (protocol section 5.8).
func (v *View) applyMap(delta *crdtpb.ORMapDelta, depth int) error {
	if delta.GetCleared() {
		clear(v.entries)
	}
	for _, key := range delta.GetRemoved() {
		delete(v.entries, ElementOf(key))
	}
	for _, updated := range delta.GetUpdated() {
		child := v.entries[ElementOf(updated.GetKey())]
		if child == nil || KindOf(updated.GetDelta()) != child.kind {
			continue
		}
		if err := child.apply(updated.GetDelta(), depth+1); err != nil {
			return err
		}
	}
	for _, added := range delta.GetAdded() {
		key := ElementOf(added.GetKey())
		child := v.entries[key]
		if child == nil {
			child = NewView(KindOf(added.GetDelta()))
			v.entries[key] = child
		}
		if err := child.apply(added.GetDelta(), depth+1); err != nil {
			return err
		}
	}
	return nil
}
