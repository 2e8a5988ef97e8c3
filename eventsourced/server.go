package eventsourced

import (
	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// server serves the protocol of event sourced entities.
type server struct {
	eventsourcedpb.UnsafeEventSourcedServer

	env   *component.Env
	types map[string]activator
}

// register implements component.Kind.
func register(registrar grpc.ServiceRegistrar, env *component.Env, declarations []*component.Declaration) {
	s := &server{env: env, types: make(map[string]activator, len(declarations))}
	for _, d := range declarations {
		s.types[d.Service.ServiceName] = d.Implementation.(activator) //nolint:errcheck // made by Declare
	}
	eventsourcedpb.RegisterEventSourcedServer(registrar, s)
}

// Handle serves one activation.
func (s *server) Handle(stream eventsourcedpb.EventSourced_HandleServer) error {
	session := session{types: s.types, env: s.env}
	defer session.close()
	ctx := stream.Context()
	var in incoming
	return command.Serve(stream, s.env.Commands, &in, func() (out *answer, answered, over bool) {
		out, over = session.handle(ctx, &in.message)
		return out, out != nil, over
	})
}
