// Package frontend serves the services of a discovered user function to gRPC clients
// (protocol sections 8.1 to 8.3), without generated code: requests and replies are
// passed through as bytes.
//
//	server := frontend.New(frontend.Config{Handler: router.Handle})
//	go server.Serve(listener) // every call is UNAVAILABLE until
//	server.Publish(discovered)
//	server.Shutdown(ctx)
//
// Server reflection and the standard health service come with it.
package frontend

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress (P-186)
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// defaultMaxMessageSize is that of gRPC.
const defaultMaxMessageSize = 4 << 20

// Config is what a Server is made of.
type Config struct {
	// Handler gets each call of a published method. Required.
	Handler Handler
	// Logger gets an error for each handler that panics. Nil means none.
	Logger *slog.Logger
	// MaxMessageSize is the largest message that is accepted from a client, in bytes.
	// Zero means 4 MiB, as in gRPC.
	MaxMessageSize int
}

// A Server is the gRPC server of a proxy. All methods may be called concurrently.
type Server struct {
	handler     Handler
	logger      *slog.Logger
	grpc        *grpc.Server
	connections connections

	mu    sync.Mutex // held while state is replaced
	state atomic.Pointer[state]
}

// New returns a server that refuses every call until it gets to know its services from
// Publish.
func New(cfg Config) *Server {
	s := &Server{handler: cfg.Handler, logger: cfg.Logger}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxMessageSize == 0 {
		cfg.MaxMessageSize = defaultMaxMessageSize
	}
	s.state.Store(&state{changed: make(chan struct{})})
	s.grpc = grpc.NewServer(
		grpc.ForceServerCodecV2(codec{}),
		grpc.UnknownServiceHandler(s.route),
		grpc.MaxRecvMsgSize(cfg.MaxMessageSize),
	)
	healthv1.RegisterHealthServer(s.grpc, &health{state: &s.state})
	for _, name := range []string{reflectionName, reflectionAlphaName} {
		// The messages of both versions are the same on the wire.
		description := reflectionv1.ServerReflection_ServiceDesc
		description.ServiceName = name
		s.grpc.RegisterService(&description, &reflection{name: name, state: &s.state})
	}
	return s
}

// Publish makes the services of a user function available, in place of those that were
// published before. Calls that are running are not affected.
func (s *Server) Publish(published *spec.Spec) {
	s.change(func(next *state) { next.publish(published) })
}

// Serve accepts connections until Shutdown, and then returns nil. It closes the
// listener. It may be called for several listeners at once.
func (s *Server) Serve(listener net.Listener) error {
	err := s.grpc.Serve(s.connections.listen(listener))
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// Shutdown refuses new calls, waits for those that are running until ctx ends, and then
// cancels what still runs. It returns when every handler has returned; a handler that
// ignores the end of its context holds it up.
func (s *Server) Shutdown(ctx context.Context) {
	s.change(func(next *state) { next.draining = true })
	done := make(chan struct{})
	var graceful sync.WaitGroup
	graceful.Go(func() {
		defer close(done)
		s.grpc.GracefulStop() // also waits for handlers
	})
	select {
	case <-done:
	case <-ctx.Done():
		s.connections.closeAll()
		s.grpc.Stop()
	}
	graceful.Wait()
}

// change replaces the state by a changed copy.
func (s *Server) change(apply func(next *state)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	previous := s.state.Load()
	next := *previous
	next.changed = make(chan struct{})
	apply(&next)
	s.state.Store(&next)
	close(previous.changed)
}
