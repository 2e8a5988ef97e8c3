package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/settings"
)

// How long a client of a site may take to send a request, and to take the answer.
const (
	siteReadTimeout  = 5 * time.Second
	siteWriteTimeout = 30 * time.Second
)

// Sites are what answers plain HTTP beside the proxy, each at an address of its own.
type sites struct {
	sites   []*site
	serving sync.WaitGroup
}

type site struct {
	name   string
	lis    net.Listener
	server *http.Server
	failed error // why it does not answer any more, once it does not
}

// open listens at an address, unless that is off. The name is that of the flag.
func (s *sites) open(ctx context.Context, name string, at *settings.Address, handler http.Handler) error {
	if at.IsOff() {
		return nil
	}
	lis, err := listen(ctx, name, name, at)
	if err != nil {
		return err
	}
	s.sites = append(s.sites, &site{name: name, lis: lis, server: &http.Server{
		Handler:     handler,
		ReadTimeout: siteReadTimeout, WriteTimeout: siteWriteTimeout,
	}})
	return nil
}

// serve answers until close is called, which returns what has failed. That stops everything.
func (s *sites) serve(ctx context.Context, logger *slog.Logger, stop context.CancelCauseFunc) {
	for _, site := range s.sites {
		logger.LogAttrs(ctx, slog.LevelInfo, site.name+" is served", slog.String("addr", site.lis.Addr().String()))
		s.serving.Go(func() {
			if err := site.server.Serve(site.lis); !errors.Is(err, http.ErrServerClosed) {
				site.failed = fmt.Errorf("serve %s: %w", site.name, err)
				stop(site.failed)
			}
		})
	}
}

// close ends all answers, and returns why those ended that have ended before.
func (s *sites) close() error {
	var errs []error
	for _, site := range s.sites {
		errs = append(errs, site.server.Close())
		if err := site.lis.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err) // it was never served
		}
	}
	s.serving.Wait()
	for _, site := range s.sites {
		errs = append(errs, site.failed)
	}
	return errors.Join(errs...)
}

// listen listens for somebody at the address that a flag has.
func listen(ctx context.Context, somebody, flag string, at *settings.Address) (net.Listener, error) {
	var config net.ListenConfig
	lis, err := config.Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w; --%s sets another address", somebody, err, flag)
	}
	return lis, nil
}
