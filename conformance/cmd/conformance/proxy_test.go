package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy"
)

func TestRun_ReportsOnAProxy(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	free, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close()) // the suite listens there
	lis, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	p := &proxy.Proxy{UserFunction: proxy.Dial(free.Addr().String()), Logger: slog.New(slog.DiscardHandler)}
	go func() { served <- p.Serve(ctx, lis) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})

	var out, errs bytes.Buffer
	args := []string{"proxy", "-events", "-addr", lis.Addr().String(), "-listen", free.Addr().String()}
	require.Equal(t, 0, run(t.Context(), args, &out, &errs), "%s%s", &out, &errs)
	require.Regexp(t, `\n +\d+ +0 +\d+  checks of \d+ assertions\n$`, out.String())
}
