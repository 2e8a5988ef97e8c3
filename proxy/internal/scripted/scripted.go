// Package scripted is a user function for tests, which says nothing on its own: the
// test takes each message that the proxy sends, and decides what comes back.
//
//	uf := scripted.New(t)
//	stream := uf.Accept()
//	stream.RequireInit("u1")
//	command := stream.RequireCommand(1, "Ask")
//	stream.Reply(command, scripted.Answer("hello"))
//	stream.RequireHalfClosed()
//	stream.End(nil)
//
// It is reached over memory, and works in a bubble of testing/synctest. A test that
// waits for what never comes fails by the timeout of go test, whose stack traces say
// where, or in a bubble as a deadlock.
package scripted

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// A UserFunction is a scripted user function with the services of [Spec].
type UserFunction struct {
	protocol.UnimplementedEntityDiscoveryServer
	eventsourcedpb.UnimplementedEventSourcedServer

	t        testing.TB
	spec     *protocol.EntitySpec
	listener *bufconn.Listener
	server   *grpc.Server
	stopped  context.CancelFunc
	done     <-chan struct{}
	crashed  atomic.Bool

	onDiscover func() // may be nil

	streams chan *Stream
	values  chan *ValueStream
	crdts   chan *CRDTStream
	calls   chan *ActionCall
	reports chan string
}

// New returns a user function that does not listen yet.
func New(tb testing.TB) *UserFunction {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	return &UserFunction{
		t:        tb,
		spec:     Spec(tb),
		listener: bufconn.Listen(1 << 20),
		stopped:  cancel,
		done:     ctx.Done(),
		streams:  make(chan *Stream),
		values:   make(chan *ValueStream),
		crdts:    make(chan *CRDTStream),
		calls:    make(chan *ActionCall),
		reports:  make(chan string, 1000),
	}
}

// Start returns a user function that runs until the test ends, and a connection to
// it.
func Start(tb testing.TB) (*UserFunction, *grpc.ClientConn) {
	tb.Helper()
	u := New(tb)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- u.Serve(ctx, u.listener) }()
	conn, err := grpc.NewClient("passthrough:///scripted",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return u.listener.DialContext(ctx) }))
	require.NoError(tb, err)
	tb.Cleanup(func() {
		require.NoError(tb, conn.Close())
		cancel()
		require.NoError(tb, <-served)
	})
	return u, conn
}

// Serve serves the user function until the context ends.
func (u *UserFunction) Serve(ctx context.Context, listener net.Listener) error {
	u.server = grpc.NewServer(grpc.WaitForHandlers(true))
	protocol.RegisterEntityDiscoveryServer(u.server, u)
	eventsourcedpb.RegisterEventSourcedServer(u.server, u)
	valueentitypb.RegisterValueEntityServer(u.server, valueServer{userFunction: u})
	crdtpb.RegisterCrdtServer(u.server, crdtServer{userFunction: u})
	actionpb.RegisterActionProtocolServer(u.server, actionServer{userFunction: u})
	stop := context.AfterFunc(ctx, func() {
		u.stopped()
		u.server.Stop()
	})
	defer stop()
	if err := u.server.Serve(listener); err != nil && ctx.Err() == nil {
		return err
	}
	if u.crashed.Load() {
		<-ctx.Done()
	}
	u.server.Stop() // waits for handlers
	return nil
}

// Crash breaks all connections to the user function, and accepts no others, while Serve
// goes on.
func (u *UserFunction) Crash() {
	u.crashed.Store(true)
	u.server.Stop() // before handlers can end well
	u.stopped()
}

// Change lets a test change the spec before it is discovered.
func (u *UserFunction) Change(change func(*protocol.EntitySpec)) {
	change(u.spec)
}

// OnDiscover lets a test do something before the spec is discovered.
func (u *UserFunction) OnDiscover(do func()) {
	u.onDiscover = do
}

// Discover implements the discovery service.
func (u *UserFunction) Discover(context.Context, *protocol.ProxyInfo) (*protocol.EntitySpec, error) {
	if u.onDiscover != nil {
		u.onDiscover()
	}
	return u.spec, nil
}

// ReportError implements the discovery service.
func (u *UserFunction) ReportError(_ context.Context, report *protocol.UserFunctionError) (*emptypb.Empty, error) {
	u.reports <- report.GetMessage()
	return &emptypb.Empty{}, nil
}

// Handle implements the event sourced protocol: a stream waits for the test.
func (u *UserFunction) Handle(server eventsourcedpb.EventSourced_HandleServer) error {
	s := &Stream{wire: newWire(u.t, server, server.Recv, server.Send)}
	return offer(u, u.streams, s, s.end)
}

// offer lets a test accept a stream, and waits until the test ends it.
func offer[S any](u *UserFunction, to chan<- S, stream S, end *end) error {
	select {
	case to <- stream:
	case <-u.done:
		return nil
	case <-end.ctx.Done():
		return status.FromContextError(end.ctx.Err()).Err()
	}
	select {
	case err := <-end.result:
		return err
	case <-u.done:
		return nil
	case <-end.ctx.Done():
		return status.FromContextError(end.ctx.Err()).Err()
	}
}

// Accept waits for the next stream that the proxy opens for an event sourced entity.
func (u *UserFunction) Accept() *Stream {
	return <-u.streams
}

// AcceptValue waits for the next stream that the proxy opens for a value entity.
func (u *UserFunction) AcceptValue() *ValueStream {
	return <-u.values
}

// AcceptCall waits for the next call of an action.
func (u *UserFunction) AcceptCall() *ActionCall {
	return <-u.calls
}

// NextCall waits like AcceptCall; it returns false when the user function has been
// stopped.
func (u *UserFunction) NextCall() (*ActionCall, bool) {
	return next(u, u.calls)
}

// NextValue waits like AcceptValue; it returns false when the user function has been
// stopped.
func (u *UserFunction) NextValue() (*ValueStream, bool) {
	return next(u, u.values)
}

// Next waits like Accept; it returns false when the user function has been stopped.
func (u *UserFunction) Next() (*Stream, bool) {
	return next(u, u.streams)
}

func next[S any](u *UserFunction, from <-chan *S) (*S, bool) {
	select {
	case stream := <-from:
		return stream, true
	case <-u.done:
		return nil, false
	}
}

// Report waits for the next error that the proxy reports.
func (u *UserFunction) Report() string {
	return <-u.reports
}

// Reports returns how many reports have not been read.
func (u *UserFunction) Reports() int {
	return len(u.reports)
}
