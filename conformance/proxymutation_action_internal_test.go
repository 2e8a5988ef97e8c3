package conformance

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/relay"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// proxyActionMutations are those of actions, and of forwards and side effects.
var proxyActionMutations = brokenProxies{
	"P-090": {
		"the full name of the command": eachActionCommand(func(c *actionpb.ActionCommand) { c.Name = c.GetServiceName() + "." + c.GetName() }),
		"no payload":                   eachActionCommand(func(c *actionpb.ActionCommand) { c.Payload = nil }),
		"another type of payload":      eachActionCommand(func(c *actionpb.ActionCommand) { c.GetPayload().TypeUrl = "type.googleapis.com/no.Such" }),
	},
	"P-091": {
		"no header":                      mergedHeader(),
		"the name in every message":      named(),
		"the requests are not ended":     unended,
		"a payload without its type":     eachPayload(func(payload *anypb.Any) { payload.TypeUrl = "" }),
		"the last request is left out":   withoutLast(),
		"the header waits for a request": waitingHeader(),
	},
	"P-096": {
		"a reply instead of none": eachActionResponse(func(r *actionpb.ActionResponse) {
			if r.GetResponse() == nil {
				r.Response = actionReply(&actionmodel.Response{}).GetResponse()
			}
		}),
		"side effects are not done": withoutEffects(func(effects []*protocol.SideEffect) []*protocol.SideEffect { return nil }),
	},
	"P-097": {"another text": anotherText, "failures are swallowed": swallowed, "the stream goes on": {talk: func(proto.Message) lies {
		return lies{out: func(m proto.Message) []proto.Message {
			if r, ok := m.(*actionpb.ActionResponse); ok && r.GetFailure() != nil {
				return nil
			}
			return []proto.Message{m}
		}}
	}}},
	"P-098": {"forwards are left out": eachActionResponse(func(r *actionpb.ActionResponse) {
		if r.GetForward() != nil {
			r.Response = nil
		}
	})},
	"P-100": {
		"headers are dropped":  eachActionCommand(func(c *actionpb.ActionCommand) { c.Metadata = nil }),
		"headers are binary":   eachActionCommand(binaryMetadata),
		"metadata are dropped": eachActionResponse(func(r *actionpb.ActionResponse) { dropMetadata(r) }),
	},
	"P-101": {"the call goes on": {handle: func(life context.Context, call *relay.Call, to grpc.ClientConnInterface) (bool, error) {
		if call.Method.Name() == "discover" || call.Method.Name() == "reportError" {
			return false, nil
		}
		return true, call.Relay(life, to, relay.Pass, relay.Pass)
	}}},
	"P-165": {"unknown fields are dropped": eachPayload(func(payload *anypb.Any) { payload.Value = withoutUnknown(payload.GetValue()) })},
	"P-170": {"forwards are replies": eachAction(func(a *protocol.ClientAction) {
		if a.GetForward() != nil {
			a.Action = &protocol.ClientAction_Reply{Reply: &protocol.Reply{Payload: pack(&actionmodel.Response{})}}
		}
	})},
	"P-171": {
		"side effects are not done": withoutEffects(func([]*protocol.SideEffect) []*protocol.SideEffect { return nil }),
		"the reply waits": withoutEffects(func(effects []*protocol.SideEffect) []*protocol.SideEffect {
			for _, e := range effects {
				e.Synchronous = true
			}
			return effects
		}),
	},
	"P-172": {
		"the reply does not wait": withoutEffects(func(effects []*protocol.SideEffect) []*protocol.SideEffect {
			for _, e := range effects {
				e.Synchronous = false
			}
			return effects
		}),
		"in another order": withoutEffects(func(effects []*protocol.SideEffect) []*protocol.SideEffect {
			if len(effects) == 2 {
				effects[0], effects[1] = effects[1], effects[0]
			}
			return effects
		}),
	},
	"P-173": {"another text": anotherReport, "nothing is reported": unreported},
	"P-174": {"another separator": anotherEntity("Keys")},
}

// eachActionCommand changes the first message of each call of an action.
func eachActionCommand(change func(c *actionpb.ActionCommand)) proxyMutation {
	return eachSent(func(m proto.Message) {
		if c, ok := m.(*actionpb.ActionCommand); ok && c.GetServiceName() != "" {
			if c.GetPayload() == nil {
				c.Payload = &anypb.Any{} // for what changes it
				change(c)
				c.Payload = nil
				return
			}
			change(c)
		}
	})
}

// eachPayload changes the payloads of actions and of entities.
func eachPayload(change func(payload *anypb.Any)) proxyMutation {
	return eachSent(func(m proto.Message) {
		c, isAction := m.(*actionpb.ActionCommand)
		switch {
		case isAction && c.GetPayload() != nil:
			change(c.GetPayload())
		case commandOf(m) != nil:
			change(commandOf(m).GetPayload())
		}
	})
}

// mergedHeader sends the header of a call together with its first request.
func mergedHeader() proxyMutation {
	return streamedRequests(func(header *actionpb.ActionCommand, n int, c *actionpb.ActionCommand) []proto.Message {
		switch n {
		case 0:
			return nil
		case 1:
			header.Payload = c.GetPayload()
			return []proto.Message{header}
		default:
			return []proto.Message{c}
		}
	})
}

// named repeats the header in each message.
func named() proxyMutation {
	return streamedRequests(func(header *actionpb.ActionCommand, n int, c *actionpb.ActionCommand) []proto.Message {
		c.ServiceName, c.Name = header.GetServiceName(), header.GetName()
		return []proto.Message{c}
	})
}

// waitingHeader sends the header of a call before its first request, and not at once.
func waitingHeader() proxyMutation {
	return streamedRequests(func(header *actionpb.ActionCommand, n int, c *actionpb.ActionCommand) []proto.Message {
		switch n {
		case 0:
			return nil
		case 1:
			return []proto.Message{header, c}
		default:
			return []proto.Message{c}
		}
	})
}

// streamedRequests replaces the messages of calls whose requests are streamed, which are
// numbered, the header with 0.
func streamedRequests(lie func(header *actionpb.ActionCommand, n int, c *actionpb.ActionCommand) []proto.Message) proxyMutation {
	return proxyMutation{talk: func(first proto.Message) lies {
		header, ok := first.(*actionpb.ActionCommand)
		if !ok || header.GetPayload() != nil {
			return lies{}
		}
		n := -1
		return lies{in: func(m proto.Message) []proto.Message {
			c, ok := m.(*actionpb.ActionCommand)
			if !ok {
				return []proto.Message{m}
			}
			n++
			return lie(header, n, c)
		}}
	}}
}

// withoutLast drops the third request.
func withoutLast() proxyMutation {
	return streamedRequests(func(_ *actionpb.ActionCommand, n int, c *actionpb.ActionCommand) []proto.Message {
		if n == 3 {
			return nil
		}
		return []proto.Message{c}
	})
}

func binaryMetadata(c *actionpb.ActionCommand) {
	for _, entry := range c.GetMetadata().GetEntries() {
		entry.Value = &protocol.MetadataEntry_BytesValue{BytesValue: []byte(entry.GetStringValue())}
	}
}

func dropMetadata(r *actionpb.ActionResponse) {
	if r.GetReply() != nil {
		r.GetReply().Metadata = nil
	}
}

// eachActionResponse changes the responses of actions.
func eachActionResponse(change func(r *actionpb.ActionResponse)) proxyMutation {
	return eachTaken(func(m proto.Message) {
		if r, ok := m.(*actionpb.ActionResponse); ok {
			change(r)
		}
	})
}

// eachAction changes the client actions of entities.
func eachAction(change func(a *protocol.ClientAction)) proxyMutation {
	return eachTaken(func(m proto.Message) {
		if r := replyOf(m); r != nil && r.GetClientAction() != nil {
			change(r.GetClientAction())
		}
	})
}

// withoutEffects replaces side effects.
func withoutEffects(replace func([]*protocol.SideEffect) []*protocol.SideEffect) proxyMutation {
	return eachTaken(func(m proto.Message) {
		switch m := m.(type) {
		case *actionpb.ActionResponse:
			m.SideEffects = replace(m.GetSideEffects())
		case *eventsourcedpb.EventSourcedStreamOut:
			if r := m.GetReply(); r != nil {
				r.SideEffects = replace(r.GetSideEffects())
			}
		case *valueentitypb.ValueEntityStreamOut:
			if r := m.GetReply(); r != nil {
				r.SideEffects = replace(r.GetSideEffects())
			}
		case *crdtpb.CrdtStreamOut:
			if r := m.GetReply(); r != nil {
				r.SideEffects = replace(r.GetSideEffects())
			}
		}
	})
}

// withoutUnknown drops fields whose numbers are large.
func withoutUnknown(data []byte) []byte {
	var kept []byte
	for len(data) > 0 {
		number, wire, n := protowire.ConsumeTag(data)
		if n < 0 {
			return kept
		}
		m := protowire.ConsumeFieldValue(number, wire, data[n:])
		if m < 0 {
			return kept
		}
		if number < 1000 {
			kept = append(kept, data[:n+m]...)
		}
		data = data[n+m:]
	}
	return kept
}
