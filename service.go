package cloudstate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"reflect"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol"
)

const (
	defaultHost        = "127.0.0.1"
	defaultPort        = "8080"
	defaultGracePeriod = 10 * time.Second

	// flushShare is the part of the grace period that connections stay open after the last
	// command has been answered, for the answers to leave.
	flushShare = 10
)

// A Component is an entity type or an action: a declaration of one of the packages of the
// kinds, such as *eventsourced.Entity.
type Component = component.Component

// A Service serves entities and actions to a proxy.
//
// The zero values of the optional fields are ready for use. A Service must not change once
// it has started.
type Service struct {
	// Name and Version are what the proxy is told about the service. Optional.
	Name, Version string

	// Components are the entities and actions, at least one.
	Components []Component

	// Logger gets one record for each fault of an entity, and what the proxy reports. Nil
	// means slog.Default().
	Logger *slog.Logger

	// UnaryInterceptors run around every handler of a unary method, the first outermost.
	// They see the command as a call of the user's own service: its request, its full
	// method name and its metadata.
	UnaryInterceptors []grpc.UnaryServerInterceptor

	// StreamInterceptors run around every handler of a streaming method, likewise.
	StreamInterceptors []grpc.StreamServerInterceptor

	// ServerOptions are further options of the gRPC server that the proxy talks to, such
	// as credentials or a limit of message sizes. Interceptors among them see the protocol
	// and not the commands, in messages that are valid only until they return. Stats handlers
	// must not look at payloads. A codec among them has no effect.
	ServerOptions []grpc.ServerOption

	// Addr is where Run listens, such as "127.0.0.1:8080". Empty means the environment
	// variables HOST and PORT, whose defaults are 127.0.0.1 and 8080.
	Addr string

	// ProxyAddr is where the proxy serves its clients, for entity.Call. It is not needed where
	// a proxy has embedded the service. The connection is in plain text; for another one, use
	// ServeWithProxy. Empty means that there are no such calls.
	ProxyAddr string

	// GracePeriod is how long running commands may take to finish when the service stops.
	// Zero means 10 seconds.
	GracePeriod time.Duration
}

// Validate reports every mistake of every component, joined, each with what to change. Run
// and Serve call it first.
func (s *Service) Validate() error {
	_, _, err := s.declare()
	return err
}

// declare returns the declarations of the components and the .proto files they come from.
func (s *Service) declare() ([]*component.Declaration, *descriptorpb.FileDescriptorSet, error) {
	if len(s.Components) == 0 {
		return nil, nil, errors.New("service: the field Components is empty; a proxy refuses a service without entities and actions")
	}
	var mistakes []error
	if s.GracePeriod < 0 {
		mistakes = append(mistakes, fmt.Errorf("service: the field GracePeriod is %v; it must be positive, or 0 for %v", s.GracePeriod, defaultGracePeriod))
	}
	declarations := make([]*component.Declaration, 0, len(s.Components))
	for i, c := range s.Components {
		if c == nil || reflect.ValueOf(c).IsZero() {
			mistakes = append(mistakes, fmt.Errorf("service: component %d is nil; remove it", i+1))
			continue
		}
		declarations = append(declarations, c.Declare())
	}
	files, err := descriptorSet(declarations)
	return declarations, files, errors.Join(append(mistakes, component.Check(declarations), err)...)
}

// Run serves at Addr until ctx ends, and stops gracefully, as Serve does.
func (s *Service) Run(ctx context.Context) error {
	if err := s.Validate(); err != nil {
		return err
	}
	var config net.ListenConfig
	lis, err := config.Listen(ctx, "tcp", s.addr())
	if err != nil {
		return fmt.Errorf("service: listen for the proxy: %w; the address is set by Service.Addr, or by HOST and PORT", err)
	}
	return s.Serve(ctx, lis)
}

func (s *Service) addr() string {
	if s.Addr != "" {
		return s.Addr
	}
	host, port := os.Getenv("HOST"), os.Getenv("PORT")
	if host == "" {
		host = defaultHost
	}
	if port == "" {
		port = defaultPort
	}
	return net.JoinHostPort(host, port)
}

// Serve serves on lis, which it closes, until ctx ends. Then it refuses new commands, lets
// the running ones finish within the grace period, ends the streams and returns nil, or an
// error if commands were still running. It returns earlier if the service is not valid or
// lis fails.
//
// A Service may be served several times, also at once.
func (s *Service) Serve(ctx context.Context, lis net.Listener) error {
	if s.ProxyAddr == "" {
		return s.ServeWithProxy(ctx, lis, nil)
	}
	conn, err := grpc.NewClient(s.ProxyAddr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32))) // the proxy limits them
	if err != nil {
		return errors.Join(fmt.Errorf("service: connect to the proxy at ProxyAddr: %w", err), lis.Close())
	}
	return errors.Join(s.ServeWithProxy(ctx, lis, conn), conn.Close())
}

// ServeWithProxy is Serve with a connection to the proxy for entity.Call, which takes the
// place of ProxyAddr. It is what a proxy calls that embeds the service. The connection may
// be nil; it is not closed.
func (s *Service) ServeWithProxy(ctx context.Context, lis net.Listener, proxy grpc.ClientConnInterface) error {
	declarations, files, err := s.declare()
	if err != nil {
		return errors.Join(err, lis.Close())
	}
	discovery, err := newDiscovery(s, declarations, files)
	if err != nil {
		return errors.Join(err, lis.Close())
	}
	env := &component.Env{
		Environment: command.Environment{
			Unary:   command.Chain(s.UnaryInterceptors),
			Stream:  command.ChainStream(s.StreamInterceptors),
			Targets: component.Targets(declarations),
			Proxy:   proxy,
		},
		Logger:   s.logger(),
		Commands: command.NewGauge(),
	}
	server := grpc.NewServer(slices.Concat(
		// The proxy limits what it stores; whatever that is, it must come back.
		[]grpc.ServerOption{grpc.MaxRecvMsgSize(math.MaxInt32)},
		s.ServerOptions,
		// No other codec can decode what the protocol servers receive into.
		[]grpc.ServerOption{grpc.ForceServerCodecV2(wire.Codec())},
	)...)
	protocol.RegisterEntityDiscoveryServer(server, discovery)
	healthServer := health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, healthServer)
	for kind, ofKind := range byKind(declarations) {
		kind.Register(server, env, ofKind)
	}

	s.logger().LogAttrs(ctx, slog.LevelInfo, "the service waits for its proxy", slog.String("addr", lis.Addr().String()))
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(lis) }()
	select {
	case err := <-failed:
		server.Stop()
		return fmt.Errorf("service: %w", err)
	case <-ctx.Done():
	}
	healthServer.Shutdown()
	err = s.stop(context.WithoutCancel(ctx), server, env.Commands)
	if serveErr := <-failed; serveErr != nil && !errors.Is(serveErr, grpc.ErrServerStopped) {
		err = errors.Join(err, serveErr)
	}
	return err
}

// stop ends server. Its streams stay open as long as their entities are active, so it does
// not wait for them, but for the commands that are running.
func (s *Service) stop(ctx context.Context, server *grpc.Server, commands *command.Gauge) error {
	grace := s.GracePeriod
	if grace == 0 {
		grace = defaultGracePeriod
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()

	drained := make(chan struct{})
	go func() {
		defer close(drained)
		server.GracefulStop() // returns at the latest after Stop, when all handlers have
	}()
	running := commands.Close(ctx)
	if running == 0 {
		flush := time.NewTimer(grace / flushShare)
		defer flush.Stop()
		select {
		case <-drained:
		case <-flush.C:
		}
	}
	server.Stop()
	if running > 0 { // do not wait for handlers that may never return
		return fmt.Errorf("service: %d commands were still running after the grace period of %v; their callers got an error", running, grace)
	}
	select {
	case <-drained:
		return nil
	case <-ctx.Done(): // a constructor or an event handler, which is no command, hangs
		return fmt.Errorf("service: entities were still being activated after the grace period of %v", grace)
	}
}

func (s *Service) logger() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default() //nolint:forbidigo // the documented default
}

func byKind(declarations []*component.Declaration) map[*component.Kind][]*component.Declaration {
	kinds := map[*component.Kind][]*component.Declaration{}
	for _, d := range declarations {
		kinds[d.Kind] = append(kinds[d.Kind], d)
	}
	return kinds
}
