package conformance

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// esReplies changes the replies of each stream. What is returned by stream sees all of one.
func esReplies(stream func() func(r *esAnswer)) mutation {
	return mutation{open: func() fault {
		change := stream()
		return fault{out: keeping(func(m proto.Message) {
			if out, ok := m.(*eventsourcedpb.EventSourcedStreamOut); ok && out.GetReply() != nil {
				change(out.GetReply())
			}
		})}
	}}
}

func eachESReply(change func(r *esAnswer)) mutation {
	return esReplies(func() func(*esAnswer) { return change })
}

var eventSourcedMutations = mutations{
	"P-043": {
		"a reply with the state before the command": esReplies(func() func(*esAnswer) {
			before := es.says("").GetReply().GetPayload()
			return func(r *esAnswer) {
				if reply := r.GetClientAction().GetReply(); reply != nil {
					before, reply.Payload = reply.GetPayload(), before
				}
			}
		}),
		"events are not replayed": losing(func(m proto.Message) bool {
			in, ok := m.(*eventsourcedpb.EventSourcedStreamIn)
			return ok && in.GetEvent() != nil
		}),
		"a snapshot is not restored": inEach(func(m proto.Message) {
			if in, ok := m.(*eventsourcedpb.EventSourcedStreamIn); ok && in.GetInit() != nil {
				in.GetInit().Snapshot = nil
			}
		}),
	},
	"P-044": {
		"events out of order": eachESReply(func(r *esAnswer) { slices.Reverse(r.GetEvents()) }),
		"an event is lost": eachESReply(func(r *esAnswer) {
			if events := r.GetEvents(); len(events) > 0 {
				r.Events = events[1:]
			}
		}),
		"the type of an event is that of the language": eachESReply(func(r *esAnswer) {
			for _, event := range r.GetEvents() {
				event.TypeUrl = "json.cloudstate.io/persisted"
			}
		}),
	},
	"P-045": {
		"no snapshots": eachESReply(func(r *esAnswer) { r.Snapshot = nil }),
		"a snapshot without events": esReplies(func() func(*esAnswer) {
			return func(r *esAnswer) {
				if len(r.GetEvents()) == 0 && r.GetClientAction().GetReply() != nil {
					r.Snapshot = es.snapshot("ABCDE")
				}
			}
		}),
		"a snapshot that is too early": esReplies(func() func(*esAnswer) {
			count := 0
			return func(r *esAnswer) {
				if count += len(r.GetEvents()); count == 4 && len(r.GetEvents()) == 1 {
					r.Snapshot = es.snapshot("ABCD")
				}
			}
		}),
		"a snapshot at the exact multiple": eachESReply(func(r *esAnswer) {
			if proto.Equal(r.GetSnapshot(), es.snapshot("ABCDEFGHIJK")) {
				r.Snapshot = es.snapshot("ABCDEFGHIJ")
			}
		}),
		"a snapshot for each event": eachESReply(func(r *esAnswer) {
			if len(r.GetEvents()) > 0 {
				r.Snapshot = es.snapshot("any")
			}
		}),
	},
	"P-046": {"the number of a snapshot is that of the next event": inEach(func(m proto.Message) {
		if in, ok := m.(*eventsourcedpb.EventSourcedStreamIn); ok {
			if snapshot := in.GetInit().GetSnapshot(); snapshot != nil {
				snapshot.SnapshotSequence--
			}
			if event := in.GetEvent(); event != nil {
				event.Sequence--
			}
		}
	})},
	"P-048": {
		"a restart without events": eachESReply(func(r *esAnswer) {
			if failure := r.GetClientAction().GetFailure(); failure != nil {
				failure.Restart = true
			}
		}),
		"no command id in a failure": eachESReply(func(r *esAnswer) {
			if failure := r.GetClientAction().GetFailure(); failure != nil {
				failure.CommandId = 0
			}
		}),
		"a failure that ends the stream": outEach(func(m proto.Message) {
			out, ok := m.(*eventsourcedpb.EventSourcedStreamOut)
			if failure := out.GetReply().GetClientAction().GetFailure(); ok && failure != nil {
				out.Message = &eventsourcedpb.EventSourcedStreamOut_Failure{Failure: failure}
			}
		}),
	},
	"P-049": {
		"no restart and nothing is undone": eachESReply(func(r *esAnswer) {
			if failure := r.GetClientAction().GetFailure(); failure != nil {
				failure.Restart = false
			}
		}),
		"events with a failure": eachESReply(func(r *esAnswer) {
			if r.GetClientAction().GetFailure() != nil {
				r.Events = es.persisted("B")
			}
		}),
	},
	"P-052": {
		"a forward loses events": eachESReply(func(r *esAnswer) {
			if r.GetClientAction().GetForward() != nil {
				r.Events = nil
			}
		}),
		"a forward loses the snapshot": eachESReply(func(r *esAnswer) {
			if r.GetClientAction().GetForward() != nil {
				r.Snapshot = nil
			}
		}),
		"a reply in place of the forward": eachESReply(func(r *esAnswer) {
			if r.GetClientAction().GetForward() != nil {
				r.ClientAction = es.says("")
			}
		}),
	},
	"P-053": {
		"effects out of order": eachESReply(func(r *esAnswer) { slices.Reverse(r.GetSideEffects()) }),
		"no effect is synchronous": eachESReply(func(r *esAnswer) {
			for _, effect := range r.GetSideEffects() {
				effect.Synchronous = false
			}
		}),
		"effects are kept when a command fails": eachESReply(func(r *esAnswer) {
			if r.GetClientAction().GetFailure() != nil {
				r.SideEffects = []*protocol.SideEffect{es.affects("one", false), es.affects("two", true)}
			}
		}),
		"effects are sent again": esReplies(func() func(*esAnswer) {
			var all []*protocol.SideEffect
			return func(r *esAnswer) {
				all = append(all, r.GetSideEffects()...)
				r.SideEffects = all
			}
		}),
	},
	"P-060": {
		"an unknown event is ignored": losing(func(m proto.Message) bool {
			in, ok := m.(*eventsourcedpb.EventSourcedStreamIn)
			return ok && in.GetEvent().GetPayload().GetTypeUrl() == protocol.TypeURLPrefix+"cloudstate.tck.model.NoSuchEvent"
		}),
		"an unknown snapshot is ignored": inEach(func(m proto.Message) {
			if in, ok := m.(*eventsourcedpb.EventSourcedStreamIn); ok && in.GetInit() != nil {
				in.GetInit().Snapshot = nil
			}
		}),
		"an event that cannot be decoded is taken for an empty one": inEach(func(m proto.Message) {
			if in, ok := m.(*eventsourcedpb.EventSourcedStreamIn); ok && len(in.GetEvent().GetPayload().GetValue()) == 1 {
				in.GetEvent().Payload = &anypb.Any{TypeUrl: in.GetEvent().GetPayload().GetTypeUrl()}
			}
		}),
	},
}
