package crdt

import (
	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// server serves the protocol of CRDT entities.
type server struct {
	crdtpb.UnsafeCrdtServer

	env   *component.Env
	types map[string]*entityType
}

// register implements component.Kind.
func register(registrar grpc.ServiceRegistrar, env *component.Env, declarations []*component.Declaration) {
	crdtpb.RegisterCrdtServer(registrar, &server{env: env, types: component.Implementations[*entityType](declarations)})
}

// Handle serves one activation.
func (s *server) Handle(stream crdtpb.Crdt_HandleServer) error {
	session := newSession(s.types, s.env)
	defer session.Close()
	ctx := stream.Context()
	in := wire.Incoming[*received]{Pool: &receivedMessages}
	return command.Serve(stream, s.env.Commands, &in, func() (out *answer, answered, over bool) {
		out, over = session.handle(ctx, &in.Buffer.message, in.Buffer.undecoded())
		return out, true, over
	}, func(panicked any) *answer {
		return session.end(ctx, texts.Recovered(in.Buffer.message.GetCommand().GetId(), panicked), &in.Buffer.message)
	})
}
