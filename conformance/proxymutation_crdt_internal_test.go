package conformance

import (
	"strings"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// proxyCRDTMutations are those of CRDT entities.
var proxyCRDTMutations = brokenProxies{
	"P-110": {
		"no delta": eachCRDTInit(func(i *crdtpb.CrdtInit) { i.Delta = nil }),
		"a delta of what does not exist": eachCRDTInit(func(i *crdtpb.CrdtInit) {
			if i.GetDelta() == nil {
				i.Delta = cr.gcounterDelta(0)
			}
		}),
	},
	"P-115": {"the stream stays open": unended},
	"P-116": {"another text": anotherText, "the entity is there again": {received: func(_ string, _ any, err error) error {
		if status.Convert(err).Message() == "Entity deleted" {
			return nil
		}
		return err
	}}},
	"P-123": {
		"cancelled twice": repeated(func(m proto.Message) bool { return in(m).GetStreamCancelled() != nil }),
		"not cancelled":   dropped(func(m proto.Message) bool { return in(m).GetStreamCancelled() != nil }),
		"another stream is cancelled": eachCRDT(func(m *crdtpb.CrdtStreamIn) {
			if m.GetStreamCancelled() != nil {
				m.GetStreamCancelled().Id++
			}
		}),
		"of another entity": eachCRDT(func(m *crdtpb.CrdtStreamIn) {
			if m.GetStreamCancelled() != nil {
				m.GetStreamCancelled().EntityId += "x"
			}
		}),
	},
	"P-124": {
		"a delta while a command is outstanding": instead(func(m proto.Message) []proto.Message {
			if in(m).GetCommand() != nil {
				return []proto.Message{m, deltaOf(cr.registerDelta("early"))}
			}
			return []proto.Message{m}
		}),
		"no delta afterwards": dropped(func(m proto.Message) bool { return in(m).GetDelta() != nil }),
	},
	"P-125": {"updates are echoed": echoing()},
	"P-126": {"another text": anotherReport, "nothing is reported": unreported, "another failure": anotherText},
	"P-127": {"another text": anotherReport, "nothing is reported": unreported},
	"P-129": {"the entity leaves memory": toUserFunction(func() func(proto.Message) []proto.Message {
		commands := 0
		return func(m proto.Message) []proto.Message {
			if in(m).GetCommand() != nil {
				commands++
			}
			if commands == 2 {
				return []proto.Message{nil}
			}
			return []proto.Message{m}
		}
	})},
	"P-131": {"one command at a time": {talk: func(proto.Message) lies {
		return lies{in: func(m proto.Message) []proto.Message {
			if in(m).GetCommand().GetId() == 3 {
				return nil
			}
			return []proto.Message{m}
		}}
	}}},
	"P-140": {"another value": eachDelta(func(d *crdtpb.CrdtDelta) { d.GetGcounter().Increment++ }, "gcounter")},
	"P-141": {"another value": eachDelta(func(d *crdtpb.CrdtDelta) { d.GetPncounter().Change = -d.GetPncounter().GetChange() }, "pncounter")},
	"P-142": {
		"an element twice":      eachDelta(func(d *crdtpb.CrdtDelta) { d.GetGset().Added = twice(d.GetGset().GetAdded()) }, "gset"),
		"an element is missing": eachDelta(func(d *crdtpb.CrdtDelta) { d.GetGset().Added = d.GetGset().GetAdded()[1:] }, "gset"),
	},
	"P-143": {"an element is missing": eachDelta(func(d *crdtpb.CrdtDelta) { d.GetOrset().Added = rest(d.GetOrset().GetAdded()) }, "orset")},
	"P-144": {
		"an element is missing":       eachDelta(func(d *crdtpb.CrdtDelta) { d.GetOrset().Added = rest(d.GetOrset().GetAdded()) }, "orset"),
		"removed elements stay there": eachDelta(func(d *crdtpb.CrdtDelta) { d.GetOrset().Removed = nil }, "orset"),
	},
	"P-146": {"no correction": dropped(func(m proto.Message) bool { return in(m).GetDelta() != nil })},
	"P-147": {"it is off again": eachDelta(func(d *crdtpb.CrdtDelta) { d.GetFlag().Value = false }, "flag")},
	"P-148": {
		"an entry is missing": eachDelta(func(d *crdtpb.CrdtDelta) { d.GetOrmap().Added = rest(d.GetOrmap().GetAdded()) }, "ormap"),
		"entries that are empty are left out": eachDelta(func(d *crdtpb.CrdtDelta) {
			var kept []*crdtpb.ORMapEntryDelta
			for _, entry := range d.GetOrmap().GetAdded() {
				if !strings.HasSuffix(string(entry.GetKey().GetValue()), "Flag-1") {
					kept = append(kept, entry)
				}
			}
			d.GetOrmap().Added = kept
		}, "ormap"),
	},
	"P-150": {"it is updated": eachDelta(func(d *crdtpb.CrdtDelta) { d.GetOrmap().Removed = nil }, "ormap")},
	"P-151": {"voters are not counted": eachDelta(func(d *crdtpb.CrdtDelta) { d.GetVote().TotalVoters = 0 }, "vote")},
	"P-152": {"nothing is reported": unreported},
	"P-153": {"nothing is reported": unreported},
	"P-154": {"removed one by one": eachDelta(func(d *crdtpb.CrdtDelta) {
		if d.GetOrset().GetCleared() {
			d.GetOrset().Cleared, d.GetOrset().Added, d.GetOrset().Removed = false, nil, packStrings([]string{"a", "b", "c"})
		}
	}, "orset")},
	"P-160": {"the default is written": eachDelta(func(d *crdtpb.CrdtDelta) {
		for _, element := range d.GetGset().GetAdded() {
			element.Value = []byte{0x0a, 0x00}
		}
	}, "gset")},
}

// in returns a message to a CRDT entity, or nil.
func in(m proto.Message) *crdtpb.CrdtStreamIn {
	in, _ := m.(*crdtpb.CrdtStreamIn)
	return in
}

func eachCRDT(change func(m *crdtpb.CrdtStreamIn)) proxyMutation {
	return eachSent(func(m proto.Message) {
		if in(m) != nil {
			change(in(m))
		}
	})
}

func eachCRDTInit(change func(i *crdtpb.CrdtInit)) proxyMutation {
	return eachCRDT(func(m *crdtpb.CrdtStreamIn) {
		if m.GetInit() != nil {
			change(m.GetInit())
		}
	})
}

// eachDelta changes deltas of a variant.
func eachDelta(change func(d *crdtpb.CrdtDelta), variant string) proxyMutation {
	return eachCRDT(func(m *crdtpb.CrdtStreamIn) {
		for _, d := range []*crdtpb.CrdtDelta{m.GetInit().GetDelta(), m.GetDelta()} {
			if d == nil {
				continue
			}
			r := d.ProtoReflect()
			if set := r.WhichOneof(r.Descriptor().Oneofs().ByName("delta")); set != nil && string(set.Name()) == variant {
				change(d)
			}
		}
	})
}

func twice(elements []*anypb.Any) []*anypb.Any { return append(elements, elements...) }

// rest returns all but the first.
func rest[E any](list []E) []E {
	if len(list) == 0 {
		return list
	}
	return list[1:]
}

// echoing sends updates back to the user function, before the next message.
func echoing() proxyMutation {
	return proxyMutation{talk: func(proto.Message) lies {
		updates := make(chan *crdtpb.CrdtDelta, 100)
		return lies{
			in: func(m proto.Message) []proto.Message {
				select {
				case update := <-updates:
					return []proto.Message{deltaOf(update), m}
				default:
					return []proto.Message{m}
				}
			},
			out: func(m proto.Message) []proto.Message {
				out, _ := m.(*crdtpb.CrdtStreamOut)
				if update := out.GetReply().GetStateAction().GetUpdate(); update != nil {
					updates <- update
				}
				return []proto.Message{m}
			},
		}
	}}
}
