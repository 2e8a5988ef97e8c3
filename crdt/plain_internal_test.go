package crdt

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// What a proxy knows of the value of a user function is a plain value: here the delta that
// makes it from an empty one.

// overlay returns a plain value after a delta, by the rules of protocol section 5.
func overlay(old, delta *crdtpb.CrdtDelta) *crdtpb.CrdtDelta {
	switch d := delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		return gcounterDelta(old.GetGcounter().GetIncrement() + d.Gcounter.GetIncrement())
	case *crdtpb.CrdtDelta_Pncounter:
		return pncounterDelta(old.GetPncounter().GetChange() + d.Pncounter.GetChange())
	case *crdtpb.CrdtDelta_Gset:
		return gsetDelta(sortedKeys(append(slices.Clone(old.GetGset().GetAdded()), d.Gset.GetAdded()...)))
	case *crdtpb.CrdtDelta_Orset:
		elements := slices.Clone(old.GetOrset().GetAdded())
		if d.Orset.GetCleared() {
			elements = nil
		}
		elements = slices.DeleteFunc(elements, func(a *anypb.Any) bool { return contains(d.Orset.GetRemoved(), a) })
		return orsetDelta(&crdtpb.ORSetDelta{Added: sortedKeys(append(elements, d.Orset.GetAdded()...))})
	case *crdtpb.CrdtDelta_Lwwregister:
		return lwwregisterDelta(&crdtpb.LWWRegisterDelta{Value: d.Lwwregister.GetValue()})
	case *crdtpb.CrdtDelta_Flag:
		return flagDelta(old.GetFlag().GetValue() || d.Flag.GetValue())
	case *crdtpb.CrdtDelta_Vote:
		return voteDelta(d.Vote)
	default:
		return overlayMap(old, delta.GetOrmap())
	}
}

func overlayMap(old *crdtpb.CrdtDelta, d *crdtpb.ORMapDelta) *crdtpb.CrdtDelta {
	values := entryMap(old)
	if d.GetCleared() {
		clear(values)
	}
	for _, key := range d.GetRemoved() {
		delete(values, keyOf(key))
	}
	for _, e := range d.GetUpdated() {
		if known := values[keyOf(e.GetKey())]; known != nil {
			values[keyOf(e.GetKey())] = &crdtpb.ORMapEntryDelta{Key: e.GetKey(), Delta: overlay(known.GetDelta(), e.GetDelta())}
		}
	}
	for _, e := range d.GetAdded() {
		values[keyOf(e.GetKey())] = &crdtpb.ORMapEntryDelta{Key: e.GetKey(), Delta: overlay(nil, e.GetDelta())}
	}
	return mapState(values)
}

// overlayVote returns a plain vote after a delta of a user function, which has its own vote
// only.
func overlayVote(old *crdtpb.VoteDelta, self bool) *crdtpb.VoteDelta {
	d := &crdtpb.VoteDelta{SelfVote: self, VotesFor: old.GetVotesFor(), TotalVoters: max(old.GetTotalVoters(), 1)}
	switch {
	case self && !old.GetSelfVote():
		d.VotesFor++
	case !self && old.GetSelfVote():
		d.VotesFor--
	}
	return d
}

// completed returns a delta of a user function with what it means for the votes in it.
func completed(old, delta *crdtpb.CrdtDelta) *crdtpb.CrdtDelta {
	if delta.GetVote() != nil {
		return voteDelta(overlayVote(old.GetVote(), delta.GetVote().GetSelfVote()))
	}
	if delta.GetOrmap() == nil {
		return delta
	}
	full := proto.CloneOf(delta)
	known := entryMap(old)
	for _, e := range full.GetOrmap().GetUpdated() {
		e.Delta = completed(known[keyOf(e.GetKey())].GetDelta(), e.GetDelta())
	}
	for _, e := range full.GetOrmap().GetAdded() {
		e.Delta = completed(nil, e.GetDelta())
	}
	return full
}

// difference returns the delta that a proxy sends when a user function holds old and the
// replica is now (protocol section 5.11). It is nil if there is no difference, and not ok if
// no delta can express it.
func difference(old, now *crdtpb.CrdtDelta) (delta *crdtpb.CrdtDelta, ok bool) {
	if proto.Equal(old, now) {
		return nil, true
	}
	switch n := now.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		before, after := old.GetGcounter().GetIncrement(), n.Gcounter.GetIncrement()
		return gcounterDelta(after - before), after >= before
	case *crdtpb.CrdtDelta_Pncounter:
		return pncounterDelta(n.Pncounter.GetChange() - old.GetPncounter().GetChange()), true
	case *crdtpb.CrdtDelta_Gset:
		before, after := old.GetGset().GetAdded(), n.Gset.GetAdded()
		return gsetDelta(without(after, before)), len(without(before, after)) == 0
	case *crdtpb.CrdtDelta_Orset:
		return orsetDelta(setDifference(old.GetOrset().GetAdded(), n.Orset.GetAdded())), true
	case *crdtpb.CrdtDelta_Flag:
		return now, n.Flag.GetValue()
	case *crdtpb.CrdtDelta_Ormap:
		return ormapDelta(mapDifference(entryMap(old), entryMap(now))), true
	default:
		return now, true
	}
}

func setDifference(old, now []*anypb.Any) *crdtpb.ORSetDelta {
	d := &crdtpb.ORSetDelta{Removed: without(old, now), Added: without(now, old)}
	if len(now) == 0 || len(d.GetRemoved())+len(d.GetAdded()) > len(now) {
		return &crdtpb.ORSetDelta{Cleared: true, Added: now}
	}
	return d
}

func mapDifference(old, now map[string]*crdtpb.ORMapEntryDelta) *crdtpb.ORMapDelta {
	if len(now) == 0 {
		return &crdtpb.ORMapDelta{Cleared: true}
	}
	d := &crdtpb.ORMapDelta{}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if now[key] == nil {
			d.Removed = append(d.Removed, old[key].GetKey())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(now)) {
		e := now[key]
		if old[key] == nil {
			d.Added = append(d.Added, e)
			continue
		}
		delta, ok := difference(old[key].GetDelta(), e.GetDelta())
		switch {
		case !ok:
			d.Removed = append(d.Removed, e.GetKey())
			d.Added = append(d.Added, e)
		case delta != nil:
			d.Updated = append(d.Updated, &crdtpb.ORMapEntryDelta{Key: e.GetKey(), Delta: delta})
		}
	}
	return d
}

func keyOf(a *anypb.Any) string { return a.GetTypeUrl() + "\x00" + string(a.GetValue()) }

func contains(all []*anypb.Any, a *anypb.Any) bool {
	return slices.ContainsFunc(all, func(b *anypb.Any) bool { return keyOf(a) == keyOf(b) })
}

func without(a, b []*anypb.Any) []*anypb.Any {
	return slices.DeleteFunc(slices.Clone(a), func(x *anypb.Any) bool { return contains(b, x) })
}

// sortedKeys returns keys in their order, each once.
func sortedKeys(all []*anypb.Any) []*anypb.Any {
	once := map[string]*anypb.Any{}
	for _, a := range all {
		once[keyOf(a)] = a
	}
	sorted := make([]*anypb.Any, 0, len(once))
	for _, key := range slices.Sorted(maps.Keys(once)) {
		sorted = append(sorted, once[key])
	}
	return sorted
}

func entryMap(state *crdtpb.CrdtDelta) map[string]*crdtpb.ORMapEntryDelta {
	all := map[string]*crdtpb.ORMapEntryDelta{}
	for _, e := range state.GetOrmap().GetAdded() {
		all[keyOf(e.GetKey())] = e
	}
	return all
}

func mapState(values map[string]*crdtpb.ORMapEntryDelta) *crdtpb.CrdtDelta {
	d := &crdtpb.ORMapDelta{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		d.Added = append(d.Added, values[key])
	}
	return ormapDelta(d)
}
