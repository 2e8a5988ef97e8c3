package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// Sizes of buffers, in bytes.
const (
	connectionBuffer = 128 << 10 // each direction, between proxy and user function
	memoryBuffer     = 1 << 20   // each direction, to an embedded user function
)

// A UserFunction is where a proxy finds its components. [Dial] and [Embed] return one;
// there are no other implementations.
type UserFunction interface {
	// connect returns a link with a connection that limits the size of messages.
	connect(ctx context.Context, maxMessageSize int) (*link, error)
}

// A link is a user function that a proxy is connected to.
type link struct {
	conn  *grpc.ClientConn
	ended <-chan error // gets a value if the user function ends by itself; may be nil
	stop  func() error // stops the user function, and waits for its end
}

// close closes the connection and stops the user function.
func (l *link) close() error {
	return errors.Join(l.conn.Close(), l.stop())
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

func (d dialled) connect(_ context.Context, maxMessageSize int) (*link, error) {
	conn, err := grpc.NewClient(d.target, append(dialOptions(maxMessageSize), d.opts...)...)
	if err != nil {
		return nil, fmt.Errorf("proxy: dial the user function at %q: %w", d.target, err)
	}
	return &link{conn: conn, stop: func() error { return nil }}, nil
}

// Embed returns a user function that runs in the process of the proxy. It is served
// over memory: the proxy calls Serve when it starts, and ends that context when all
// entities have left memory. Serve must return then, and not before: an early return
// ends the proxy. It must not return before what it has started has ended.
func Embed(server interface {
	Serve(ctx context.Context, lis net.Listener) error
},
) UserFunction {
	return embedded{serve: server.Serve}
}

type embedded struct {
	serve func(context.Context, net.Listener) error
}

func (e embedded) connect(ctx context.Context, maxMessageSize int) (*link, error) {
	lis := bufconn.Listen(memoryBuffer)
	dial := func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }
	conn, err := grpc.NewClient("passthrough:///embedded", append(dialOptions(maxMessageSize), grpc.WithContextDialer(dial))...)
	if err != nil {
		return nil, fmt.Errorf("proxy: connect to the embedded user function: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended, stopped := make(chan error, 1), make(chan struct{})
	var stopErr error
	go func() {
		defer close(stopped)
		err := e.serve(ctx, lis)
		if ctx.Err() != nil {
			stopErr = err
			return
		}
		if err == nil {
			err = errors.New("it ended by itself, want it to run until its context ends")
		}
		ended <- fmt.Errorf("proxy: embedded user function: %w", err)
	}()
	stop := func() error {
		cancel()
		<-stopped
		if stopErr != nil {
			return fmt.Errorf("proxy: stop the embedded user function: %w", stopErr)
		}
		return nil
	}
	return &link{conn: conn, ended: ended, stop: stop}, nil
}
