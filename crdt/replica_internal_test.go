package crdt

import (
	"cmp"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

const nodes = 3

// A replica is what the proxy of a node holds: a value that can be merged with those of other
// nodes (protocol section 5.12). It is written for simplicity.
type replica interface {
	// apply makes the change of a user function.
	apply(n *replicaNode, delta *crdtpb.CrdtDelta)
	// merge merges another replica of the same type, which it leaves alone.
	merge(other replica)
	// plain returns the plain value, as a node sees it.
	plain(node int) *crdtpb.CrdtDelta
	clone() replica
}

// as returns a replica as what it is: those of one CRDT have the same type.
func as[R replica](r replica) R { return r.(R) } //nolint:errcheck // see above

// replicaNode is where a change is made, and when.
type replicaNode struct {
	index int
	dots  *uint64 // the number of changes that the node has made
	now   int64
}

func newReplica(variant *crdtpb.CrdtDelta) replica {
	switch variant.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		return &gcounterReplica{}
	case *crdtpb.CrdtDelta_Pncounter:
		return &pncounterReplica{}
	case *crdtpb.CrdtDelta_Gset:
		return gsetReplica{}
	case *crdtpb.CrdtDelta_Orset:
		return &orsetReplica{newObserved[*anypb.Any]()}
	case *crdtpb.CrdtDelta_Lwwregister:
		return &registerReplica{}
	case *crdtpb.CrdtDelta_Flag:
		return new(flagReplica)
	case *crdtpb.CrdtDelta_Vote:
		return &voteReplica{}
	default:
		return &ormapReplica{newObserved[mapEntry]()}
	}
}

type gcounterReplica [nodes]uint64

func (r *gcounterReplica) apply(n *replicaNode, delta *crdtpb.CrdtDelta) {
	r[n.index] += delta.GetGcounter().GetIncrement()
}

func (r *gcounterReplica) merge(other replica) {
	for i, count := range as[*gcounterReplica](other) {
		r[i] = max(r[i], count)
	}
}

func (r *gcounterReplica) sum() (sum uint64) {
	for _, count := range r {
		sum += count
	}
	return sum
}

func (r *gcounterReplica) plain(int) *crdtpb.CrdtDelta { return gcounterDelta(r.sum()) }

func (r *gcounterReplica) clone() replica {
	c := *r
	return &c
}

type pncounterReplica struct{ up, down gcounterReplica }

func (r *pncounterReplica) apply(n *replicaNode, delta *crdtpb.CrdtDelta) {
	change := delta.GetPncounter().GetChange()
	r.up[n.index] += uint64(max(change, 0))
	r.down[n.index] += uint64(-min(change, 0))
}

func (r *pncounterReplica) merge(other replica) {
	o := as[*pncounterReplica](other)
	r.up.merge(&o.up)
	r.down.merge(&o.down)
}

func (r *pncounterReplica) plain(int) *crdtpb.CrdtDelta {
	return pncounterDelta(int64(r.up.sum() - r.down.sum()))
}

func (r *pncounterReplica) clone() replica {
	c := *r
	return &c
}

type gsetReplica map[string]*anypb.Any

func (r gsetReplica) apply(_ *replicaNode, delta *crdtpb.CrdtDelta) {
	for _, a := range delta.GetGset().GetAdded() {
		r[keyOf(a)] = a
	}
}

func (r gsetReplica) merge(other replica) { maps.Copy(r, as[gsetReplica](other)) }

func (r gsetReplica) plain(int) *crdtpb.CrdtDelta {
	return gsetDelta(sortedKeys(slices.Collect(maps.Values(r))))
}

func (r gsetReplica) clone() replica { return maps.Clone(r) }

// A dot is the name of a change: the node that made it and the number that it gave it.
type dot struct {
	node   int
	number uint64
}

// observed has what was added and not removed by anybody who had seen the addition.
type observed[V any] struct {
	live map[dot]V
	seen [nodes]uint64
}

func newObserved[V any]() observed[V] { return observed[V]{live: map[dot]V{}} }

func (o *observed[V]) add(n *replicaNode, v V) {
	*n.dots++
	o.live[dot{n.index, *n.dots}] = v
	o.seen[n.index] = *n.dots
}

func (o *observed[V]) remove(matches func(V) bool) {
	maps.DeleteFunc(o.live, func(_ dot, v V) bool { return matches(v) })
}

func (o *observed[V]) mergeObserved(other *observed[V]) {
	before := maps.Clone(o.live)
	maps.DeleteFunc(o.live, func(d dot, _ V) bool {
		_, there := other.live[d]
		return !there && d.number <= other.seen[d.node]
	})
	for d, v := range other.live {
		if _, here := before[d]; !here && d.number > o.seen[d.node] {
			o.live[d] = v
		}
	}
	for i := range o.seen {
		o.seen[i] = max(o.seen[i], other.seen[i])
	}
}

func (o *observed[V]) cloneObserved() observed[V] {
	return observed[V]{live: maps.Clone(o.live), seen: o.seen}
}

type orsetReplica struct{ observed[*anypb.Any] }

func (r *orsetReplica) apply(n *replicaNode, delta *crdtpb.CrdtDelta) {
	d := delta.GetOrset()
	r.remove(func(a *anypb.Any) bool { return d.GetCleared() || contains(d.GetRemoved(), a) })
	for _, a := range d.GetAdded() {
		r.add(n, a)
	}
}

func (r *orsetReplica) merge(other replica) { r.mergeObserved(&as[*orsetReplica](other).observed) }

func (r *orsetReplica) plain(int) *crdtpb.CrdtDelta {
	return orsetDelta(&crdtpb.ORSetDelta{Added: sortedKeys(slices.Collect(maps.Values(r.live)))})
}

func (r *orsetReplica) clone() replica { return &orsetReplica{r.cloneObserved()} }

type registerReplica struct {
	value *anypb.Any
	time  int64
	node  int
}

func (r *registerReplica) apply(n *replicaNode, delta *crdtpb.CrdtDelta) {
	d := delta.GetLwwregister()
	write := &registerReplica{value: d.GetValue(), node: n.index}
	switch d.GetClock() {
	case crdtpb.CrdtClock_REVERSE:
		write.time = min(-n.now, r.time-1)
	case crdtpb.CrdtClock_CUSTOM:
		write.time = d.GetCustomClockValue()
	case crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT:
		write.time = max(d.GetCustomClockValue(), r.time+1)
	default:
		write.time = max(n.now, r.time+1)
	}
	r.merge(write)
}

func (r *registerReplica) merge(other replica) {
	o := as[*registerReplica](other)
	if r.value == nil || o.time > r.time || o.time == r.time && o.node < r.node {
		*r = *o
	}
}

func (r *registerReplica) plain(int) *crdtpb.CrdtDelta {
	return lwwregisterDelta(&crdtpb.LWWRegisterDelta{Value: r.value})
}

func (r *registerReplica) clone() replica {
	c := *r
	return &c
}

type flagReplica bool

func (r *flagReplica) apply(_ *replicaNode, delta *crdtpb.CrdtDelta) {
	*r = *r || flagReplica(delta.GetFlag().GetValue())
}

func (r *flagReplica) merge(other replica)         { *r = *r || *as[*flagReplica](other) }
func (r *flagReplica) plain(int) *crdtpb.CrdtDelta { return flagDelta(bool(*r)) }

func (r *flagReplica) clone() replica {
	c := *r
	return &c
}

// voteReplica counts how often each node has changed its mind.
type voteReplica struct{ flips gcounterReplica }

func (r *voteReplica) apply(n *replicaNode, delta *crdtpb.CrdtDelta) {
	if r.votes(n.index) != delta.GetVote().GetSelfVote() {
		r.flips[n.index]++
	}
}

func (r *voteReplica) votes(node int) bool { return r.flips[node]%2 == 1 }

func (r *voteReplica) merge(other replica) { r.flips.merge(&as[*voteReplica](other).flips) }

func (r *voteReplica) plain(node int) *crdtpb.CrdtDelta {
	d := &crdtpb.VoteDelta{SelfVote: r.votes(node), TotalVoters: nodes}
	for i := range nodes {
		if r.votes(i) {
			d.VotesFor++
		}
	}
	return voteDelta(d)
}

func (r *voteReplica) clone() replica {
	c := *r
	return &c
}

// ormapReplica keeps a value for each dot, which does not change; to change an entry is to
// add it again.
type ormapReplica struct{ observed[mapEntry] }

type mapEntry struct {
	key   *anypb.Any
	value replica
}

func (r *ormapReplica) apply(n *replicaNode, delta *crdtpb.CrdtDelta) {
	d := delta.GetOrmap()
	r.remove(func(e mapEntry) bool { return d.GetCleared() || contains(d.GetRemoved(), e.key) })
	for _, e := range d.GetUpdated() {
		if value := r.value(e.GetKey()); value != nil {
			r.put(n, e, value)
		}
	}
	for _, e := range d.GetAdded() {
		value := r.value(e.GetKey())
		if value == nil {
			value = newReplica(e.GetDelta())
		}
		r.put(n, e, value)
	}
}

func (r *ormapReplica) put(n *replicaNode, e *crdtpb.ORMapEntryDelta, value replica) {
	value.apply(n, e.GetDelta())
	r.remove(func(old mapEntry) bool { return keyOf(old.key) == keyOf(e.GetKey()) })
	r.add(n, mapEntry{e.GetKey(), value})
}

// value returns what the values of a key are together, or nil.
func (r *ormapReplica) value(key *anypb.Any) replica {
	var all replica
	byNumber := func(a, b dot) int { return cmp.Or(a.node-b.node, cmp.Compare(a.number, b.number)) }
	for _, d := range slices.SortedFunc(maps.Keys(r.live), byNumber) {
		e := r.live[d]
		switch {
		case keyOf(e.key) != keyOf(key):
		case all == nil:
			all = e.value.clone()
		default:
			all.merge(e.value)
		}
	}
	return all
}

func (r *ormapReplica) merge(other replica) { r.mergeObserved(&as[*ormapReplica](other).observed) }

func (r *ormapReplica) plain(node int) *crdtpb.CrdtDelta {
	values := map[string]*crdtpb.ORMapEntryDelta{}
	for _, e := range r.live {
		values[keyOf(e.key)] = &crdtpb.ORMapEntryDelta{Key: e.key, Delta: r.value(e.key).plain(node)}
	}
	return mapState(values)
}

func (r *ormapReplica) clone() replica { return &ormapReplica{r.cloneObserved()} }
