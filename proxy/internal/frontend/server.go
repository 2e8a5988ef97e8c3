// Package frontend serves the services of a discovered user function to clients
// (protocol section 8), without generated code: over gRPC, where requests and replies are
// passed through as bytes, and over HTTP/1.1 as JSON and as gRPC-Web.
//
//	server := frontend.New(frontend.Config{Handler: router.Handle})
//	go server.Serve(listener) // every call is UNAVAILABLE until
//	server.Publish(discovered)
//	server.Shutdown(ctx)
//
// Server reflection and the standard health service come with it.
package frontend

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress (P-186)
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// What the zero values of a Config stand for.
const (
	defaultMaxMessageSize = 4 << 20 // that of gRPC
	defaultReadTimeout    = time.Minute
	defaultWriteTimeout   = 30 * time.Second
)

// largestMessage is that of protobuf.
const largestMessage = math.MaxInt32

// Config is what a Server is made of.
type Config struct {
	// Handler gets each call of a published method. Required.
	Handler Handler
	// Logger gets an error for each handler that panics. Nil means none.
	Logger *slog.Logger
	// OnFault is called with each reply that is not what its method declares, as far as
	// that is noticed. It must return soon. Nil means nobody listens.
	OnFault func(method *spec.Method, err error)
	// MaxMessageSize is the largest message that is accepted from a client, in bytes; over
	// HTTP, the largest body, compressed or not. Zero means 4 MiB, as in gRPC; more than 2
	// GiB means 2 GiB, which is what protobuf allows.
	MaxMessageSize int
	// ReadTimeout is how long a client may take to send a request over HTTP. Zero means a
	// minute.
	ReadTimeout time.Duration
	// WriteTimeout is how long a client may take to accept a piece of a response over
	// HTTP. Zero means 30 seconds.
	WriteTimeout time.Duration
	// Origins are the web origins whose pages may call over HTTP; "*" stands for all.
	Origins []string
}

// A Server is the front end of a proxy. All methods may be called concurrently.
type Server struct {
	config      Config
	grpc        *grpc.Server
	http        *http.Server
	connections connections

	mu       sync.Mutex // held while state is replaced
	state    atomic.Pointer[state]
	requests map[*context.CancelFunc]struct{} // over HTTP, with what cancels each
	handlers sync.WaitGroup                   // of these, none of which begins after draining
}

// New returns a server that refuses every call until it gets to know its services from
// Publish.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.OnFault == nil {
		cfg.OnFault = func(*spec.Method, error) {}
	}
	cfg.MaxMessageSize = min(cmp.Or(cfg.MaxMessageSize, defaultMaxMessageSize), largestMessage)
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, defaultReadTimeout)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, defaultWriteTimeout)
	s := &Server{config: cfg, requests: make(map[*context.CancelFunc]struct{})}
	s.state.Store(&state{changed: make(chan struct{})})
	s.http = newHTTPServer(cfg, s.serveHTTP)
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
	connections := newSplit(listener, &s.connections, firstByteTimeout)
	var serving sync.WaitGroup
	serving.Go(connections.run)
	// Both end with the listener, whose error is the one that counts.
	serving.Go(func() { _ = s.grpc.Serve(half{split: connections, from: connections.http2}) })
	serving.Go(func() { _ = s.http.Serve(half{split: connections, from: connections.http1}) })
	serving.Wait()
	if s.state.Load().draining {
		return nil
	}
	return context.Cause(connections.done)
}

// Shutdown refuses new calls, waits for those that are running until ctx ends, and then
// cancels what still runs. It returns when every handler has returned; a handler that
// ignores the end of its context holds it up.
func (s *Server) Shutdown(ctx context.Context) {
	s.change(func(next *state) { next.draining = true })
	done := make(chan struct{})
	go func() { // ends before this function does
		defer close(done)
		var graceful sync.WaitGroup
		graceful.Go(s.grpc.GracefulStop)                 // also waits for handlers
		graceful.Go(func() { _ = s.http.Shutdown(ctx) }) // fails with the context, which is seen below
		graceful.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.connections.closeAll()
		s.abort()
		s.grpc.Stop()
		_ = s.http.Close() // its connections are closed
	}
	<-done
	s.handlers.Wait()
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
