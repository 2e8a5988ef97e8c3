package valueentity

import (
	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// server serves the protocol of value entities.
type server struct {
	valueentitypb.UnsafeValueEntityServer

	env   *component.Env
	types map[string]activator
}

// register implements component.Kind.
func register(registrar grpc.ServiceRegistrar, env *component.Env, declarations []*component.Declaration) {
	valueentitypb.RegisterValueEntityServer(registrar, &server{env: env, types: component.Implementations[activator](declarations)})
}

// Handle serves one activation.
func (s *server) Handle(stream valueentitypb.ValueEntity_HandleServer) error {
	session := newSession(s.types, s.env)
	defer session.Close()
	ctx := stream.Context()
	in := wire.Incoming[*received]{Pool: &receivedMessages}
	return command.Serve(stream, s.env.Commands, &in, func() (out *answer, answered, over bool) {
		out, over = session.handle(ctx, &in.Buffer.message)
		return out, out != nil, over
	}, func(panicked any) *answer {
		return session.end(ctx, texts.Recovered(in.Buffer.message.GetCommand().GetId(), panicked), &in.Buffer.message)
	})
}
