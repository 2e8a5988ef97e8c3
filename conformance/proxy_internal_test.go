package conformance

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
)

func TestProxy_OfThisLibraryOverMemory(t *testing.T) {
	t.Parallel()
	TestProxy(t, ourProxy(inMemory))
}

func TestProxy_OfThisLibraryOverTCP(t *testing.T) {
	t.Parallel()
	TestProxy(t, ourProxy(overTCP))
}

// A transport connects a proxy with its user function and its clients.
type transport struct {
	listen func(ctx context.Context) (net.Listener, func(context.Context) (net.Conn, error), error)
	// userFunction returns a user function that is served.
	userFunction func(ctx context.Context, server Server) (proxy.UserFunction, func() error, error)
}

var inMemory = transport{
	listen: func(context.Context) (net.Listener, func(context.Context) (net.Conn, error), error) {
		lis := bufconn.Listen(1 << 20)
		return lis, lis.DialContext, nil
	},
	userFunction: func(_ context.Context, server Server) (proxy.UserFunction, func() error, error) {
		return proxy.Embed(server), func() error { return nil }, nil
	},
}

var overTCP = transport{
	listen: listenTCP,
	userFunction: func(ctx context.Context, server Server) (proxy.UserFunction, func() error, error) {
		lis, _, err := listenTCP(ctx)
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		served := make(chan error, 1)
		go func() { served <- server.Serve(ctx, lis) }()
		return proxy.Dial(lis.Addr().String()), func() error {
			cancel()
			return <-served
		}, nil
	},
}

func listenTCP(ctx context.Context) (net.Listener, func(context.Context) (net.Conn, error), error) {
	var config net.ListenConfig
	lis, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	return lis, func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", lis.Addr().String())
	}, nil
}

// patience is how long a proxy may take for a message: long, because many tests may run at
// the same time.
const patience = 20 * time.Second

// ourProxy returns the proxy of this library as a target.
func ourProxy(over transport) Proxy {
	return Proxy{
		Timeout: patience,
		Start: func(ctx context.Context, settings ProxySettings) (*RunningProxy, error) {
			return startOurs(ctx, over, settings, func(*proxy.Proxy) {})
		},
		StartCluster: func(ctx context.Context, userFunctions []Server) ([]*RunningProxy, error) {
			network := &cluster.Memory{}
			nodes := make([]*RunningProxy, 0, len(userFunctions))
			for _, userFunction := range userFunctions {
				node, err := startOurs(ctx, over, ProxySettings{UserFunction: userFunction}, func(p *proxy.Proxy) { p.Cluster = network })
				if err != nil {
					return nil, err
				}
				nodes = append(nodes, node)
			}
			return nodes, nil
		},
	}
}

func startOurs(ctx context.Context, over transport, settings ProxySettings, configure func(*proxy.Proxy)) (*RunningProxy, error) {
	userFunction, stopUserFunction, err := over.userFunction(ctx, settings.UserFunction)
	if err != nil {
		return nil, err
	}
	lis, dial, err := over.listen(ctx)
	if err != nil {
		return nil, errors.Join(err, stopUserFunction())
	}
	stored := newDisturbedStore()
	p := &proxy.Proxy{
		UserFunction: userFunction, SkipVersionCheck: settings.SkipVersionCheck,
		Eventing: proxy.Eventing{MinBackoff: time.Millisecond},
		Journal:  stored, Values: stored, Logger: slog.New(slog.DiscardHandler),
	}
	configure(p)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	var result error
	go func() {
		defer close(ended)
		result = p.Serve(ctx, lis)
	}()
	conn, err := grpc.NewClient("passthrough:///proxy", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }))
	if err != nil {
		cancel()
		<-ended
		return nil, errors.Join(err, result, stopUserFunction())
	}
	web := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
	return &RunningProxy{
		Conn: conn,
		HTTP: func(request *http.Request) (*http.Response, error) {
			request.URL.Scheme, request.URL.Host = "http", "proxy"
			return web.RoundTrip(request)
		},
		EventLogs: true, Topics: true, Store: stored,
		Ready: func(ctx context.Context) error {
			select {
			case <-p.Ready():
				return nil
			case <-ended:
				return errors.New("it has ended")
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
		Stop: func() error {
			web.CloseIdleConnections()
			cancel()
			<-ended
			select {
			case <-p.Ready(): // or it could not start
			default:
				result = nil
			}
			return errors.Join(conn.Close(), result, stopUserFunction())
		},
	}, nil
}
