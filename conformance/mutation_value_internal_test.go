package conformance

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

func eachVEReply(change func(r *veAnswer)) mutation {
	return outEach(func(m proto.Message) {
		if out, ok := m.(*valueentitypb.ValueEntityStreamOut); ok && out.GetReply() != nil {
			change(out.GetReply())
		}
	})
}

// onVERequest changes requests to the model.
func onVERequest(m proto.Message, change func(r *valuemodel.Request)) {
	c := commandOf(m)
	request := &valuemodel.Request{}
	if err := c.GetPayload().UnmarshalTo(request); err == nil {
		change(request)
		c.Payload = pack(request)
	}
}

// keepsFailedState answers commands that fail as it should, but keeps their state.
func keepsFailedState() fault {
	failure := ""
	return fault{
		in: keeping(func(m proto.Message) {
			onVERequest(m, func(r *valuemodel.Request) {
				r.Actions = slices.DeleteFunc(r.GetActions(), func(a *valuemodel.RequestAction) bool {
					if a.GetFail() != nil {
						failure = a.GetFail().GetMessage()
					}
					return a.GetFail() != nil
				})
			})
		}),
		out: keeping(func(m proto.Message) {
			if out, ok := m.(*valueentitypb.ValueEntityStreamOut); ok && failure != "" {
				id := out.GetReply().GetCommandId()
				proto.Reset(out)
				proto.Merge(out, veReply(&veAnswer{CommandId: id, ClientAction: failWith(id, failure)}))
				failure = ""
			}
		}),
	}
}

var valueEntityMutations = mutations{
	"P-071": {
		"the first action counts": inEach(func(m proto.Message) {
			onVERequest(m, func(r *valuemodel.Request) {
				if len(r.GetActions()) > 1 {
					r.Actions = r.GetActions()[:1]
				}
			})
		}),
		"a delete is an update with nothing": eachVEReply(func(r *veAnswer) {
			if r.GetStateAction().GetDelete() != nil {
				r.StateAction = ve.updates("")
			}
		}),
		"the state is not stored": eachVEReply(func(r *veAnswer) { r.StateAction = nil }),
	},
	"P-072": {
		"the state is stored after each command": eachVEReply(func(r *veAnswer) {
			if r.GetStateAction() == nil {
				r.StateAction = ve.updates("stored")
			}
		}),
		"a state action that is empty": eachVEReply(func(r *veAnswer) {
			if r.GetStateAction() == nil {
				r.StateAction = &valueentitypb.ValueEntityAction{}
			}
		}),
		"what is stored is not read": inEach(func(m proto.Message) {
			if in, ok := m.(*valueentitypb.ValueEntityStreamIn); ok && in.GetInit() != nil {
				in.GetInit().State = &valueentitypb.ValueEntityInitState{}
			}
		}),
	},
	"P-073": {
		"the state of a failed command is kept": {open: keepsFailedState},
		"an update with a failure": eachVEReply(func(r *veAnswer) {
			if r.GetClientAction().GetFailure() != nil {
				r.StateAction = ve.updates("lost")
			}
		}),
		"effects with a failure": eachVEReply(func(r *veAnswer) {
			if r.GetClientAction().GetFailure() != nil {
				r.SideEffects = []*protocol.SideEffect{ve.affects("one", false)}
			}
		}),
		"another id in a failure": eachVEReply(func(r *veAnswer) {
			if failure := r.GetClientAction().GetFailure(); failure != nil {
				failure.CommandId = 0
			}
		}),
	},
	"P-076": {
		"a forward loses the update": eachVEReply(func(r *veAnswer) {
			if r.GetClientAction().GetForward() != nil {
				r.StateAction = nil
			}
		}),
		"an effect in place of the forward": eachVEReply(func(r *veAnswer) {
			if r.GetClientAction().GetForward() != nil {
				r.ClientAction, r.SideEffects = nil, []*protocol.SideEffect{ve.affects("another", true)}
			}
		}),
		"effects out of order": eachVEReply(func(r *veAnswer) { slices.Reverse(r.GetSideEffects()) }),
	},
}
