package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// Sizes of buffers, in bytes.
const (
	connectionBuffer = 128 << 10 // each direction, between proxy and user function
	memoryBuffer     = 1 << 20   // each direction, to an embedded user function
)

// A UserFunction is where a proxy finds its components. [Dial] and [Embed] return one;
// there are no other implementations.
type UserFunction interface {
	// connect returns a link with a connection that limits the size of messages, as does
	// that of the loopback, if one is made.
	connect(ctx context.Context, config frontend.Config) (*link, error)
}

// A link is a user function that a proxy is connected to.
type link struct {
	conn     *grpc.ClientConn
	ended    <-chan error // gets a value if the user function ends by itself; may be nil
	stop     func() error // stops the user function, and waits for its end
	loopback *loopback    // nil if the user function does not want one
}

// close closes the connection and stops the user function.
func (l *link) close() error {
	return errors.Join(l.conn.Close(), l.stop(), l.loopback.close())
}

// ready waits until the user function can be called. A user function that is away, or
// restarts, is no reason to take an event for one that cannot be handled.
func (l *link) ready(ctx context.Context) error {
	for {
		state := l.conn.GetState()
		if state == connectivity.Ready {
			return nil
		}
		l.conn.Connect()
		if !l.conn.WaitForStateChange(ctx, state) {
			return ctx.Err()
		}
	}
}

// dialOptions are those of every connection to a user function.
func dialOptions(maxMessageSize int) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), // as the protocol has it
		grpc.WithReadBufferSize(connectionBuffer),
		grpc.WithWriteBufferSize(connectionBuffer),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageSize)),
		// The user function may restart at any time, and clients wait for it.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
	}
}

// Dial returns the user function at a gRPC target, such as "127.0.0.1:8080", in a
// process of its own. It may start later than the proxy, and restart. The connection is
// in plain text; options come after those of the proxy and so override them.
func Dial(target string, opts ...grpc.DialOption) UserFunction {
	return dialled{target: target, opts: opts}
}

type dialled struct {
	target string
	opts   []grpc.DialOption
}

func (d dialled) connect(_ context.Context, config frontend.Config) (*link, error) {
	conn, err := grpc.NewClient(d.target, append(dialOptions(config.MaxMessageSize), d.opts...)...)
	if err != nil {
		return nil, fmt.Errorf("proxy: dial the user function at %q: %w", d.target, err)
	}
	return &link{conn: conn, stop: func() error { return nil }}, nil
}

// Embed returns a user function that runs in the process of the proxy. It is served
// over memory: the proxy calls Serve when it starts, and ends that context when all
// entities have left memory. Serve must return then, and not before: an early return
// ends the proxy. It must not return before what it has started has ended.
//
// A server that also has the method
//
//	ServeWithProxy(ctx context.Context, lis net.Listener, proxy grpc.ClientConnInterface) error
//
// gets that call instead of Serve, with a connection on which it can call the services
// that the proxy serves, as any client can. The proxy closes the connection after
// ServeWithProxy has returned. When the proxy stops, calls that are running may make
// further ones on it until the grace period ends.
func Embed(server interface {
	Serve(ctx context.Context, lis net.Listener) error
},
) UserFunction {
	return embedded{server: server}
}

// A caller is an embedded user function that calls services through its proxy.
type caller interface {
	ServeWithProxy(ctx context.Context, lis net.Listener, proxy grpc.ClientConnInterface) error
}

type embedded struct {
	server interface {
		Serve(ctx context.Context, lis net.Listener) error
	}
}

func (e embedded) connect(ctx context.Context, config frontend.Config) (*link, error) {
	lis := bufconn.Listen(memoryBuffer)
	dial := func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }
	conn, err := grpc.NewClient("passthrough:///embedded", append(dialOptions(config.MaxMessageSize), grpc.WithContextDialer(dial))...)
	if err != nil {
		return nil, fmt.Errorf("proxy: connect to the embedded user function: %w", err)
	}
	l := &link{conn: conn}
	serve := e.server.Serve
	if caller, ok := e.server.(caller); ok {
		if l.loopback, err = newLoopback(config); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		serve = func(ctx context.Context, lis net.Listener) error {
			return caller.ServeWithProxy(ctx, lis, l.loopback.conn)
		}
	}
	l.run(context.WithoutCancel(ctx), func(ctx context.Context) error { return serve(ctx, lis) })
	return l, nil
}

// run runs an embedded user function until stop is called.
func (l *link) run(ctx context.Context, serve func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	ended, stopped := make(chan error, 1), make(chan struct{})
	var stopErr error
	go func() {
		defer close(stopped)
		err := serve(ctx)
		if ctx.Err() != nil {
			stopErr = err
			return
		}
		if err == nil {
			err = errors.New("it ended by itself, want it to run until its context ends")
		}
		ended <- fmt.Errorf("proxy: embedded user function: %w", err)
	}()
	l.ended = ended
	l.stop = func() error {
		cancel()
		<-stopped
		if stopErr != nil {
			return fmt.Errorf("proxy: stop the embedded user function: %w", stopErr)
		}
		return nil
	}
}
