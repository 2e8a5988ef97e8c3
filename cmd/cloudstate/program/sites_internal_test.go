package program

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/settings"
)

// A site that fails stops the program, which does not take that for success.
func TestSites_SayWhyTheyHaveFailed(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	var s sites
	require.NoError(t, s.open(ctx, "metrics", (&settings.Address{}).Is("127.0.0.1:0"), http.NotFoundHandler()))
	require.NoError(t, s.open(ctx, "management", (&settings.Address{}).Is("127.0.0.1:0"), http.NotFoundHandler()))
	require.NoError(t, s.sites[0].lis.Close())
	s.serve(ctx, slog.New(slog.DiscardHandler), stop)
	<-ctx.Done()
	require.ErrorContains(t, context.Cause(ctx), "serve metrics: ")
	err := s.close()
	require.ErrorContains(t, err, "serve metrics: ")
	require.NotContains(t, err.Error(), "management")
}
