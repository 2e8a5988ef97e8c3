package conformance

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// onUpdate changes the deltas of an entity.
func onUpdate(change func(delta *crdtpb.CrdtDelta)) mutation {
	return eachCRReply(func(r *crAnswer) {
		if delta := r.GetStateAction().GetUpdate(); delta != nil {
			change(delta)
		}
	})
}

// onDelta changes the deltas of the proxy.
func onDelta(change func(delta *crdtpb.CrdtDelta)) mutation {
	return inEach(func(m proto.Message) {
		in, _ := m.(*crdtpb.CrdtStreamIn)
		if delta := in.GetDelta(); delta != nil {
			change(delta)
		}
		if delta := in.GetInit().GetDelta(); delta != nil {
			change(delta)
		}
	})
}

// always sends a delta with replies that have none.
func always(delta *crdtpb.CrdtDelta) mutation {
	return eachCRReply(func(r *crAnswer) {
		if r.GetStateAction() == nil {
			r.StateAction = cr.changed(proto.CloneOf(delta))
		}
	})
}

var crdtTypeMutations = mutations{
	"P-140": {
		"the last increment is sent": onUpdate(func(delta *crdtpb.CrdtDelta) {
			if delta.GetGcounter().GetIncrement() == 6 {
				delta.GetGcounter().Increment = 3
			}
		}),
		"an increment of zero is sent": always(cr.gcounterDelta(0)),
		"huge increments are accepted": eachCRReply(func(r *crAnswer) {
			if r.GetClientAction().GetFailure() != nil {
				r.ClientAction = cr.says(cr.gcounter(5))
			}
		}),
	},
	"P-141": {
		"changes that cancel out are sent": always(cr.pncounterDelta(0)),
		"the value is sent":                onUpdate(func(delta *crdtpb.CrdtDelta) { delta.GetPncounter().Change += 2 }),
	},
	"P-142": {
		"elements are sent again": onUpdate(func(delta *crdtpb.CrdtDelta) {
			delta.GetGset().Added = append(delta.GetGset().GetAdded(), packString("b"))
		}),
		"elements of others are sent": always(cr.gsetDelta("a", "c")),
	},
	"P-143": {
		"what was not there is removed": onUpdate(func(delta *crdtpb.CrdtDelta) {
			delta.GetOrset().Removed = append(delta.GetOrset().GetRemoved(), packString("d"))
		}),
		"a clear is a removal of each element": onUpdate(func(delta *crdtpb.CrdtDelta) {
			if delta.GetOrset().GetCleared() {
				delta.GetOrset().Cleared, delta.GetOrset().Removed = false, packStrings([]string{"a", "b"})
			}
		}),
		"a clear loses what is added after it": onUpdate(func(delta *crdtpb.CrdtDelta) {
			if delta.GetOrset().GetCleared() {
				delta.GetOrset().Added = nil
			}
		}),
	},
	"P-144": {
		"a clear comes after the additions": onDelta(func(delta *crdtpb.CrdtDelta) {
			if delta.GetOrset().GetCleared() {
				delta.GetOrset().Added = nil
			}
		}),
		"a clear is ignored": onDelta(func(delta *crdtpb.CrdtDelta) {
			if delta.GetOrset() != nil {
				delta.GetOrset().Cleared = false
			}
		}),
		"removals are ignored": onDelta(func(delta *crdtpb.CrdtDelta) {
			if delta.GetOrset() != nil {
				delta.GetOrset().Removed = nil
			}
		}),
	},
	"P-145": {
		"the first value is not sent": eachCRReply(func(r *crAnswer) {
			if proto.Equal(r.GetStateAction(), cr.changed(cr.registerDelta(""))) {
				r.StateAction = nil
			}
		}),
		"clocks are lost": onUpdate(func(delta *crdtpb.CrdtDelta) {
			delta.GetLwwregister().Clock = crdtpb.CrdtClock_DEFAULT
		}),
		"times of clocks are lost":                  onUpdate(func(delta *crdtpb.CrdtDelta) { delta.GetLwwregister().CustomClockValue = 0 }),
		"a delta leaves the first value to be sent": always(cr.registerDelta("")),
	},
	"P-147": {
		"a flag is enabled again": always(cr.flagDelta(true)),
		"a delta of false disables": eachCRReply(func(r *crAnswer) {
			if r.GetStateAction() == nil {
				r.ClientAction = cr.says(cr.flag(false))
			}
		}),
	},
	"P-148": {
		"entries without changes are left out": onUpdate(func(delta *crdtpb.CrdtDelta) {
			var added []*mapEntry
			for _, entry := range delta.GetOrmap().GetAdded() {
				if !proto.Equal(entry.GetDelta(), cr.gcounterDelta(0)) {
					added = append(added, entry)
				}
			}
			delta.GetOrmap().Added = added
		}),
		"new entries are sent without their deltas": onUpdate(func(delta *crdtpb.CrdtDelta) {
			for _, entry := range delta.GetOrmap().GetAdded() {
				entry.Delta = nil
			}
		}),
		"changes are sent as new entries": onUpdate(func(delta *crdtpb.CrdtDelta) {
			m := delta.GetOrmap()
			m.Added, m.Updated = append(m.GetAdded(), m.GetUpdated()...), nil
		}),
		"an entry that is created anew is not removed": onUpdate(func(delta *crdtpb.CrdtDelta) {
			if len(delta.GetOrmap().GetAdded()) > 0 {
				delta.GetOrmap().Removed = nil
			}
		}),
		"a clear is lost": onUpdate(func(delta *crdtpb.CrdtDelta) { delta.GetOrmap().Cleared = false }),
		"new entries of others are lost": onDelta(func(delta *crdtpb.CrdtDelta) {
			if delta.GetOrmap() != nil {
				delta.GetOrmap().Added = nil
			}
		}),
	},
	"P-149": {
		"new entries are merged": onDelta(func(delta *crdtpb.CrdtDelta) {
			if m := delta.GetOrmap(); len(m.GetAdded()) == 1 && m.GetAdded()[0].GetDelta().GetGcounter().GetIncrement() == 42 {
				m.Added, m.Updated = nil, m.GetAdded()
			}
		}),
		"updates make entries": onDelta(func(delta *crdtpb.CrdtDelta) {
			if m := delta.GetOrmap(); len(m.GetUpdated()) == 2 {
				m.Added, m.Updated = m.GetUpdated()[1:], m.GetUpdated()[:1]
			}
		}),
	},
	"P-151": {
		"the count is in the delta":            onUpdate(func(delta *crdtpb.CrdtDelta) { delta.GetVote().VotesFor = 1 }),
		"the number of voters is in the delta": onUpdate(func(delta *crdtpb.CrdtDelta) { delta.GetVote().TotalVoters = 1 }),
		"a vote and its revocation are sent":   always(cr.selfVoteDelta(false)),
		"the vote of this node is not taken over": onDelta(func(delta *crdtpb.CrdtDelta) {
			if delta.GetVote() != nil {
				delta.GetVote().SelfVote = false
			}
		}),
	},
}
