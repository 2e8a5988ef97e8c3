package eventsourced

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// server serves the protocol of event sourced entities: it is where the messages of a
// session meet the wire.
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

// Handle serves one activation. It ends when the proxy half-closes the stream, after a
// failure message, or when the service stops.
func (s *server) Handle(stream eventsourcedpb.EventSourced_HandleServer) error {
	session := session{types: s.types, env: s.env}
	defer session.close()
	ctx := stream.Context()
	var in incoming
	for {
		if err := stream.RecvMsg(&in); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		over, err := s.handle(ctx, stream, &session, &in.message)
		in.free()
		if over || err != nil {
			return err
		}
	}
}

// handle handles a message and sends the answer, if there is one. The service waits for
// commands before it stops.
func (s *server) handle(ctx context.Context, stream grpc.ServerStream, session *session, in *eventsourcedpb.EventSourcedStreamIn) (over bool, err error) {
	if in.GetCommand() != nil {
		if !s.env.Commands.Begin() {
			return true, status.Error(codes.Unavailable, "the service is stopping")
		}
		defer s.env.Commands.End()
	}
	out, over := session.handle(ctx, in)
	if out == nil {
		return over, nil
	}
	defer out.free()
	return over || s.env.Commands.Closed(), stream.SendMsg(&out.out)
}
