package counterparty_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// startTimeout is how long a user function may take until it answers.
const (
	startTimeout = 30 * time.Second
	tick         = 10 * time.Millisecond
)

// A foreign is a user function in a process of its own, at an address that stays the same when
// it is started again.
type foreign struct {
	addr    string
	command func(ctx context.Context) *exec.Cmd
	conn    *grpc.ClientConn
	stop    func()
}

// start starts a user function, which is stopped when the test ends, and waits until it answers.
// It gets its address by the environment variables HOST and PORT.
func start(t *testing.T, command func(ctx context.Context) *exec.Cmd) *foreign {
	t.Helper()
	addr := freeAddr(t)
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second})) // tried again soon
	require.NoError(t, err)
	f := &foreign{addr: addr, command: command, conn: conn}
	t.Cleanup(func() {
		f.kill()
		require.NoError(t, conn.Close())
	})
	f.run(t)
	return f
}

// run starts the process and waits until it answers.
func (f *foreign) run(t *testing.T) {
	t.Helper()
	host, port, err := net.SplitHostPort(f.addr)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := f.command(ctx)
	cmd.Env = append(os.Environ(), append(cmd.Env, "HOST="+host, "PORT="+port)...)
	output := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = output, output
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		if err := cmd.Wait(); ctx.Err() == nil {
			t.Errorf("the user function has ended by itself: %v", err)
		}
	}()
	f.stop = sync.OnceFunc(func() {
		cancel() // kills it
		<-exited
		if t.Failed() {
			t.Logf("the user function has printed:\n%s", output)
		}
	})
	f.discover(t)
}

// kill stops the process, as a crash does.
func (f *foreign) kill() {
	if f.stop != nil {
		f.stop()
	}
}

// discover asks for what the user function serves.
func (f *foreign) discover(t *testing.T) *protocol.EntitySpec {
	t.Helper()
	var spec *protocol.EntitySpec
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the connection may still be that to a process that was killed
		ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
		defer cancel()
		f.conn.ResetConnectBackoff()
		var err error
		spec, err = protocol.NewEntityDiscoveryClient(f.conn).Discover(ctx, &protocol.ProxyInfo{
			ProtocolMajorVersion: 0,
			ProtocolMinorVersion: 2,
			ProxyName:            "counterparty",
		}, grpc.WaitForReady(true))
		assert.NoError(c, err, "discover")
	}, startTimeout, tick)
	return spec
}

// freeAddr returns an address that nobody listens on. A process cannot be told to choose one,
// because the protocol only has HOST and PORT.
func freeAddr(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	lis, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, lis.Close()) }()
	addr, ok := lis.Addr().(*net.TCPAddr)
	require.True(t, ok)
	return net.JoinHostPort(addr.IP.String(), strconv.Itoa(addr.Port))
}

// fetch runs a command of a package manager, and skips the test if that fails.
func fetch(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: this test needs what %v fetches, and that has failed: %v\n%s", cmd, err, out)
	}
}

// A safeBuffer is a buffer that a process writes to while a test reads it.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
