package spec_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// A userFunction answers discovery from a script, without a network.
type userFunction struct {
	// discover answers a call, of which the first is 0.
	discover func(ctx context.Context, call int) (*protocol.EntitySpec, error)
	// reportErr is the answer to reports.
	reportErr error

	mu      sync.Mutex
	asked   []*protocol.ProxyInfo
	times   []time.Time
	reports []string
}

func (u *userFunction) Discover(ctx context.Context, in *protocol.ProxyInfo, _ ...grpc.CallOption) (*protocol.EntitySpec, error) {
	u.mu.Lock()
	call := len(u.asked)
	u.asked = append(u.asked, in)
	u.times = append(u.times, time.Now())
	u.mu.Unlock()
	return u.discover(ctx, call)
}

func (u *userFunction) ReportError(_ context.Context, in *protocol.UserFunctionError, _ ...grpc.CallOption) (*emptypb.Empty, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reports = append(u.reports, in.GetMessage())
	return &emptypb.Empty{}, u.reportErr
}

func answers(es *protocol.EntitySpec) func(context.Context, int) (*protocol.EntitySpec, error) {
	return func(context.Context, int) (*protocol.EntitySpec, error) { return es, nil }
}

// P-001: what the proxy says of itself.
func TestDiscover_IntroducesTheProxy(t *testing.T) {
	t.Parallel()
	u := &userFunction{discover: answers(cartAnswer(t))}
	s, err := spec.Discover(t.Context(), u, spec.Config{ProxyVersion: "1.2.3"})
	require.NoError(t, err)
	require.NotNil(t, s.Service(shoppingCart))
	require.Empty(t, u.reports)
	require.Len(t, u.asked, 1)
	require.True(t, proto.Equal(&protocol.ProxyInfo{
		ProtocolMajorVersion: 0,
		ProtocolMinorVersion: 2,
		ProxyName:            "cloudstate-go-proxy",
		ProxyVersion:         "1.2.3",
		SupportedEntityTypes: spec.EntityTypes(),
	}, u.asked[0]))
}

func TestDiscover_IntroducesWhatItSupports(t *testing.T) {
	t.Parallel()
	u := &userFunction{discover: answers(answer(t, cartFiles(), entity(spec.Action, shoppingCart)))}
	_, err := spec.Discover(t.Context(), u, spec.Config{Options: spec.Options{EntityTypes: []string{spec.Action}}})
	require.NoError(t, err)
	require.Equal(t, []string{spec.Action}, u.asked[0].GetSupportedEntityTypes())
	require.Equal(t, "unknown", u.asked[0].GetProxyVersion())
}

// P-016: a user function that cannot be reached is asked again, after pauses of 1 s to
// 10 s and up to a fifth more, and nothing is reported.
func TestDiscover_RetriesTransportFailures(t *testing.T) {
	t.Parallel()
	es := cartAnswer(t)
	synctest.Test(t, func(t *testing.T) {
		u := &userFunction{discover: func(_ context.Context, call int) (*protocol.EntitySpec, error) {
			if call < 7 {
				return nil, status.Error(codes.Unavailable, "connection refused")
			}
			return es, nil
		}}
		var log bytes.Buffer
		s, err := spec.Discover(t.Context(), u, spec.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		require.NotNil(t, s)
		require.Empty(t, u.reports)
		require.Equal(t, 7, bytes.Count(log.Bytes(), []byte("level=WARN")))
		require.Len(t, u.times, 8)
		for i, want := range []time.Duration{1e9, 2e9, 4e9, 8e9, 10e9, 10e9, 10e9} {
			pause := u.times[i+1].Sub(u.times[i])
			require.GreaterOrEqual(t, pause, want)
			require.LessOrEqual(t, pause, want+want/5)
		}
	})
}

// A call that hangs counts as failed.
func TestDiscover_RetriesCallsThatHang(t *testing.T) {
	t.Parallel()
	es := cartAnswer(t)
	synctest.Test(t, func(t *testing.T) {
		u := &userFunction{discover: func(ctx context.Context, call int) (*protocol.EntitySpec, error) {
			if call == 0 {
				<-ctx.Done()
				return nil, status.FromContextError(ctx.Err()).Err()
			}
			return es, nil
		}}
		started := time.Now()
		_, err := spec.Discover(t.Context(), u, spec.Config{AttemptTimeout: 3 * time.Second})
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(started), 4*time.Second)
		require.LessOrEqual(t, time.Since(started), 4200*time.Millisecond)
	})
}

// Discovery ends with its context, also between two calls.
func TestDiscover_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	synctest.Test(t, func(t *testing.T) {
		u := &userFunction{discover: func(context.Context, int) (*protocol.EntitySpec, error) {
			return nil, status.Error(codes.Unavailable, "connection refused")
		}}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, enough)
		defer cancel()
		started := time.Now()
		_, err := spec.Discover(ctx, u, spec.Config{})
		require.ErrorIs(t, err, enough)
		require.ErrorContains(t, err, "connection refused")
		require.Equal(t, time.Hour, time.Since(started))
		require.Greater(t, len(u.asked), 300)
		require.Empty(t, u.reports)
	})
}

// P-010, P-012, A-29: every problem of the spec is logged once, reported with its text
// and not asked about again.
func TestDiscover_ReportsProblemsOfTheSpec(t *testing.T) {
	t.Parallel()
	old := cartAnswer(t)
	old.ServiceInfo.ProtocolMinorVersion = 1
	tests := map[string]struct {
		es        *protocol.EntitySpec
		reportErr error
		want      string
	}{
		"a rule":                {old, nil, "Incompatible protocol version 0.1, only 0.2 is supported"},
		"no entities":           {answer(t, cartFiles()), nil, "No entities were reported by the discover call!"},
		"undecodable":           {&protocol.EntitySpec{Proto: []byte{0xff}, ServiceInfo: &protocol.ServiceInfo{ProtocolMinorVersion: 2}}, nil, "decode the descriptor set of the user function: "},
		"the report is refused": {old, status.Error(codes.Unimplemented, "no"), "Incompatible protocol version 0.1, only 0.2 is supported"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := &userFunction{discover: answers(tt.es), reportErr: tt.reportErr}
			var log bytes.Buffer
			_, err := spec.Discover(t.Context(), u, spec.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, []string{err.Error()}, u.reports)
			require.Len(t, u.asked, 1)
			require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("level=ERROR")))
			require.Equal(t, tt.reportErr != nil, bytes.Contains(log.Bytes(), []byte("level=WARN")))
		})
	}
}

// P-011: with the check off, which is logged, the version does not matter.
func TestDiscover_SkipsTheVersionCheck(t *testing.T) {
	t.Parallel()
	es := cartAnswer(t)
	es.ServiceInfo = nil
	u := &userFunction{discover: answers(es)}
	var log bytes.Buffer
	_, err := spec.Discover(t.Context(), u, spec.Config{
		Options: spec.Options{SkipVersionCheck: true},
		Logger:  slog.New(slog.NewTextHandler(&log, nil)),
	})
	require.NoError(t, err)
	require.Contains(t, log.String(), "level=WARN")
}

// A discoveryServer is a user function behind gRPC.
type discoveryServer struct {
	protocol.UnimplementedEntityDiscoveryServer

	es *protocol.EntitySpec
}

func (s *discoveryServer) Discover(context.Context, *protocol.ProxyInfo) (*protocol.EntitySpec, error) {
	return s.es, nil
}

// A spec may be larger than what gRPC accepts by default, but not than the 12 MiB of
// section 2.8.
func TestDiscover_LargeSpecs(t *testing.T) {
	t.Parallel()
	es := cartAnswer(t)
	es.ServiceInfo.ServiceRuntime = string(bytes.Repeat([]byte{'x'}, 5<<20))
	server := grpc.NewServer()
	protocol.RegisterEntityDiscoveryServer(server, &discoveryServer{es: es})
	listener := bufconn.Listen(1 << 20)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	conn, err := grpc.NewClient("passthrough:///user-function",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })

	s, err := spec.Discover(t.Context(), protocol.NewEntityDiscoveryClient(conn), spec.Config{})
	require.NoError(t, err)
	require.Len(t, s.Info.GetServiceRuntime(), 5<<20)
}
