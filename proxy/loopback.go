package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// A loopback is the way of an embedded user function back to its proxy: a front end of
// its own, over memory, which goes on when clients are refused, so that the calls that
// still run may make further ones.
type loopback struct {
	frontend *frontend.Server
	listener *bufconn.Listener
	conn     *grpc.ClientConn
	served   sync.WaitGroup
	err      error // of serving
}

// newLoopback returns a loopback that is served until shutdown, and refuses calls
// until publish. It must be closed.
func newLoopback(config frontend.Config) (*loopback, error) {
	l := &loopback{frontend: frontend.New(config), listener: bufconn.Listen(memoryBuffer)}
	conn, err := grpc.NewClient("passthrough:///proxy",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.listener.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(config.MaxMessageSize)))
	if err != nil {
		return nil, fmt.Errorf("proxy: connect the embedded user function to the proxy: %w", err)
	}
	l.conn = conn
	l.served.Go(func() { l.err = l.frontend.Serve(l.listener) })
	return l, nil
}

// publish lets calls in. There may be no loopback.
func (l *loopback) publish(discovered *spec.Spec) {
	if l != nil {
		l.frontend.Publish(discovered)
	}
}

// shutdown refuses calls, and waits for those that run until the context ends. There
// may be no loopback.
func (l *loopback) shutdown(ctx context.Context) {
	if l != nil {
		l.frontend.Shutdown(ctx)
	}
}

// close closes the connection, after shutdown. There may be no loopback.
func (l *loopback) close() error {
	if l == nil {
		return nil
	}
	err := l.conn.Close()
	l.served.Wait()
	return errors.Join(err, l.err)
}
