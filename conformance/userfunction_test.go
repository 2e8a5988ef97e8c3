package conformance_test

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/conformance"
	"github.com/cloudstate-go/cloudstate/conformance/models"
)

func TestUserFunction_OfThisLibraryOverMemory(t *testing.T) {
	t.Parallel()
	lis := bufconn.Listen(1 << 20)
	conn := serveModels(t, lis, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	conformance.TestUserFunction(t, conformance.UserFunction{Conn: conn})
}

func TestUserFunction_OfThisLibraryOverTCP(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	lis, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	conformance.TestUserFunction(t, conformance.UserFunction{Conn: serveModels(t, lis)})
}

// serveModels serves the models on lis until the test ends and returns a connection to them.
func serveModels(t *testing.T, lis net.Listener, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	service := models.Service()
	service.Logger = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- service.Serve(ctx, lis) }()

	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("passthrough:///"+lis.Addr().String(), options...)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		cancel()
		require.NoError(t, <-served)
	})
	return conn
}
