package conformance_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/conformance"
	"github.com/cloudstate-go/cloudstate/conformance/models"
)

//snippet:userfunction

func TestUserFunction(t *testing.T) {
	t.Parallel()
	addr := startUserFunction(t) // yours, with the models
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	conformance.TestUserFunction(t, conformance.UserFunction{Conn: conn, Timeout: busyMachine})
}

//snippet:end

// busyMachine is how long a message may take here. Nothing waits for so long if all is well.
const busyMachine = time.Minute

func TestUserFunction_OverMemory(t *testing.T) {
	t.Parallel()
	lis := bufconn.Listen(1 << 20)
	serveModels(t, lis)
	conn, err := grpc.NewClient("passthrough:memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	conformance.TestUserFunction(t, conformance.UserFunction{Conn: conn, Timeout: busyMachine})
}

// startUserFunction serves the models over TCP until the test ends, and returns where.
func startUserFunction(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	lis, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serveModels(t, lis)
	return lis.Addr().String()
}

// serveModels serves the models until the test ends.
func serveModels(t *testing.T, lis net.Listener) {
	t.Helper()
	service := models.Service()
	service.Logger = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- service.Serve(ctx, lis) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
}
