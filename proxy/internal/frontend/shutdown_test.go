package frontend_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// A blocked is a server with a call that runs until it is released or cancelled.
type blocked struct {
	*network

	conn    *grpc.ClientConn
	stream  grpc.ClientStream
	release chan struct{}
	// returned gets what made the handler return.
	returned chan error
}

func startBlocked(t *testing.T) *blocked {
	t.Helper()
	b := &blocked{release: make(chan struct{}), returned: make(chan error, 1)}
	running := make(chan struct{})
	b.network = startShop(t, func(call frontend.Call) error {
		close(running)
		select {
		case <-b.release:
			b.returned <- nil
			return call.Send([]byte("done"))
		case <-call.Context().Done():
			b.returned <- call.Context().Err()
			return call.Context().Err()
		}
	})
	b.conn = b.dial(t)
	var err error
	b.stream, err = b.conn.NewStream(t.Context(), bidi, "/test.Streams/In", raw())
	require.NoError(t, err)
	<-running
	return b
}

// shutdown starts to shut down and returns when that is in effect, with a function that
// waits for the end.
func (b *blocked) shutdown(ctx context.Context, t *testing.T) (wait func()) {
	t.Helper()
	watch, err := healthv1.NewHealthClient(b.conn).Watch(ctx, &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.NoError(t, err)
	var shutdown sync.WaitGroup
	shutdown.Go(func() { b.Shutdown(ctx) })
	now, err := watch.Recv()
	require.NoError(t, err)
	require.Equal(t, notServing, now.GetStatus())
	return shutdown.Wait
}

// A call that runs may end as it wants; new ones are refused.
func TestShutdown_LetsRunningCallsFinish(t *testing.T) {
	t.Parallel()
	b := startBlocked(t)
	wait := b.shutdown(t.Context(), t)
	var reply []byte
	err := b.conn.Invoke(t.Context(), "/test.Streams/Unary", []byte{}, &reply, raw())
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)

	close(b.release)
	got, err := receiveAll(b.stream)
	require.NoError(t, err)
	require.Equal(t, []string{"done"}, got)
	wait()
	require.NoError(t, <-b.returned)
}

// When its context ends, Shutdown cancels what still runs, and waits for it.
func TestShutdown_CancelsWhatStillRuns(t *testing.T) {
	t.Parallel()
	b := startBlocked(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait := b.shutdown(ctx, t)
	require.Empty(t, b.returned)
	cancel()
	wait()
	require.Len(t, b.returned, 1)
	require.ErrorIs(t, <-b.returned, context.Canceled)
	_, err := receiveAll(b.stream)
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
}

// A client that begins to speak HTTP/2 and is silent then makes gRPC wait; calls are
// refused all the same.
func TestShutdown_RefusesCallsWhileAConnectionIsSilent(t *testing.T) {
	t.Parallel()
	b := startBlocked(t)
	silent, err := b.listener.DialContext(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, silent.Close()) }()
	_, err = silent.Write([]byte("PRI"))
	require.NoError(t, err)
	_, err = silent.Read(make([]byte, 1)) // gRPC speaks
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait := b.shutdown(ctx, t)
	var reply []byte
	err = b.conn.Invoke(t.Context(), "/test.Streams/Unary", []byte{}, &reply, raw())
	requireStatus(t, err, codes.Unavailable, "the proxy is shutting down; call another instance")
	cancel()
	wait() // two minutes, if nobody closed the silent connection
}

// A client that connects and says nothing at all holds nobody up.
func TestShutdown_ClosesConnectionsThatAreSilent(t *testing.T) {
	t.Parallel()
	n := startShop(t, unused)
	silent, err := n.listener.DialContext(t.Context())
	require.NoError(t, err)
	n.Shutdown(t.Context())
	_, err = silent.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, silent.Close())
}

// Shutdown may be called twice, and without anything to shut down.
func TestShutdown_Idle(t *testing.T) {
	t.Parallel()
	n := startShop(t, unused)
	n.Shutdown(t.Context())
	n.Shutdown(t.Context())

	never := frontend.New(frontend.Config{Handler: unused})
	never.Shutdown(t.Context())
	listener := bufconn.Listen(1)
	require.NoError(t, never.Serve(listener))
	_, err := listener.DialContext(t.Context())
	require.Error(t, err)
}

// A call over HTTP may end as it wants, like any other; new ones are refused.
func TestShutdown_LetsRequestsFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		n := startKinds(t, func(call frontend.Call) error {
			<-release
			return call.Send([]byte(thing("done")))
		})
		var calls sync.WaitGroup
		calls.Go(func() {
			n.do(t, "GET", "/whatever/x", "").require(t, http.StatusOK, "application/json", `{"name":"done"}`)
		})
		synctest.Wait()
		calls.Go(func() { n.Shutdown(t.Context()) })
		synctest.Wait()
		_, err := n.listener.DialContext(t.Context())
		require.Error(t, err)
		close(release)
		calls.Wait()
	})
}

// A request that waits for the services to be known is refused at once.
func TestShutdown_RefusesRequestsThatWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, frontend.Config{Handler: unused})
		var waiting sync.WaitGroup
		waiting.Go(func() {
			n.do(t, "GET", "/whatever/x", "").require(t, http.StatusServiceUnavailable, plain, "the proxy is shutting down; call another instance")
		})
		synctest.Wait()
		n.Shutdown(t.Context())
		waiting.Wait()
	})
}

// When its context ends, Shutdown cancels what still runs over HTTP, also if the client has
// already sent more, so that nobody watches its connection.
func TestShutdown_CancelsRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cancelled := false
		n := startKinds(t, func(call frontend.Call) error {
			<-call.Context().Done()
			cancelled = true
			return call.Context().Err()
		})
		conn, err := n.listener.DialContext(t.Context())
		require.NoError(t, err)
		const request = "GET /whatever/x HTTP/1.1\r\nHost: a\r\n\r\n"
		_, err = conn.Write([]byte(request + request))
		require.NoError(t, err)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n.Shutdown(ctx)
		require.True(t, cancelled)
		require.NoError(t, conn.Close())
	})
}
