package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cloudstate-go/cloudstate/conformance"
)

// checkProxy checks a proxy that is running, or about to, and looks for its user function where
// this program listens.
func checkProxy(ctx context.Context, flags *flag.FlagSet, args []string) (*conformance.Report, error) {
	addr := flags.String("addr", "127.0.0.1:9000", "where the proxy listens for clients")
	listen := flags.String("listen", "127.0.0.1:8090", "where the proxy looks for its user function")
	events := flags.Bool("events", false, "methods of the proxy get the events of event sourced entities")
	timeout := flags.Duration("timeout", 3*time.Second, "how long the proxy may take for a message")
	skip := skipFlag(flags)
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return nil, err
	}
	p := &runningProxy{addr: *addr, listen: *listen, events: *events}
	return conformance.CheckProxy(ctx, conformance.Proxy{Start: p.start, Timeout: *timeout, Skip: skip})
}

// A runningProxy is a proxy that others have started. There is only this one.
type runningProxy struct {
	addr, listen string
	events       bool

	mu    sync.Mutex
	taken bool
}

// start serves the user function that the proxy waits for. What needs a further proxy cannot be
// checked.
func (p *runningProxy) start(ctx context.Context, settings conformance.ProxySettings) (*conformance.RunningProxy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken {
		return nil, fmt.Errorf("there is only the proxy at %s: %w", p.addr, errors.ErrUnsupported)
	}
	p.taken = true
	var config net.ListenConfig
	lis, err := config.Listen(ctx, "tcp", p.listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the proxy: %w", err)
	}
	conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the proxy at %s: %w", p.addr, err), lis.Close())
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- settings.UserFunction.Serve(serving, lis) }()
	return &conformance.RunningProxy{
		Conn:      conn,
		EventLogs: p.events,
		HTTP: func(request *http.Request) (*http.Response, error) {
			request.URL.Scheme, request.URL.Host = "http", p.addr
			return http.DefaultClient.Do(request) //nolint:gosec // the address is what the user says
		},
		Stop: func() error { // the proxy stays, without its user function
			stop()
			return errors.Join(<-served, conn.Close())
		},
	}, nil
}
