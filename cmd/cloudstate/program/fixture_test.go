package program_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/program"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// any port that is free.
const anyPort = "127.0.0.1:0"

// A process is a run of the program, whose log is JSON.
type process struct {
	t      *testing.T
	log    *records
	stop   context.CancelFunc
	exited chan struct{}
	code   int
}

// startProxy runs the proxy, by default on ports that are free, until the test ends. Arguments
// that come later count.
func startProxy(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &process{t: t, log: newRecords(), stop: stop, exited: make(chan struct{})}
	args = slices.Concat([]string{
		"proxy", "--store", "memory", "--listen", anyPort, "--management", anyPort, "--metrics", anyPort, "--log-format", "json",
	}, args)
	go func() {
		defer close(p.exited)
		p.code = program.Run(ctx, program.Environment{Args: args, Stderr: p.log})
		p.log.close()
	}()
	t.Cleanup(func() { stop(); <-p.exited })
	return p
}

// requireExit waits for the end.
func (p *process) requireExit(code int) {
	p.t.Helper()
	<-p.exited
	require.Equal(p.t, code, p.code, "%v", p.log.all())
}

// addr waits until the log says where something is served.
func (p *process) addr(message string) string {
	p.t.Helper()
	record := p.log.wait(message)
	require.NotNil(p.t, record, "%q was never logged: %v", message, p.log.all())
	addr, ok := record["addr"].(string)
	require.True(p.t, ok, "no address in %v", record)
	return addr
}

// get returns status and body of GET from one of the sites.
func (p *process) get(site, path string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.addr(site+" is served")+path, nil)
	require.NoError(p.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(p.t, err)
	defer response.Body.Close() //nolint:errcheck // it is read
	body, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	return response.StatusCode, string(body)
}

// carts waits until clients are served, and returns a client of the shopping cart.
func (p *process) carts() cartpb.ShoppingCartClient {
	p.t.Helper()
	return cartpb.NewShoppingCartClient(p.connect())
}

// connect waits until clients are served, and returns a connection.
func (p *process) connect() *grpc.ClientConn {
	p.t.Helper()
	conn, err := grpc.NewClient(p.addr("proxy serves"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(p.t, err)
	p.t.Cleanup(func() { require.NoError(p.t, conn.Close()) })
	return conn
}

// records are a log in JSON.
type records struct {
	mu      sync.Mutex
	changed *sync.Cond
	closed  bool
	rest    []byte // of the last line
	records []map[string]any
}

func newRecords() *records {
	r := &records{}
	r.changed = sync.NewCond(&r.mu)
	return r
}

// Write takes a part of the log.
func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest = append(r.rest, p...)
	for {
		line, rest, found := bytes.Cut(r.rest, []byte{'\n'})
		if !found {
			return len(p), nil
		}
		r.rest = rest
		record := map[string]any{}
		if err := json.Unmarshal(line, &record); err != nil {
			record = map[string]any{"msg": "no JSON: " + string(line)}
		}
		r.records = append(r.records, record)
		r.changed.Broadcast()
	}
}

func (r *records) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.changed.Broadcast()
}

// wait waits for the first record with a message, and returns nil if there will be none.
func (r *records) wait(message string) map[string]any {
	return r.waitFor(func(record map[string]any) bool { return record["msg"] == message })
}

// waitFor waits for the first record that is wanted, likewise.
func (r *records) waitFor(wanted func(record map[string]any) bool) map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if at := slices.IndexFunc(r.records, wanted); at >= 0 {
			return r.records[at]
		}
		if r.closed {
			return nil
		}
		r.changed.Wait()
	}
}

func (r *records) all() []map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// listen returns a listener on a port that is free, which the caller closes.
func listen(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	lis, err := config.Listen(t.Context(), "tcp", anyPort)
	require.NoError(t, err)
	return lis
}

// startCart serves the shopping cart as a user function of its own until the test ends, and
// returns where.
func startCart(t *testing.T) string {
	t.Helper()
	lis := listen(t)
	startService(t, lis, cart.Entity)
	return lis.Addr().String()
}

// startDiscovery serves a user function of a protocol version that does not exist until the
// test ends.
func startDiscovery(t *testing.T, lis net.Listener) {
	t.Helper()
	server := grpc.NewServer()
	protocol.RegisterEntityDiscoveryServer(server, oldUserFunction{})
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(lis) }()
	t.Cleanup(func() { server.Stop(); require.NoError(t, <-ended) })
}

type oldUserFunction struct {
	protocol.UnimplementedEntityDiscoveryServer
}

func (oldUserFunction) Discover(context.Context, *protocol.ProxyInfo) (*protocol.EntitySpec, error) {
	return &protocol.EntitySpec{ServiceInfo: &protocol.ServiceInfo{ProtocolMinorVersion: 1}}, nil
}

func startService(t *testing.T, lis net.Listener, components ...cloudstate.Component) {
	t.Helper()
	service := &cloudstate.Service{Name: "test", Components: components, Logger: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Serve(ctx, lis) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-ended) })
}
