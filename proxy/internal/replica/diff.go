package replica

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// Diff returns what a user function that holds one view has to be told so that it holds
// another, or nil if there is no difference. A user function that holds nothing has nil.
// An error says that a delta cannot tell the difference (protocol section 5.11).
func Diff(held, wanted *View) (*crdtpb.CrdtDelta, error) {
	switch {
	case wanted == nil && held == nil:
		return nil, nil //nolint:nilnil // there is no difference, as documented
	case wanted == nil:
		return nil, fmt.Errorf("%s does not exist any more", held.kind)
	case held == nil:
		return wanted.Full(), nil
	case held.kind != wanted.kind:
		return nil, fmt.Errorf("%s has become %s", held.kind, wanted.kind)
	}
	switch held.kind {
	case GSet:
		return gsetDiff(held, wanted)
	case ORSet:
		return orsetDiff(held, wanted), nil
	case ORMap:
		return ormapDiff(held, wanted), nil
	default:
		return plainDiff(held, wanted)
	}
}

// plainDiff is Diff for what has no elements.
func plainDiff(held, wanted *View) (*crdtpb.CrdtDelta, error) {
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

func gsetDiff(held, wanted *View) (*crdtpb.CrdtDelta, error) {
	removed, added := minus(held.set, wanted.set), minus(wanted.set, held.set)
	if len(removed) > 0 {
		return nil, errors.New("a GSet has lost elements")
	}
	if len(added) == 0 {
		return nil, nil //nolint:nilnil // as documented
	}
	return gset(added), nil
}

func orsetDiff(held, wanted *View) *crdtpb.CrdtDelta {
	removed, added := minus(held.set, wanted.set), minus(wanted.set, held.set)
	switch {
	case len(removed)+len(added) == 0:
		return nil
	case len(removed)+len(added) > len(wanted.set): // also if nothing is left
		return orset(&crdtpb.ORSetDelta{Cleared: true, Added: anys(wanted.set)})
	default:
		return orset(&crdtpb.ORSetDelta{Removed: messages(removed), Added: messages(added)})
	}
}

func ormapDiff(held, wanted *View) *crdtpb.CrdtDelta {
	removed, added := minus(held.entries, wanted.entries), minus(wanted.entries, held.entries)
	delta := &crdtpb.ORMapDelta{}
	if len(wanted.entries) == 0 && len(held.entries) > 0 {
		delta.Cleared = true
		return ormap(delta)
	}
	for _, key := range sorted(held.entries) {
		now := wanted.entries[key]
		if now == nil {
			continue
		}
		change, err := Diff(held.entries[key], now)
		switch {
		case err != nil: // it is another one
			removed, added = append(removed, key), append(added, key)
		case change != nil:
			delta.Updated = append(delta.Updated, &crdtpb.ORMapEntryDelta{Key: key.Any(), Delta: change})
		}
	}
	if len(removed)+len(added)+len(delta.GetUpdated()) == 0 {
		return nil
	}
	delta.Removed = messages(removed)
	for _, key := range added {
		delta.Added = append(delta.Added, &crdtpb.ORMapEntryDelta{Key: key.Any(), Delta: wanted.entries[key].Full()})
	}
	return ormap(delta)
}

// minus returns the keys of a that b does not have, sorted.
func minus[V any](a, b map[Element]V) []Element {
	return slices.SortedFunc(func(yield func(Element) bool) {
		for e := range maps.Keys(a) {
			if _, found := b[e]; !found && !yield(e) {
				return
			}
		}
	}, Element.compare)
}

// Full returns the delta that leads from nothing to the view.
func (v *View) Full() *crdtpb.CrdtDelta {
	switch v.kind {
	case GCounter:
		return gcounter(v.counter.low)
	case PNCounter:
		return pncounter(v.counter.low)
	case GSet:
		return gset(sorted(v.set))
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

// messages returns elements as messages.
func messages(elements []Element) []*anypb.Any {
	list := make([]*anypb.Any, 0, len(elements))
	for _, e := range elements {
		list = append(list, e.Any())
	}
	return list
}

// anys returns the members of a set as messages, sorted.
func anys(set map[Element]struct{}) []*anypb.Any {
	return messages(sorted(set))
}
