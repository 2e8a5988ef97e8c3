package replica

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// Follow brings what a user function holds up to date with a state, of which the touched
// places may be different, and returns what the user function has to be told, or nil if there
// is no difference. An error says that a delta cannot tell the difference (protocol section
// 5.11); then the view must not be used any more.
func (v *View) Follow(s *State, since *Touched, in Cluster) (*crdtpb.CrdtDelta, error) {
	if since.root == nil {
		return nil, nil //nolint:nilnil // there is no difference, as documented
	}
	return v.follow(s.root, since.root, in)
}

func (v *View) follow(e entry, p *place, in Cluster) (*crdtpb.CrdtDelta, error) {
	kind := e.kind()
	if kind != v.kind {
		return nil, fmt.Errorf("%s has become %s", v.kind, kind)
	}
	switch kind {
	case GSet, ORSet:
		return v.followSet(e[kind], p)
	case ORMap:
		return v.followMap(e[kind], p, in), nil
	default:
		now := e.view(in)
		delta, err := diff(v, now)
		*v = *now
		return delta, err
	}
}

// diff is the difference of CRDTs without elements.
func diff(held, wanted *View) (*crdtpb.CrdtDelta, error) {
	switch {
	case held.counter == wanted.counter && held.value == wanted.value && held.flag == wanted.flag && held.vote == wanted.vote:
		return nil, nil //nolint:nilnil // there is no difference, as documented
	case held.kind == PNCounter:
		return pncounter(wanted.counter.low - held.counter.low), nil
	case held.kind == GCounter && wanted.counter.less(held.counter):
		return nil, errors.New("a GCounter has become smaller")
	case held.kind == GCounter:
		return gcounter(wanted.counter.low - held.counter.low), nil
	case held.flag:
		return nil, errors.New("a Flag is not enabled any more")
	default:
		return wanted.Full(), nil
	}
}

func (v *View) followSet(now *slot, p *place) (*crdtpb.CrdtDelta, error) {
	var removed, added []Element
	for at := range touched(p, p.cells, v.set, now.cells) {
		_, had := v.set[at]
		has := len(now.cells[at]) > 0
		switch {
		case has && !had:
			added = append(added, at)
			v.set[at] = struct{}{}
		case had && !has:
			removed = append(removed, at)
			delete(v.set, at)
		}
	}
	switch {
	case len(removed)+len(added) == 0:
		return nil, nil //nolint:nilnil // there is no difference, as documented
	case v.kind == GSet && len(removed) > 0:
		return nil, errors.New("a GSet has lost elements")
	case v.kind == GSet:
		return gset(added), nil
	case len(removed)+len(added) > len(v.set): // also if nothing is left
		return orset(&crdtpb.ORSetDelta{Cleared: true, Added: anys(v.set)}), nil
	default:
		return orset(&crdtpb.ORSetDelta{Removed: messages(removed), Added: messages(added)}), nil
	}
}

func (v *View) followMap(now *slot, p *place, in Cluster) *crdtpb.CrdtDelta {
	size := len(v.entries)
	var removed, added, updated []Element
	changes := map[Element]*crdtpb.CrdtDelta{}
	for key := range touched(p, p.children, v.entries, now.children) {
		child, held := now.children[key], v.entries[key]
		switch {
		case child.kind() == 0:
			if held != nil {
				removed = append(removed, key)
				delete(v.entries, key)
			}
			continue
		case held != nil:
			change, err := held.follow(child, p.child(key), in)
			if err == nil {
				if change != nil {
					updated, changes[key] = append(updated, key), change
				}
				continue
			}
			removed = append(removed, key) // it is another one
		}
		added, v.entries[key] = append(added, key), child.view(in)
		changes[key] = v.entries[key].Full()
	}
	switch {
	case len(removed)+len(added)+len(updated) == 0:
		return nil
	case len(v.entries) == 0 && size > 0:
		return ormap(&crdtpb.ORMapDelta{Cleared: true})
	}
	list := func(keys []Element) []*crdtpb.ORMapEntryDelta {
		entries := make([]*crdtpb.ORMapEntryDelta, 0, len(keys))
		for _, key := range inOrder(keys) {
			entries = append(entries, &crdtpb.ORMapEntryDelta{Key: key.Any(), Delta: changes[key]})
		}
		return entries
	}
	return ormap(&crdtpb.ORMapDelta{Removed: messages(removed), Updated: list(updated), Added: list(added)})
}

// Full returns the delta that leads from nothing to the view.
func (v *View) Full() *crdtpb.CrdtDelta {
	switch v.kind {
	case GCounter:
		return gcounter(v.counter.low)
	case PNCounter:
		return pncounter(v.counter.low)
	case GSet:
		return gset(slices.Collect(maps.Keys(v.set)))
	case ORSet:
		return orset(&crdtpb.ORSetDelta{Added: anys(v.set)})
	case LWWRegister:
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: &crdtpb.LWWRegisterDelta{Value: v.value.Any()}}}
	case Flag:
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: v.flag}}}
	case ORMap:
		delta := &crdtpb.ORMapDelta{}
		for _, key := range sorted(v.entries) {
			delta.Added = append(delta.Added, &crdtpb.ORMapEntryDelta{Key: key.Any(), Delta: v.entries[key].Full()})
		}
		return ormap(delta)
	default:
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{
			SelfVote: v.vote.self, VotesFor: v.vote.votes, TotalVoters: v.vote.members,
		}}}
	}
}

func gcounter(by uint64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: by}}}
}

func pncounter(by uint64) *crdtpb.CrdtDelta {
	change := int64(by) //nolint:gosec // modulo 2^64
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: change}}}
}

func gset(added []Element) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: messages(added)}}}
}

func orset(delta *crdtpb.ORSetDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: delta}}
}

func ormap(delta *crdtpb.ORMapDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: delta}}
}

// messages returns elements as messages, in order.
func messages(elements []Element) []*anypb.Any {
	list := make([]*anypb.Any, 0, len(elements))
	for _, e := range inOrder(elements) {
		list = append(list, e.Any())
	}
	return list
}

// anys returns the members of a set as messages, in order.
func anys(set map[Element]struct{}) []*anypb.Any {
	return messages(slices.Collect(maps.Keys(set)))
}
