package events

import (
	"context"
	"time"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// Publisher returns a function that publishes a reply of a method to its topic, within a
// limit of time. It goes on when the client of the reply leaves, but not when life ends.
func Publisher(life context.Context, broker eventing.Broker, limit time.Duration) func(context.Context, *spec.Method, *protocol.Reply) error {
	return func(ctx context.Context, method *spec.Method, reply *protocol.Reply) error {
		event, err := eventOf(method.Service.Name, reply)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		return broker.Publish(ctx, method.Topic, event)
	}
}
