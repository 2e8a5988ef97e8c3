package conformance

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/relay"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// proxyEventingMutations are those of events.
var proxyEventingMutations = brokenProxies{
	"P-200": {
		"the event is wrapped":           eachActionCommand(func(c *actionpb.ActionCommand) { c.Payload = pack(c.GetPayload()) }),
		"a service is left out":          undelivered(groupsName, "One"),
		"events are not delivered":       undelivered(subscriberName, "ProcessEventOne"),
		"no events for streamed methods": undelivered(subscriberName, "ProcessEventTwo"),
	},
	"P-201": {
		"no subject":             eachEntry("ce-subject", func(e *protocol.MetadataEntry) { e.Key = "ce-other" }),
		"another source":         eachEntry("ce-source", func(e *protocol.MetadataEntry) { e.Value = textEntry("", "journal").GetValue() }),
		"the type without host":  eachEntry("ce-type", func(e *protocol.MetadataEntry) { e.Value = textEntry("", "EventOne").GetValue() }),
		"another content type":   eachEntry("Content-Type", func(e *protocol.MetadataEntry) { e.Value = textEntry("", "application/protobuf").GetValue() }),
		"another version":        eachEntry("ce-specversion", func(e *protocol.MetadataEntry) { e.Value = textEntry("", "0.3").GetValue() }),
		"the id has another key": eachEntry("ce-id", func(e *protocol.MetadataEntry) { e.Key = "ce-offset" }),
	},
	"P-202": {
		"the event is wrapped":     eachActionCommand(func(c *actionpb.ActionCommand) { c.Payload = pack(c.GetPayload()) }),
		"events are not delivered": undelivered(subscriberName, "ProcessAnyEvent"),
	},
	"P-203": {"forwards are left out": eachActionResponse(func(r *actionpb.ActionResponse) {
		if r.GetForward() != nil {
			r.Response = nil
		}
	})},
	"P-204": {
		"one group gets nothing":           undelivered(groupsName, "All"),
		"a method of a group gets nothing": undelivered(groupsName, "Two"),
	},
	"P-205": {"the event is lost": {handle: func(_ context.Context, call *relay.Call, to grpc.ClientConnInterface) (bool, error) {
		first, err := call.Peek()
		c, ok := first.(*actionpb.ActionCommand)
		if err != nil || !ok || c.GetServiceName() != groupsName {
			return err != nil, err
		}
		if err := call.Relay(call.Context(), to, relay.Pass, relay.Pass); err != nil {
			return true, call.Send(actionReply(&emptypb.Empty{}))
		}
		return true, nil
	}}},
	"P-206": {"another text": anotherReport, "nothing is reported": unreported},
	"P-207": {
		"another content type": eachEntry("Content-Type", func(e *protocol.MetadataEntry) { e.Value = textEntry("", "application/x-protobuf").GetValue() }),
		"another type": eachEntry("ce-type", func(e *protocol.MetadataEntry) {
			e.Value = textEntry("", protocol.TypeURLPrefix+e.GetStringValue()).GetValue()
		}),
		"data are lost": eachActionCommand(func(c *actionpb.ActionCommand) {
			if c.GetServiceName() == listenerName {
				c.Payload.Value = nil
			}
		}),
	},
}

// eachEntry changes the metadata of actions with a key.
func eachEntry(key string, change func(e *protocol.MetadataEntry)) proxyMutation {
	return eachActionCommand(func(c *actionpb.ActionCommand) {
		entries := c.GetMetadata().GetEntries()
		if i := slices.IndexFunc(entries, func(e *protocol.MetadataEntry) bool { return e.GetKey() == key }); i >= 0 {
			change(entries[i])
		}
	})
}

// undelivered does not let calls of an action reach it.
func undelivered(service, command string) proxyMutation {
	return proxyMutation{handle: func(_ context.Context, call *relay.Call, _ grpc.ClientConnInterface) (bool, error) {
		first, err := call.Peek()
		c, ok := first.(*actionpb.ActionCommand)
		if err != nil || !ok || c.GetServiceName() != service || c.GetName() != command {
			return err != nil, err
		}
		return true, call.Send(actionReply(proto.Message(&emptypb.Empty{})))
	}}
}
