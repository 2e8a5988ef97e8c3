package frontend_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

const (
	serving    = healthv1.HealthCheckResponse_SERVING
	notServing = healthv1.HealthCheckResponse_NOT_SERVING
)

// P-017: the services are ready once they are published, not before.
func TestHealth_Check(t *testing.T) {
	t.Parallel()
	n := start(t, frontend.Config{Handler: unused})
	client := healthv1.NewHealthClient(n.dial(t))
	check := func(want healthv1.HealthCheckResponse_ServingStatus) {
		for _, service := range []string{"", "test.Streams", shoppingCart} {
			response, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
			require.NoError(t, err)
			require.Equal(t, want, response.GetStatus(), service)
		}
	}
	check(notServing)
	n.Publish(shop(t))
	check(serving)
	_, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "test.Other"})
	requireStatus(t, err, codes.NotFound, "unknown service test.Other")
}

func TestHealth_List(t *testing.T) {
	t.Parallel()
	n := start(t, frontend.Config{Handler: unused})
	client := healthv1.NewHealthClient(n.dial(t))
	list := func() map[string]healthv1.HealthCheckResponse_ServingStatus {
		response, err := client.List(t.Context(), &healthv1.HealthListRequest{})
		require.NoError(t, err)
		statuses := map[string]healthv1.HealthCheckResponse_ServingStatus{}
		for name, s := range response.GetStatuses() {
			statuses[name] = s.GetStatus()
		}
		return statuses
	}
	require.Equal(t, map[string]healthv1.HealthCheckResponse_ServingStatus{"": notServing}, list())
	n.Publish(shop(t))
	require.Equal(t, map[string]healthv1.HealthCheckResponse_ServingStatus{"": serving, "test.Streams": serving, shoppingCart: serving}, list())
}

// A watch tells each change, and does not hold up Shutdown.
func TestHealth_Watch(t *testing.T) {
	t.Parallel()
	n := start(t, frontend.Config{Handler: unused})
	stream, err := healthv1.NewHealthClient(n.dial(t)).Watch(t.Context(), &healthv1.HealthCheckRequest{Service: shoppingCart})
	require.NoError(t, err)
	next := func() healthv1.HealthCheckResponse_ServingStatus {
		response, err := stream.Recv()
		require.NoError(t, err)
		return response.GetStatus()
	}
	require.Equal(t, notServing, next())
	n.Publish(shop(t))
	require.Equal(t, serving, next())
	n.Publish(shop(t)) // no change
	n.Publish(discovered(t, []*descriptorpb.FileDescriptorProto{streamsFile()}, streamsEntity()))
	require.Equal(t, healthv1.HealthCheckResponse_SERVICE_UNKNOWN, next())
	n.Shutdown(t.Context())
	require.Equal(t, notServing, next())
	_, err = stream.Recv()
	requireStatus(t, err, codes.Unavailable, "the proxy is shutting down; watch another instance")
}

// A watch ends when its client gives up.
func TestHealth_WatchEndsWithItsClient(t *testing.T) {
	t.Parallel()
	n := startShop(t, unused)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := healthv1.NewHealthClient(n.dial(t)).Watch(ctx, &healthv1.HealthCheckRequest{Service: "test.Other"})
	require.NoError(t, err)
	response, err := stream.Recv()
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_SERVICE_UNKNOWN, response.GetStatus())
	cancel()
	_, err = stream.Recv()
	require.Equal(t, codes.Canceled, status.Code(err))
}
