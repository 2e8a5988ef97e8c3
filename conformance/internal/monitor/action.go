package monitor

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// action watches a call of an action.
type action struct {
	stream

	messages int
}

// rpcs are the protocol's methods for actions, by whether requests and replies are
// streamed.
var rpcs = map[[2]bool]string{
	{false, false}: "cloudstate.action.ActionProtocol.handleUnary",
	{true, false}:  "cloudstate.action.ActionProtocol.handleStreamedIn",
	{false, true}:  "cloudstate.action.ActionProtocol.handleStreamedOut",
	{true, true}:   "cloudstate.action.ActionProtocol.handleStreamed",
}

func (a *action) proxy(message proto.Message) {
	command, _ := message.(*actionpb.ActionCommand) // begin has looked
	a.messages++
	name := string(a.stream.stream.RPC)
	streamed := name == rpcs[[2]bool{true, false}] || name == rpcs[[2]bool{true, true}]
	rule := "P-090"
	if streamed {
		rule = "P-091"
	}
	if a.messages > 1 {
		a.expectPayload(rule, streamed, command)
		return
	}
	method := a.method(command.GetName())
	if method == nil {
		a.violatedf(rule, "the call names the service %q and the command %q, which the user function does not have", command.GetServiceName(), command.GetName())
		return
	}
	if want := rpcs[[2]bool{method.IsStreamingClient(), method.IsStreamingServer()}]; name != want {
		a.violatedf(rule, "%s was called for %s, want %s", name, method.FullName(), want)
	}
	if streamed {
		if command.GetPayload() != nil {
			a.violatedf(rule, "the first message has a payload, want it only to name the command: %v", command)
		}
		return
	}
	if want := protocol.TypeURLPrefix + string(method.Input().FullName()); command.GetPayload() == nil ||
		command.GetPayload().GetTypeUrl() != want && want != protocol.TypeURLPrefix+"google.protobuf.Any" {
		a.violatedf(rule, "the payload has the type %q, want %q", command.GetPayload().GetTypeUrl(), want)
	}
}

// expectPayload handles a message after the first.
func (a *action) expectPayload(rule string, streamed bool, command *actionpb.ActionCommand) {
	switch {
	case !streamed:
		a.violatedf(rule, "a call without streamed requests has another message, want one: %v", command)
	case command.GetServiceName() != "" || command.GetName() != "":
		a.violatedf(rule, "a message after the first names a command, want only a payload: %v", command)
	case command.GetPayload() == nil:
		a.violatedf(rule, "a message after the first has no payload")
	}
}

func (a *action) userFunction(proto.Message) {}

func (a *action) end(error) {
	if a.messages == 0 {
		a.violatedf("P-090", "a call of an action has no message")
	}
}
