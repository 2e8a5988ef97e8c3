package frontend

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// health is the standard health service: nothing serves before Publish or after
// Shutdown. Unlike the server of gRPC, it ends its streams at Shutdown, which would
// otherwise have to wait for them.
type health struct {
	healthv1.UnimplementedHealthServer

	state *atomic.Pointer[state]
}

// Check returns the status of a service, or of the proxy as a whole if it has no name.
func (h *health) Check(_ context.Context, request *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	now := h.state.Load().health(request.GetService())
	if now == healthv1.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Errorf(codes.NotFound, "unknown service %s", request.GetService())
	}
	return &healthv1.HealthCheckResponse{Status: now}, nil
}

// List returns the status of the proxy and of all its services.
func (h *health) List(context.Context, *healthv1.HealthListRequest) (*healthv1.HealthListResponse, error) {
	current := h.state.Load()
	statuses := map[string]*healthv1.HealthCheckResponse{"": {Status: current.health("")}}
	for _, name := range current.names {
		statuses[name] = &healthv1.HealthCheckResponse{Status: current.health(name)}
	}
	return &healthv1.HealthListResponse{Statuses: statuses}, nil
}

// Watch sends the status of a service now and whenever it changes.
func (h *health) Watch(request *healthv1.HealthCheckRequest, stream grpc.ServerStreamingServer[healthv1.HealthCheckResponse]) error {
	last := healthv1.HealthCheckResponse_ServingStatus(-1)
	for {
		current := h.state.Load()
		if now := current.health(request.GetService()); now != last {
			if err := stream.Send(&healthv1.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
			last = now
		}
		if current.draining {
			return status.Error(codes.Unavailable, "the proxy is shutting down; watch another instance")
		}
		select {
		case <-current.changed:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

// health returns the status of a service. Any service may come to be known by Publish.
func (s *state) health(service string) healthv1.HealthCheckResponse_ServingStatus {
	switch {
	case s.spec == nil || s.draining:
		return healthv1.HealthCheckResponse_NOT_SERVING
	case service == "" || s.spec.Service(service) != nil:
		return healthv1.HealthCheckResponse_SERVING
	default:
		return healthv1.HealthCheckResponse_SERVICE_UNKNOWN
	}
}
