package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/conformance/models"
)

// serve serves components until the test ends, and returns where.
func serve(t *testing.T, components ...cloudstate.Component) string {
	t.Helper()
	var config net.ListenConfig
	lis, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	service := &cloudstate.Service{Components: components, Logger: slog.New(slog.DiscardHandler)}
	go func() { served <- service.Serve(ctx, lis) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
	return lis.Addr().String()
}

func TestRun_ReportsOnAUserFunction(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	require.Equal(t, 0, run(t.Context(), []string{"userfunction", "-timeout", "1m", "-addr", serve(t, models.Components()...)}, &out, &errs), errs.String())
	require.Contains(t, out.String(), "P-002 discover returns the same EntitySpec")
	require.Regexp(t, `\n +\d+ +0 +2  checks of 65 assertions\n$`, out.String())
}

func TestRun_SkipsAssertions(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	require.Equal(t, 0, run(t.Context(), []string{"userfunction", "-skip", "P-030,P-031", "-timeout", "1m", "-addr", serve(t, models.Components()...)}, &out, &errs), errs.String())
	require.Regexp(t, `\n +0 +0 +1  P-031 .*\n +not applicable: skipped with -skip\n`, out.String())
}

func TestRun_ReportsWhatAUserFunctionDoesNotServe(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	require.Equal(t, 0, run(t.Context(), []string{"userfunction", "-timeout", "1m", "-addr", serve(t, models.Action, models.ActionTwo)}, &out, &errs), errs.String())
	require.Contains(t, out.String(), "an update: not applicable: the user function does not serve the model cloudstate.tck.model.valueentity.ValueEntityTckModel")
}

func TestRun_FailsIfAnAssertionDoesNotHold(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	lis, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, lis.Close()) // nobody listens there
	var out, errs bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"userfunction", "-addr", lis.Addr().String()}, &out, &errs))
	require.Contains(t, out.String(), "assertions do not hold: P-002, P-003")
	require.Contains(t, out.String(), "connection refused")
	require.Empty(t, errs.String())
}

func TestRun_RefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string
	}{
		"nothing":           {nil, "the first argument says what to check, "},
		"an unknown half":   {[]string{"both"}, `found ["both"]`},
		"an unknown flag":   {[]string{"userfunction", "-port", "8080"}, "flag provided but not defined: -port"},
		"an argument":       {[]string{"userfunction", "127.0.0.1:8080"}, "userfunction takes flags only"},
		"a broken address":  {[]string{"userfunction", "-addr", "dns://%zz/"}, "connect to the user function at"},
		"a broken number":   {[]string{"userfunction", "-skip", "P-030,31"}, `"31" is not the number of an assertion`},
		"a broken duration": {[]string{"userfunction", "-timeout", "3"}, "invalid value"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			require.Equal(t, 2, run(t.Context(), tt.args, &out, &errs))
			require.Contains(t, errs.String(), tt.want)
			require.Empty(t, out.String())
		})
	}
}
