package proxy

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// handle carries out a call of a client. The front end lets none in before the
// services are published.
func (p *Proxy) handle(call frontend.Call) error {
	method := call.Method()
	command := &routing.Command{Method: method}
	next := func() (*anypb.Any, error) {
		request, err := call.Recv()
		if err != nil {
			return nil, err
		}
		return &anypb.Any{TypeUrl: method.InputURL, Value: request}, nil
	}
	if method.Descriptor.IsStreamingClient() {
		command.Requests = next
	} else {
		payload, err := next()
		if err != nil {
			return err
		}
		command.Payload = payload
	}
	if p.EntityMetadata || method.Service.EntityType == spec.Action {
		command.Metadata = call.Metadata()
	}
	first := true
	return p.running.Load().router.Call(call.Context(), command, func(reply *protocol.Reply) error {
		if first {
			first = false // later ones come after the headers
			if err := call.SetHeader(reply.GetMetadata()); err != nil {
				return err
			}
		}
		return call.Send(reply.GetPayload().GetValue())
	})
}
