package program_test

import (
	"context"
	"database/sql"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/program"
	"github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/proxy/store/sqlite"
)

func TestProxy_ServesAUserFunctionInAnotherProcess(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "--user-function", startCart(t))
	carts := p.carts()

	_, err := carts.AddItem(t.Context(), &cartpb.AddLineItem{UserId: "jo", ProductId: "shirt", Name: "T-shirt", Quantity: 2})
	require.NoError(t, err)
	got, err := carts.GetCart(t.Context(), &cartpb.GetShoppingCart{UserId: "jo"})
	require.NoError(t, err)
	require.Len(t, got.GetItems(), 1)
	require.EqualValues(t, 2, got.GetItems()[0].GetQuantity())

	p.stop()
	p.requireExit(program.ExitOK)
}

// P-016 and P-017: not ready before clients are served, and ready afterwards.
func TestProxy_IsAliveAtOnceAndReadyWhenItServes(t *testing.T) {
	t.Parallel()
	lis := listen(t) // accepts connections, but nobody answers yet
	p := startProxy(t, "--user-function", lis.Addr().String())

	code, body := p.get("management", "/ready")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "has not been discovered")
	code, _ = p.get("management", "/alive")
	require.Equal(t, http.StatusOK, code)

	startService(t, lis, cart.Entity)
	p.addr("proxy serves")
	code, body = p.get("management", "/ready")
	require.Equal(t, http.StatusOK, code, body)
	code, _ = p.get("management", "/alive")
	require.Equal(t, http.StatusOK, code)
	code, _ = p.get("management", "/other")
	require.Equal(t, http.StatusNotFound, code)
}

func TestProxy_SaysThatTheUserFunctionCannotBeReached(t *testing.T) {
	t.Parallel()
	lis := listen(t)
	require.NoError(t, lis.Close())
	p := startProxy(t, "--user-function", lis.Addr().String())
	record := p.log.wait("the user function did not answer; trying again until it runs")
	require.NotNil(t, record, "%v", p.log.all())
	require.Contains(t, record["error"], lis.Addr().String())

	p.stop()
	p.requireExit(program.ExitOK)
}

func TestProxy_CountsWhatItDoes(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "--user-function", startCart(t))
	carts := p.carts()
	for range 3 {
		_, err := carts.AddItem(t.Context(), &cartpb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: 1})
		require.NoError(t, err)
	}
	_, err := carts.AddItem(t.Context(), &cartpb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: -1})
	require.Equal(t, codes.InvalidArgument, status.Code(err))

	code, text := p.get("metrics", "/metrics")
	require.Equal(t, http.StatusOK, code)
	for _, line := range []string{
		`cloudstate_eventsourced_received_commands_total{entity_name="shopping-cart"} 4`,
		`cloudstate_eventsourced_failed_commands_total{entity_name="shopping-cart"} 1`,
		`cloudstate_eventsourced_persisted_events_total{entity_name="shopping-cart"} 3`,
		`cloudstate_eventsourced_activated_entities_total{entity_name="shopping-cart"} 1`,
		`cloudstate_eventsourced_recovery_time_seconds_count{entity_name="shopping-cart"} 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
	code, text = p.get("metrics", "/?name[]=cloudstate_eventsourced_failed_commands_total")
	require.Equal(t, http.StatusOK, code)
	require.NotContains(t, text, "received_commands")
}

func TestProxy_FindsItsStateAgainAfterARestart(t *testing.T) {
	t.Parallel()
	file := "sqlite:" + filepath.Join(t.TempDir(), "cart.db")
	for want := int32(1); want <= 2; want++ {
		p := startProxy(t, "--user-function", startCart(t), "--store", file)
		_, err := p.carts().AddItem(t.Context(), &cartpb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: 1})
		require.NoError(t, err)
		got, err := p.carts().GetCart(t.Context(), &cartpb.GetShoppingCart{UserId: "jo"})
		require.NoError(t, err)
		require.Equal(t, want, got.GetItems()[0].GetQuantity())
		p.stop()
		p.requireExit(program.ExitOK)
	}
}

// P-177: clients that do not speak gRPC get JSON, and pages of the origins that are named may
// call.
func TestProxy_SpeaksJSONAndAllowsOrigins(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "--user-function", startCart(t), "--cors-origin", "https://shop.example.com")
	url := "http://" + p.addr("proxy serves") + "/cart/jo/items/add"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"product_id":"shirt","quantity":2}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Origin", "https://shop.example.com")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close() //nolint:errcheck // it is read
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", body)
	require.JSONEq(t, `{}`, string(body))
	require.Equal(t, "https://shop.example.com", response.Header.Get("Access-Control-Allow-Origin"))
}

// A slowAction answers when it may.
type slowAction struct {
	pricingpb.UnimplementedPricingServer

	asked, answer chan struct{}
}

func (s *slowAction) Quote(context.Context, *pricingpb.Product) (*pricingpb.Price, error) {
	close(s.asked)
	<-s.answer
	return &pricingpb.Price{}, nil
}

func TestProxy_LetsCallsFinishWhenItStops(t *testing.T) {
	t.Parallel()
	slow := &slowAction{asked: make(chan struct{}), answer: make(chan struct{})}
	lis := listen(t)
	startService(t, lis, &action.Action{Service: &pricingpb.Pricing_ServiceDesc, Server: slow})
	p := startProxy(t, "--user-function", lis.Addr().String(), "--grace-period", "1h")
	conn := p.connect()

	answered := make(chan error, 1)
	go func() {
		_, err := pricingpb.NewPricingClient(conn).Quote(t.Context(), &pricingpb.Product{})
		answered <- err
	}()
	<-slow.asked
	p.stop()
	require.NotNil(t, p.log.wait("proxy stops"))
	code, body := p.get("management", "/ready")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Contains(t, body, "stopping")

	close(slow.answer)
	require.NoError(t, <-answered)
	p.requireExit(program.ExitOK)
	_, err := pricingpb.NewPricingClient(conn).Quote(t.Context(), &pricingpb.Product{})
	require.Equal(t, codes.Unavailable, status.Code(err))
}

func TestProxy_FailsForGoodReasons(t *testing.T) {
	t.Parallel()
	taken := listen(t)
	t.Cleanup(func() { require.NoError(t, taken.Close()) })
	addr := taken.Addr().String()
	dir := t.TempDir()
	noStore, damaged, inUse := filepath.Join(dir, "cart.txt"), filepath.Join(dir, "damaged.db"), filepath.Join(dir, "cart.db")
	require.NoError(t, os.WriteFile(noStore, []byte("two shirts, and something to make it long enough"), 0o600))
	require.NoError(t, os.WriteFile(damaged, append([]byte("SQLite format 3\x00"), make([]byte, 50)...), 0o600))
	newer := filepath.Join(dir, "newer.db")
	writeNewerStore(t, newer)
	other := startProxy(t, "--store", "sqlite:"+inUse)
	other.addr("management is served")
	tests := map[string]struct {
		args []string
		want []string
	}{
		"the port for clients is taken":    {args: []string{"--listen", addr}, want: []string{"listen for clients", "address already in use", "--listen sets another address"}},
		"the port for health is taken":     {args: []string{"--management", addr}, want: []string{"listen for management", "address already in use", "--management sets another address"}},
		"an origin is none":                {args: []string{"--cors-origin", "shop"}, want: []string{`has "shop", want a scheme and a host`}},
		"an address is of another machine": {args: []string{"--metrics", "192.0.2.1:0"}, want: []string{"listen for metrics", "192.0.2.1", "--metrics"}},
		"the store is something else":      {args: []string{"--store", "sqlite:" + noStore}, want: []string{"open the store", noStore, "not an SQLite file"}},
		"the store is damaged":             {args: []string{"--store", "sqlite:" + damaged}, want: []string{"open the store", damaged, "damaged", "restore a backup"}},
		"the store is of a newer version":  {args: []string{"--store", "sqlite:" + newer}, want: []string{"open the store", newer, "newer"}},
		"the store is in use":              {args: []string{"--store", "sqlite:" + inUse}, want: []string{"open the store", inUse, "is in use"}},
		"the store has no directory":       {args: []string{"--store", "sqlite:" + filepath.Join(dir, "none", "cart.db")}, want: []string{"open the store", "there is no directory"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, tt.args...)
			p.requireExit(program.ExitFailure)
			record := p.log.wait("proxy failed")
			require.NotNil(t, record, "%v", p.log.all())
			require.Equal(t, "ERROR", record["level"])
			for _, part := range tt.want {
				require.Contains(t, record["error"], part)
			}
		})
	}
}

// writeNewerStore writes a store of a version that does not exist yet.
func writeNewerStore(t *testing.T, path string) {
	t.Helper()
	stored, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, stored.Close())
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `UPDATE meta SET value = 1000 WHERE name = 'version'`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// P-012: what breaks a rule is refused, and the user function is told.
func TestProxy_RefusesAUserFunctionThatBreaksARule(t *testing.T) {
	t.Parallel()
	lis := listen(t)
	startDiscovery(t, lis)
	p := startProxy(t, "--user-function", lis.Addr().String())
	p.requireExit(program.ExitFailure)
	record := p.log.wait("proxy failed")
	require.NotNil(t, record, "%v", p.log.all())
	require.Contains(t, record["error"], "Incompatible protocol version 0.1, only 0.2 is supported")
}

func TestRun_SaysWhatWasNotUnderstood(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	require.NoError(t, os.WriteFile(file, []byte("lisen: :1\n"), 0o600))
	tests := map[string]struct {
		args []string
		env  map[string]string
		want []string
	}{
		"an unknown command":       {args: []string{"prox"}, want: []string{`unknown command "prox"`, `"cloudstate --help"`}},
		"an unknown flag":          {args: []string{"proxy", "--stor", "memory"}, want: []string{"--stor", `"cloudstate proxy --help"`}},
		"an argument":              {args: []string{"proxy", "memory"}, want: []string{`"memory"`}},
		"an address without port":  {args: []string{"proxy", "--listen", "localhost"}, want: []string{"--listen", `"localhost" is not an address`}},
		"an unknown store":         {args: []string{"proxy", "--store", "postgres://x"}, want: []string{"--store", `"postgres://x" is not a store`}},
		"a wrong level":            {args: []string{"proxy", "--log-level", "loud"}, want: []string{"--log-level", "info, debug, warn, error"}},
		"a wrong variable":         {args: []string{"proxy"}, env: map[string]string{"CLOUDSTATE_GRACE_PERIOD": "10"}, want: []string{"CLOUDSTATE_GRACE_PERIOD", `"10" is not a positive duration`}},
		"a wrong port":             {args: []string{"proxy"}, env: map[string]string{"HTTP_PORT": "http"}, want: []string{"HTTP_PORT", `"http"`}},
		"a file that is not there": {args: []string{"proxy", "--config", file + "x"}, want: []string{file + "x"}},
		"a setting of a file":      {args: []string{"proxy", "--config", file}, want: []string{file + ", line 1", `"lisen"`}},
		"the file of a variable":   {args: []string{"proxy"}, env: map[string]string{"CLOUDSTATE_CONFIG": file}, want: []string{file + ", line 1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := run(t.Context(), tt.env, tt.args...)
			require.Equal(t, program.ExitUsage, code)
			require.Empty(t, stdout)
			for _, part := range tt.want {
				require.Contains(t, stderr, part)
			}
		})
	}
}

func TestRun_Helps(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want []string
	}{
		"without a command":  {nil, []string{"cloudstate proxy", "version"}},
		"with the flag":      {[]string{"--help"}, []string{"cloudstate proxy", "version"}},
		"with the proxy":     {[]string{"proxy", "--help"}, []string{"CLOUDSTATE_RELAY_TIMEOUT", "USER_FUNCTION_PORT", "HTTP_PORT", "METRICS_HOST", "MANAGEMENT_PORT", "--store", "(default 127.0.0.1:8080)"}},
		"with inspect":       {[]string{"inspect", "--help"}, []string{"shopping-cart jo", "--limit", "CLOUDSTATE_STORE"}},
		"with the version":   {[]string{"version"}, []string{"cloudstate ", "protocol 0.2"}},
		"with a help for it": {[]string{"help", "version"}, []string{"Print the version"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := run(t.Context(), nil, tt.args...)
			require.Equal(t, program.ExitOK, code)
			require.Empty(t, stderr)
			for _, part := range tt.want {
				require.Contains(t, stdout, part)
			}
		})
	}
}
