package proxy_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// A fixture is a proxy with a scripted user function, and a client.
type fixture struct {
	*scripted.UserFunction

	t      *testing.T
	proxy  *proxy.Proxy
	client *grpc.ClientConn
	dial   func(context.Context) (net.Conn, error) // the proxy
	stop   context.CancelFunc
	done   chan error // the result of Serve

	mu     sync.Mutex
	faults []proxy.Fault
}

// start starts a proxy that a test can change before. In a bubble, the test fails if
// anything goes on after it.
func start(t *testing.T, change ...func(*fixture)) *fixture {
	t.Helper()
	f := &fixture{UserFunction: scripted.New(t), t: t, done: make(chan error, 1)}
	f.proxy = &proxy.Proxy{UserFunction: proxy.Embed(f.UserFunction), Logger: slog.New(slog.DiscardHandler), OnFault: func(fault proxy.Fault) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.faults = append(f.faults, fault)
	}}
	for _, c := range change {
		c(f)
	}
	listener := bufconn.Listen(1 << 20)
	f.dial = listener.DialContext
	f.reconnect()
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		f.done <- f.proxy.Serve(ctx, listener)
	}()
	t.Cleanup(func() {
		require.NoError(t, f.client.Close())
		stop()
		<-stopped
	})
	return f
}

// reconnect gives the fixture a new client.
func (f *fixture) reconnect() {
	f.t.Helper()
	var err error
	f.client, err = grpc.NewClient("passthrough:///proxy",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(64<<10), // a window that grows with the load would take what a client does not read
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return f.dial(ctx) }))
	require.NoError(f.t, err)
}

// ready waits until the proxy serves.
func (f *fixture) ready() *fixture {
	<-f.proxy.Ready()
	return f
}

// A call is a call that a client has made. Questions and answers of the scripted
// services look like strings on the wire, as far as the client is concerned.
type call struct {
	f     *fixture
	done  chan struct{}
	reply string
	err   error
}

// ask calls an entity and does not wait.
func (f *fixture) ask(id string, opts ...grpc.CallOption) *call {
	return f.askWith(f.t.Context(), id, opts...)
}

func (f *fixture) askWith(ctx context.Context, id string, opts ...grpc.CallOption) *call {
	return f.askOf(ctx, scripted.First, id, opts...)
}

func (f *fixture) askOf(ctx context.Context, service, id string, opts ...grpc.CallOption) *call {
	c := &call{f: f, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		reply := &wrapperspb.StringValue{}
		c.err = f.client.Invoke(ctx, "/"+service+"/Ask", wrapperspb.String(id), reply, opts...)
		c.reply = reply.GetValue()
	}()
	return c
}

func (c *call) requireAnswer(text string) {
	c.f.t.Helper()
	<-c.done
	require.NoError(c.f.t, c.err)
	require.Equal(c.f.t, text, c.reply)
}

// open lets an entity answer its first command, and returns its stream.
func (f *fixture) open(id string) *scripted.Stream {
	f.t.Helper()
	c := f.ask(id)
	stream := f.Accept()
	stream.RequireInit(id)
	stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("hello"))
	c.requireAnswer("hello")
	return stream
}
