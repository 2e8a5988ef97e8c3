package conformance

import (
	"io"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

func eachResponse(change func(r *actionpb.ActionResponse)) mutation {
	return outEach(func(m proto.Message) {
		if r, ok := m.(*actionpb.ActionResponse); ok {
			change(r)
		}
	})
}

// firstFailureEnds ends a stream with its first failure.
func firstFailureEnds() fault {
	failed := false
	return fault{out: func(m proto.Message) []proto.Message {
		if failed {
			return nil
		}
		failed = m.(answer).GetFailure() != nil //nolint:errcheck // all of them are answers
		return []proto.Message{m}
	}}
}

// failsCalls ends calls with an error of gRPC in place of a failure.
func failsCalls() fault {
	failed := false
	return fault{
		out: func(m proto.Message) []proto.Message {
			failed = m.(answer).GetFailure() != nil //nolint:errcheck // all of them are answers
			if failed {
				return nil
			}
			return []proto.Message{m}
		},
		ending: func(_ proto.Message, err error) ([]proto.Message, error) {
			if failed {
				err = status.Error(codes.Unimplemented, "no such method")
			}
			return nil, err
		},
	}
}

// dropsEffectsOfFailures is what entities do, but actions must not.
var dropsEffectsOfFailures = eachResponse(func(r *actionpb.ActionResponse) {
	if r.GetFailure() != nil {
		r.SideEffects = nil
	}
})

var actionMutations = mutations{
	"P-092": {
		"a failure drops effects": dropsEffectsOfFailures,
		"a command id in a failure": eachResponse(func(r *actionpb.ActionResponse) {
			if r.GetFailure() != nil {
				r.GetFailure().CommandId = 1
			}
		}),
		"a reply that is empty in place of none": eachResponse(func(r *actionpb.ActionResponse) {
			if r.GetResponse() == nil {
				r.Response = act.says("").GetResponse()
			}
		}),
		"a forward to a service of another package": eachResponse(func(r *actionpb.ActionResponse) {
			if r.GetForward() != nil {
				r.GetForward().ServiceName = "cloudstate.tck.model.ActionTwo"
			}
		}),
		"two responses": outAll(func(m proto.Message) []proto.Message { return []proto.Message{m, m} }),
	},
	"P-093": {
		"a response that comes twice": outAll(func(m proto.Message) []proto.Message { return []proto.Message{m, m} }),
		"effects of the last request only": eachResponse(func(r *actionpb.ActionResponse) {
			if effects := r.GetSideEffects(); len(effects) > 0 {
				r.SideEffects = effects[len(effects)-1:]
			}
		}),
		"no response without requests": outAll(func(m proto.Message) []proto.Message {
			if r, ok := m.(*actionpb.ActionResponse); ok && proto.Size(r) == 0 {
				return nil
			}
			return []proto.Message{m}
		}),
		"effects out of order": eachResponse(func(r *actionpb.ActionResponse) { slices.Reverse(r.GetSideEffects()) }),
	},
	"P-094": {
		"a failure ends the stream": {open: firstFailureEnds},
		"empty responses are left out": outAll(func(m proto.Message) []proto.Message {
			if r, ok := m.(*actionpb.ActionResponse); ok && r.GetResponse() == nil {
				return nil
			}
			return []proto.Message{m}
		}),
		"a failure drops effects": dropsEffectsOfFailures,
		"an error at the end": endingWith(func(proto.Message) ([]proto.Message, error) {
			return nil, status.Error(codes.Unknown, "expected failure")
		}),
	},
	"P-095": {
		"nothing is answered before the last request": {open: func() fault { return fault{late: true} }},
		"a failure ends the stream":                   {open: firstFailureEnds},
		"a response after the end": endingWith(func(empty proto.Message) ([]proto.Message, error) {
			return []proto.Message{empty}, io.EOF
		}),
	},
	"P-099": {"an error of gRPC": {open: failsCalls}},
	"P-208": {
		"the subject is the source": inEach(func(m proto.Message) {
			if c, ok := m.(*actionpb.ActionCommand); ok {
				for _, entry := range c.GetMetadata().GetEntries() {
					if entry.GetKey() == "ce-subject" {
						entry.Value = &protocol.MetadataEntry_StringValue{StringValue: "eventlogeventing-one"}
					}
				}
			}
		}),
		"keys are compared with regard to case": inEach(func(m proto.Message) {
			if c, ok := m.(*actionpb.ActionCommand); ok && c.GetMetadata() != nil {
				c.Metadata.Entries = slices.DeleteFunc(c.GetMetadata().GetEntries(), func(e *protocol.MetadataEntry) bool { return e.GetKey() == "Ce-Subject" })
			}
		}),
		"metadata is echoed": {open: func() fault {
			var metadata *protocol.Metadata
			return fault{
				in: keeping(func(m proto.Message) {
					if c, ok := m.(*actionpb.ActionCommand); ok && c.GetMetadata() != nil {
						metadata = c.GetMetadata()
					}
				}),
				out: keeping(func(m proto.Message) {
					if r, ok := m.(*actionpb.ActionResponse); ok && r.GetReply() != nil {
						r.GetReply().Metadata = metadata
					}
				}),
			}
		}},
	},
}
