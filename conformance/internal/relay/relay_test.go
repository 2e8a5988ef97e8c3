package relay_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/internal/relay"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// serve serves calls until the test ends, and returns a connection.
func serve(t *testing.T, handle func(*relay.Call) error) *grpc.ClientConn {
	t.Helper()
	server := &relay.Server{Handle: handle}
	lis := bufconn.Listen(1 << 20)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, lis) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		stop()
		require.NoError(t, <-served)
	})
	return conn
}

// echo answers each command with one that is named alike, and in the end with the failure
// that the last command asks for.
func echo(call *relay.Call) error {
	last := ""
	for {
		message, err := call.Receive()
		if errors.Is(err, io.EOF) && last != "" {
			return status.Error(codes.Aborted, last)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		command, ok := message.(*actionpb.ActionCommand)
		if !ok {
			return status.Errorf(codes.Internal, "want a command, got %T", message)
		}
		last = command.GetServiceName()
		if err := call.Send(response(command.GetName())); err != nil {
			return err
		}
	}
}

func response(text string) *actionpb.ActionResponse {
	return &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Failure{Failure: &protocol.Failure{Description: text}}}
}

// converse sends commands and returns what comes back, and how the call ended.
func converse(t *testing.T, conn *grpc.ClientConn, failure string, names ...string) ([]string, error) {
	t.Helper()
	stream, err := actionpb.NewActionProtocolClient(conn).HandleStreamed(t.Context())
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, stream.Send(&actionpb.ActionCommand{Name: name, ServiceName: failure}))
	}
	require.NoError(t, stream.CloseSend())
	var got []string
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, response.GetFailure().GetDescription())
	}
}

func TestRelay_PassesEverythingOn(t *testing.T) {
	t.Parallel()
	upstream := serve(t, echo)
	conn := serve(t, func(call *relay.Call) error {
		first, err := call.Peek()
		if command, ok := first.(*actionpb.ActionCommand); !ok || command.GetName() != "one" {
			return status.Errorf(codes.Internal, "want the first message, got %v, %v", first, err)
		}
		return call.Relay(call.Context(), upstream, relay.Pass, relay.Pass)
	})
	got, err := converse(t, conn, "", "one", "two", "three")
	require.NoError(t, err)
	require.Equal(t, []string{"one", "two", "three"}, got)

	got, err = converse(t, conn, "the end", "one")
	require.Equal(t, []string{"one"}, got)
	require.Equal(t, codes.Aborted, status.Code(err))
	require.Equal(t, "the end", status.Convert(err).Message())
}

func TestRelay_Filters(t *testing.T) {
	t.Parallel()
	twice := func(message proto.Message, pass func(proto.Message) error) error {
		if message == nil {
			return pass(nil)
		}
		return errors.Join(pass(message), pass(message))
	}
	drop := func(message proto.Message, pass func(proto.Message) error) error {
		if message != nil {
			return nil
		}
		return errors.Join(pass(response("instead")), pass(nil))
	}
	broken := func(proto.Message, func(proto.Message) error) error {
		return status.Error(codes.DataLoss, "broken")
	}
	tests := map[string]struct {
		in, out relay.Filter
		want    []string
		code    codes.Code
	}{
		"repeat what the proxy sends":          {twice, relay.Pass, []string{"one", "one"}, codes.OK},
		"repeat what the user function sends":  {relay.Pass, twice, []string{"one", "one"}, codes.OK},
		"replace what the user function sends": {relay.Pass, drop, []string{"instead"}, codes.OK},
		"break what the proxy sends":           {broken, relay.Pass, nil, codes.DataLoss},
		"break what the user function sends":   {relay.Pass, broken, nil, codes.DataLoss},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := serve(t, echo)
			conn := serve(t, func(call *relay.Call) error {
				return call.Relay(call.Context(), upstream, tt.in, tt.out)
			})
			got, err := converse(t, conn, "", "one")
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.code, status.Code(err), "got %v", err)
		})
	}
}

func TestServer_KnowsTheProtocolOnly(t *testing.T) {
	t.Parallel()
	conn := serve(t, func(*relay.Call) error { return nil })
	for _, path := range []string{"/no.Service/handle", "/cloudstate.crdt.Crdt/no", "/google.protobuf.Any/x", "/cloudstate.Command/x"} {
		err := conn.Invoke(t.Context(), path, &actionpb.ActionCommand{}, &actionpb.ActionResponse{})
		require.Equal(t, codes.Unimplemented, status.Code(err), "%s: %v", path, err)
	}
}
