package inspection

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A crdt is the value of a CRDT in JSON.
type crdt struct {
	Type  string `json:"crdt"`
	Value any    `json:"value"`
}

// A mapping is an entry of an ORMap.
type mapping struct {
	Key   payload `json:"key"`
	Value crdt    `json:"value"`
}

// votes are the value of a Vote.
type votes struct {
	For   int32 `json:"for"`
	Total int32 `json:"total"`
}

// crdt returns the value of a CRDT, of which the delta makes an empty one that.
func (d *decoder) crdt(delta *crdtpb.CrdtDelta) crdt {
	switch value := delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		return crdt{"GCounter", value.Gcounter.GetIncrement()}
	case *crdtpb.CrdtDelta_Pncounter:
		return crdt{"PNCounter", value.Pncounter.GetChange()}
	case *crdtpb.CrdtDelta_Gset:
		return crdt{"GSet", d.elements(value.Gset.GetAdded())}
	case *crdtpb.CrdtDelta_Orset:
		return crdt{"ORSet", d.elements(value.Orset.GetAdded())}
	case *crdtpb.CrdtDelta_Lwwregister:
		return crdt{"LWWRegister", d.payload(value.Lwwregister.GetValue())}
	case *crdtpb.CrdtDelta_Flag:
		return crdt{"Flag", value.Flag.GetValue()}
	case *crdtpb.CrdtDelta_Ormap:
		entries := make([]mapping, 0, len(value.Ormap.GetAdded()))
		for _, entry := range value.Ormap.GetAdded() {
			entries = append(entries, mapping{Key: d.payload(entry.GetKey()), Value: d.crdt(entry.GetDelta())})
		}
		slices.SortFunc(entries, func(a, b mapping) int { return comparePayloads(a.Key, b.Key) })
		return crdt{"ORMap", entries}
	case *crdtpb.CrdtDelta_Vote:
		return crdt{"Vote", votes{For: value.Vote.GetVotesFor(), Total: value.Vote.GetTotalVoters()}}
	default:
		return crdt{"unknown", nil}
	}
}

// elements returns the elements of a set, in an order that is always the same.
func (d *decoder) elements(of []*anypb.Any) []payload {
	payloads := make([]payload, 0, len(of))
	for _, element := range of {
		payloads = append(payloads, d.payload(element))
	}
	slices.SortFunc(payloads, comparePayloads)
	return payloads
}

func comparePayloads(a, b payload) int {
	return cmp.Or(cmp.Compare(a.TypeURL, b.TypeURL), cmp.Compare(string(a.Data), string(b.Data)), cmp.Compare(a.Base64, b.Base64))
}
