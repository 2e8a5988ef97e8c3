package actions_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/actions"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// A fixture has the actions of a user function, without a router and clients.
type fixture struct {
	*actions.Actions

	spec  *spec.Spec
	abort context.CancelFunc

	mu     sync.Mutex
	faults []routing.Fault
}

// start starts a user function and its actions.
func start(tb testing.TB, userFunction actionpb.ActionProtocolServer) *fixture {
	tb.Helper()
	services, err := spec.New(scripted.Spec(tb), spec.Options{})
	require.NoError(tb, err)
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	actionpb.RegisterActionProtocolServer(server, userFunction)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///actions",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	require.NoError(tb, err)
	ctx, abort := context.WithCancel(context.Background())
	f := &fixture{spec: services, abort: abort}
	f.Actions = actions.New(ctx, actions.Config{UserFunction: conn, Report: func(_ context.Context, fault routing.Fault) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.faults = append(f.faults, fault)
	}})
	tb.Cleanup(func() {
		abort()
		f.Close()
		require.NoError(tb, conn.Close())
		server.Stop()
		require.NoError(tb, <-served)
	})
	return f
}

// command returns a command for a method of the action, with requests if there are any.
func (f *fixture) command(method string, requests ...*anypb.Any) *routing.Command {
	command := &routing.Command{Method: f.spec.Service(scripted.Action).Method(method), Payload: scripted.Question("u1", "hello")}
	if len(requests) > 0 {
		command.Requests = func() (*anypb.Any, error) {
			if len(requests) == 0 {
				return nil, io.EOF
			}
			next := requests[0]
			requests = requests[1:]
			return next, nil
		}
	}
	return command
}

// echo is a user function that answers each payload with an answer.
type echo struct {
	actionpb.UnimplementedActionProtocolServer

	replies int // of a streamed-out call
}

var echoed = &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{Reply: &protocol.Reply{Payload: scripted.Answer("ok")}}}

func (echo) HandleUnary(context.Context, *actionpb.ActionCommand) (*actionpb.ActionResponse, error) {
	return echoed, nil
}

func (e echo) HandleStreamedOut(_ *actionpb.ActionCommand, stream grpc.ServerStreamingServer[actionpb.ActionResponse]) error {
	for range e.replies {
		if err := stream.Send(echoed); err != nil {
			return err
		}
	}
	return nil
}

func (echo) HandleStreamedIn(stream grpc.ClientStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return stream.SendAndClose(echoed)
		} else if err != nil {
			return err
		}
	}
}

func (echo) HandleStreamed(stream grpc.BidiStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	for {
		command, err := stream.Recv()
		if err != nil {
			return ignoreEOF(err)
		}
		if command.GetPayload() == nil {
			continue
		}
		if err := stream.Send(echoed); err != nil {
			return err
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
