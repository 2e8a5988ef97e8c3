package sqlite_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/conformance/models"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store/sqlite"
)

// The test binary can be run as another process, which opens a file: with the path of the
// file, and of the socket where it serves a proxy, or nothing if it only keeps the file open.
const (
	fileEnv   = "CLOUDSTATE_SQLITE_TEST_FILE"
	socketEnv = "CLOUDSTATE_SQLITE_TEST_SOCKET"
)

func TestMain(m *testing.M) {
	path := os.Getenv(fileEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := beOtherProcess(path, os.Getenv(socketEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beOtherProcess opens a file, says when it is ready, and goes on until it is killed, or its
// standard input ends, because the test has ended.
func beOtherProcess(path, socket string) (err error) {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	s, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = s.Close() }()
	logger := slog.New(slog.DiscardHandler)
	p := &proxy.Proxy{Journal: s, Values: s, Logger: logger, UserFunction: proxy.Embed(&cloudstate.Service{
		Name:       "models",
		Components: []cloudstate.Component{models.EventSourced, models.ValueEntity},
		Logger:     logger,
	})}
	if socket == "" {
		err = sayReady()
		<-ctx.Done()
		return err
	}
	var config net.ListenConfig
	lis, err := config.Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	go func() {
		<-p.Ready()
		if err := sayReady(); err != nil {
			stop()
		}
	}()
	return p.Serve(ctx, lis)
}

func sayReady() error {
	_, err := os.Stdout.WriteString("ready\n")
	return err
}

// A process is the test binary, run as another process.
type process struct {
	*exec.Cmd

	stdout io.Reader
}

// start starts the test binary. It is killed when the test ends.
func start(t *testing.T, path, socket string) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(t.Context(), os.Args[0])}
	p.Env = append(os.Environ(), fileEnv+"="+path, socketEnv+"="+socket)
	p.Stderr = os.Stderr
	_, err := p.StdinPipe() // ends with this process, whatever becomes of it
	require.NoError(t, err)
	p.stdout, err = p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	return p
}

// wait waits until the process is ready.
func (p *process) wait(t *testing.T) {
	t.Helper()
	_, err := p.stdout.Read(make([]byte, 16))
	require.NoError(t, err)
}

// kill kills the process, and waits until it is gone.
func (p *process) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Kill())
	require.Error(t, p.Wait())
}
