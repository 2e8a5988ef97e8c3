package cloudstate_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// cart is an entity whose AddItem a test can hold up.
type cart struct {
	eventsourced.Base
	pb.UnimplementedShoppingCartServer

	wait func()
}

func (c *cart) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	if c.wait != nil {
		c.wait()
	}
	if add.GetProductId() == "exit" {
		runtime.Goexit()
	}
	if add.GetProductId() == "panic" {
		panic("boom") //nolint:forbidigo // what a test is about
	}
	c.Emit(&domain.ItemRemoved{ProductId: add.GetProductId()})
	return &emptypb.Empty{}, nil
}

func cartEntity(wait func()) *eventsourced.Entity[*cart] {
	return &eventsourced.Entity[*cart]{
		Service:       &pb.ShoppingCart_ServiceDesc,
		PersistenceID: "shopping-cart",
		New:           func(string) *cart { return &cart{wait: wait} },
		Events:        []eventsourced.Event[*cart]{eventsourced.On(func(*cart, *domain.ItemRemoved) {})},
	}
}

// logBuffer is a log that may be written while it is read.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// running is a service that is being served over memory.
type running struct {
	conn *grpc.ClientConn
	log  *logBuffer
	stop func() error // ends the context of Serve and returns its result
}

func serve(t *testing.T, s *cloudstate.Service) *running {
	t.Helper()
	r := &running{log: &logBuffer{}}
	if s.Logger == nil {
		s.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	}
	lis := bufconn.Listen(1 << 16)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, lis) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
	conn, err := grpc.NewClient("passthrough:memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	r.conn = conn
	t.Cleanup(func() {
		_ = conn.Close()
		_ = r.stop()
	})
	return r
}

// activate opens a stream of an entity.
func (r *running) activate(t *testing.T, id string) eventsourcedpb.EventSourced_HandleClient {
	t.Helper()
	stream, err := eventsourcedpb.NewEventSourcedClient(r.conn).Handle(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{
		Init: &eventsourcedpb.EventSourcedInit{ServiceName: pb.ShoppingCart_ServiceDesc.ServiceName, EntityId: id},
	}}))
	return stream
}

func addItem(t *testing.T, stream eventsourcedpb.EventSourced_HandleClient, entityID, product string) {
	t.Helper()
	payload, err := anypb.New(&pb.AddLineItem{ProductId: product})
	require.NoError(t, err)
	require.NoError(t, stream.Send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Command{
		Command: &protocol.Command{EntityId: entityID, Id: 1, Name: "AddItem", Payload: payload},
	}}))
}

// P-022: after the proxy's half-close nothing is sent, and the stream ends with OK.
func TestServe_EndsAStreamAfterTheHalfClose(t *testing.T) {
	t.Parallel()
	r := serve(t, &cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil)}})
	stream := r.activate(t, "u1")
	addItem(t, stream, "u1", "a")
	out, err := stream.Recv()
	require.NoError(t, err)
	require.Len(t, out.GetReply().GetEvents(), 1)
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, r.stop())
}

// P-032: a panic ends the stream of one entity after a failure, and nothing else.
func TestServe_SurvivesAPanic(t *testing.T) {
	t.Parallel()
	r := serve(t, &cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil)}})
	other := r.activate(t, "u2")
	stream := r.activate(t, "u1")
	addItem(t, stream, "u1", "panic")
	out, err := stream.Recv()
	require.NoError(t, err)
	require.Equal(t, "Unexpected failure: boom", out.GetFailure().GetDescription())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	require.Contains(t, r.log.String(), "entity=u1 command=AddItem error=\"Unexpected failure: boom\" stack=")

	addItem(t, other, "u2", "a")
	out, err = other.Recv()
	require.NoError(t, err)
	require.NotNil(t, out.GetReply())
}

// A handler that ends its goroutine, as t.FailNow does, ends its stream and is noticed.
func TestServe_SurvivesGoexit(t *testing.T) {
	t.Parallel()
	r := serve(t, &cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil)}})
	stream := r.activate(t, "u1")
	addItem(t, stream, "u1", "exit")
	out, err := stream.Recv()
	require.NoError(t, err)
	require.Contains(t, out.GetFailure().GetDescription(), "runtime.Goexit")
	require.Equal(t, int64(1), out.GetFailure().GetCommandId())
	require.Contains(t, r.log.String(), "command=AddItem")
}

// A service that stops lets running commands finish, although streams are open.
func TestServe_StopsWhenItsCommandsHaveFinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		r := serve(t, &cloudstate.Service{Components: []cloudstate.Component{cartEntity(func() { <-proceed })}})
		idle := r.activate(t, "idle")
		busy := r.activate(t, "busy")
		addItem(t, busy, "busy", "a")
		synctest.Wait()

		stopped := make(chan error, 1)
		go func() { stopped <- r.stop() }()
		synctest.Wait()
		require.Empty(t, stopped, "it must wait for the command")
		addItem(t, idle, "idle", "b") // comes too late
		_, err := idle.Recv()
		require.Equal(t, codes.Unavailable, status.Code(err))

		close(proceed)
		out, err := busy.Recv()
		require.NoError(t, err)
		require.NotNil(t, out.GetReply())
		require.NoError(t, <-stopped)
	})
}

// A handler that hangs does not keep the service from stopping.
func TestServe_StopsAfterTheGracePeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		defer close(proceed)
		r := serve(t, &cloudstate.Service{
			Components:  []cloudstate.Component{cartEntity(func() { <-proceed })},
			GracePeriod: time.Minute,
		})
		addItem(t, r.activate(t, "u1"), "u1", "a")
		synctest.Wait()
		begin := time.Now()
		require.EqualError(t, r.stop(), "service: 1 commands were still running after the grace period of 1m0s; their callers got an error")
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

// Nor does a constructor that hangs, which is no command.
func TestServe_StopsAlthoughAnActivationHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		defer close(proceed)
		entity := cartEntity(nil)
		entity.New = func(string) *cart {
			<-proceed
			return &cart{}
		}
		r := serve(t, &cloudstate.Service{Components: []cloudstate.Component{entity}})
		r.activate(t, "u1")
		synctest.Wait()
		require.EqualError(t, r.stop(), "service: entities were still being activated after the grace period of 10s")
	})
}

// Large answers leave before the connection ends, also to a proxy that reads slowly.
func TestServe_FlushesItsAnswersBeforeItStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := serve(t, &cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil)}})
		stream := r.activate(t, "u1")
		addItem(t, stream, "u1", strings.Repeat("x", 1<<20))
		synctest.Wait()
		stopped := make(chan error, 1)
		go func() { stopped <- r.stop() }()
		time.Sleep(900 * time.Millisecond) //nolint:forbidigo // virtual time
		out, err := stream.Recv()
		require.NoError(t, err)
		require.Len(t, out.GetReply().GetEvents(), 1)
		require.NoError(t, <-stopped)
	})
}

// The first interceptor is the outermost.
func TestServe_RunsInterceptorsInOrder(t *testing.T) {
	t.Parallel()
	var order []string
	named := func(name string) grpc.UnaryServerInterceptor {
		return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			order = append(order, name)
			return handler(ctx, req)
		}
	}
	r := serve(t, &cloudstate.Service{
		Components:        []cloudstate.Component{cartEntity(nil)},
		UnaryInterceptors: []grpc.UnaryServerInterceptor{named("first"), named("second"), named("third")},
	})
	stream := r.activate(t, "u1")
	addItem(t, stream, "u1", "a")
	_, err := stream.Recv()
	require.NoError(t, err)
	require.NoError(t, r.stop())
	require.Equal(t, []string{"first", "second", "third"}, order)
}

func TestServe_ReportsItsHealth(t *testing.T) {
	t.Parallel()
	r := serve(t, &cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil)}})
	health, err := grpc_health_v1.NewHealthClient(r.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, health.GetStatus())
}

func TestServe_ReturnsWhatIsWrongWithTheListener(t *testing.T) {
	t.Parallel()
	lis := bufconn.Listen(1)
	require.NoError(t, lis.Close())
	err := (&cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil)}}).Serve(t.Context(), lis)
	require.ErrorContains(t, err, "service: ")
}

func TestServe_AppliesServerOptions(t *testing.T) {
	t.Parallel()
	refuse := grpc.UnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
		return nil, status.Error(codes.Unauthenticated, "who are you?")
	})
	r := serve(t, &cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil)}, ServerOptions: []grpc.ServerOption{refuse}})
	_, err := protocol.NewEntityDiscoveryClient(r.conn).Discover(t.Context(), &protocol.ProxyInfo{})
	require.Equal(t, codes.Unauthenticated, status.Code(err))
}

func TestValidate_ReportsAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	require.EqualError(t, (&cloudstate.Service{}).Validate(),
		"service: the field Components is empty; a proxy refuses a service without entities and actions")

	service := &cloudstate.Service{
		GracePeriod: -1,
		Components: []cloudstate.Component{
			nil,
			(*eventsourced.Entity[*cart])(nil),
			cartEntity(nil),
			cartEntity(nil),
			&eventsourced.Entity[*cart]{},
		},
	}
	err := service.Validate()
	for _, want := range []string{
		"service: the field GracePeriod is -1ns",
		"service: component 1 is nil",
		"service: component 2 is nil",
		"com.example.shoppingcart.ShoppingCart: it is declared by two components",
		"*cloudstate_test.cart: the field Service is nil",
	} {
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, err.Error(), service.Run(t.Context()).Error())
	require.ErrorContains(t, service.Serve(t.Context(), bufconn.Listen(1)), err.Error())
}

// Two services may not write to the same journal.
func TestValidate_ReportsPersistenceIDsThatCollide(t *testing.T) {
	t.Parallel()
	second := pb.ShoppingCart_ServiceDesc
	second.ServiceName = "com.example.shoppingcart.Other"
	entity := cartEntity(nil)
	entity.Service = &second
	err := (&cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil), entity}}).Validate()
	require.ErrorContains(t, err, `com.example.shoppingcart.Other: its persistence id "shopping-cart" is also that of com.example.shoppingcart.ShoppingCart`)
}

// Not parallel: it sets the environment.
func TestRun_ListensWhereTheEnvironmentSays(t *testing.T) { //nolint:paralleltest // see above
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, free.Close()) }()
	host, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	t.Setenv("HOST", host)
	t.Setenv("PORT", port)
	service := &cloudstate.Service{Components: []cloudstate.Component{cartEntity(nil)}}
	require.ErrorContains(t, service.Run(t.Context()), "listen tcp "+free.Addr().String(), "the address is taken")

	service.Addr = "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, service.Run(ctx))
}

// P-002, P-003, P-004, P-005, P-006, P-007: what the proxy is told, the same to everybody at any time.
func TestDiscover_DescribesTheService(t *testing.T) {
	t.Parallel()
	entity := cartEntity(nil)
	entity.PassivateAfter = 100 * time.Millisecond
	r := serve(t, &cloudstate.Service{Name: "shop", Version: "1.2.3", Components: []cloudstate.Component{entity}})
	client := protocol.NewEntityDiscoveryClient(r.conn)
	info := &protocol.ProxyInfo{
		ProtocolMajorVersion: 0, ProtocolMinorVersion: 2, ProxyName: "test",
		SupportedEntityTypes: []string{"cloudstate.eventsourced.EventSourced"},
	}
	spec, err := client.Discover(t.Context(), info)
	require.NoError(t, err)

	require.Len(t, spec.GetEntities(), 1)
	require.True(t, proto.Equal(&protocol.Entity{
		EntityType:    "cloudstate.eventsourced.EventSourced",
		ServiceName:   "com.example.shoppingcart.ShoppingCart",
		PersistenceId: "shopping-cart",
		PassivationStrategy: &protocol.EntityPassivationStrategy{Strategy: &protocol.EntityPassivationStrategy_Timeout{
			Timeout: &protocol.TimeoutPassivationStrategy{Timeout: 100},
		}},
	}, spec.GetEntities()[0]), "%v", spec.GetEntities()[0])
	service := spec.GetServiceInfo()
	require.Equal(t, "shop", service.GetServiceName())
	require.Equal(t, "1.2.3", service.GetServiceVersion())
	require.Equal(t, "cloudstate-go", service.GetSupportLibraryName())
	require.NotEmpty(t, service.GetSupportLibraryVersion())
	require.Contains(t, service.GetServiceRuntime(), "go1.")
	require.Equal(t, int32(0), service.GetProtocolMajorVersion())
	require.Equal(t, int32(2), service.GetProtocolMinorVersion())
	require.NotContains(t, r.log.String(), "level=ERROR")
	require.NotContains(t, r.log.String(), "level=WARN")

	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			again, err := client.Discover(t.Context(), &protocol.ProxyInfo{})
			if err != nil || !proto.Equal(spec, again) {
				t.Errorf("another spec: %v, %v", again, err)
			}
		})
	}
	calls.Wait()
}
