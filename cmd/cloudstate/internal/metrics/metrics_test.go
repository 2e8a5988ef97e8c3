package metrics_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/metrics"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// specified are the names of protocol section 10.3, by type.
var specified = map[string]string{
	"counter": `activated_entities_total, passivated_entities_total, failed_entities_total, received_commands_total,
		stashed_commands_total, unstashed_commands_total, failed_commands_total, completed_commands_total,
		persisted_events_total, persisted_event_bytes_total, loaded_events_total, loaded_event_bytes_total,
		persisted_snapshots_total, persisted_snapshot_bytes_total, loaded_snapshots_total, loaded_snapshot_bytes_total`,
	"summary": `entity_active_time_seconds`,
	"histogram": `recovery_time_seconds, command_stash_time_seconds, command_processing_time_seconds,
		command_total_time_seconds, persist_time_seconds`,
}

// scrape returns what GET path answers.
func scrape(t *testing.T, m *metrics.Metrics, path string) string {
	t.Helper()
	response := httptest.NewRecorder()
	m.Handler().ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	require.Equal(t, http.StatusOK, response.Code)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

// types returns "name type" of all metrics whose name begins with a prefix, without it.
func types(text, prefix string) []string {
	matches := regexp.MustCompile(`(?m)^# TYPE `+prefix+`(\S+) (\S+)$`).FindAllStringSubmatch(text, -1)
	found := make([]string, 0, len(matches))
	for _, match := range matches {
		found = append(found, match[1]+" "+match[2])
	}
	return found
}

var services = []observe.Service{
	{Kind: observe.EventSourced, Name: "shop.Cart", PersistenceID: "cart"},
	{Kind: observe.ValueEntity, Name: "shop.Account", PersistenceID: "account"},
	{Kind: observe.CRDT, Name: "shop.Presence"},
	{Kind: observe.Action, Name: "shop.Pricing"},
}

func TestMetrics_HaveTheSpecifiedNames(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	for _, service := range services {
		m.Observe(service)
	}
	var want []string
	for typ, names := range specified {
		for name := range strings.SplitSeq(names, ",") {
			want = append(want, strings.TrimSpace(name)+" "+typ)
		}
	}
	text := scrape(t, m, "/metrics")
	require.ElementsMatch(t, want, types(text, "cloudstate_eventsourced_"))
	require.ElementsMatch(t, types(text, ""), types(scrape(t, m, "/"), ""), "both paths are the same")
	for _, quantile := range []string{"0.5", "0.95", "0.99", "1"} {
		require.Contains(t, text, `cloudstate_eventsourced_entity_active_time_seconds{entity_name="cart",quantile="`+quantile+`"}`)
	}

	// The same scheme for the others, with what they have.
	want = slices.DeleteFunc(want, func(name string) bool { return strings.Contains(name, "event") || strings.Contains(name, "snapshot") })
	require.ElementsMatch(t, append(want,
		"persisted_values_total counter", "persisted_value_bytes_total counter", "deleted_values_total counter",
		"loaded_values_total counter", "loaded_value_bytes_total counter"), types(text, "cloudstate_valueentity_"))
	for _, prefix := range []string{"cloudstate_crdt_", "cloudstate_action_"} {
		require.Subset(t, want, types(text, prefix))
		require.Subset(t, types(text, prefix), []string{
			"received_commands_total counter", "failed_commands_total counter", "completed_commands_total counter", "command_total_time_seconds histogram",
		})
	}
	require.Contains(t, text, `cloudstate_crdt_activated_entities_total{entity_name="shop.Presence"} 0`)
	require.Contains(t, text, `cloudstate_action_received_commands_total{entity_name="shop.Pricing"} 0`)
	require.Contains(t, text, "go_goroutines")
	require.Contains(t, text, "process_start_time_seconds")
}

func TestMetrics_AddUpWhatIsObserved(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	cart := m.Observe(services[0])
	other := m.Observe(observe.Service{Kind: observe.EventSourced, Name: "shop.Other", PersistenceID: "other"})
	cart(observe.Observation{What: observe.CommandReceived, Count: 1})
	cart(observe.Observation{What: observe.CommandReceived, Count: 1})
	other(observe.Observation{What: observe.CommandReceived, Count: 1})
	cart(observe.Observation{What: observe.LoadedEvents, Count: 3, Bytes: 42})
	cart(observe.Observation{What: observe.CommandCompleted, Count: 1, Took: 200 * time.Millisecond})
	cart(observe.Observation{What: observe.DeletedValues, Count: 1}) // nothing that this kind has
	for i := range 1000 {
		cart(observe.Observation{What: observe.Passivated, Count: 1, Took: time.Duration(i+1) * time.Second})
	}
	m.Fault(proxy.Fault{Service: "shop.Cart", Err: errors.New("broken")})
	text := scrape(t, m, "/metrics")
	for _, line := range []string{
		`cloudstate_eventsourced_received_commands_total{entity_name="cart"} 2`,
		`cloudstate_eventsourced_received_commands_total{entity_name="other"} 1`,
		`cloudstate_eventsourced_loaded_events_total{entity_name="cart"} 3`,
		`cloudstate_eventsourced_loaded_event_bytes_total{entity_name="cart"} 42`,
		`cloudstate_eventsourced_completed_commands_total{entity_name="cart"} 1`,
		`cloudstate_eventsourced_command_total_time_seconds_bucket{entity_name="cart",le="0.1"} 0`,
		`cloudstate_eventsourced_command_total_time_seconds_bucket{entity_name="cart",le="0.25"} 1`,
		`cloudstate_eventsourced_command_total_time_seconds_sum{entity_name="cart"} 0.2`,
		`cloudstate_eventsourced_passivated_entities_total{entity_name="cart"} 1000`,
		`cloudstate_eventsourced_entity_active_time_seconds{entity_name="cart",quantile="1"} 1000`,
		`cloudstate_eventsourced_entity_active_time_seconds_count{entity_name="cart"} 1000`,
		`cloudstate_proxy_faults_total{service="shop.Cart"} 1`,
		`cloudstate_proxy_faults_total{service="shop.Other"} 0`,
	} {
		require.Contains(t, text, line+"\n")
	}
}

func TestMetrics_AreSelectedByName(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		query string
		want  []string
	}{
		"one":              {"?name[]=cloudstate_eventsourced_received_commands_total", []string{"cloudstate_eventsourced_received_commands_total counter"}},
		"two":              {"?name[]=cloudstate_proxy_faults_total&name[]=cloudstate_crdt_failed_entities_total", []string{"cloudstate_crdt_failed_entities_total counter", "cloudstate_proxy_faults_total counter"}},
		"escaped":          {"?name%5B%5D=cloudstate_proxy_faults_total", []string{"cloudstate_proxy_faults_total counter"}},
		"one that is none": {"?name[]=no_such_metric", []string{}},
	}
	m := metrics.New()
	for _, service := range services {
		m.Observe(service)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, types(scrape(t, m, "/metrics"+tt.query), ""))
		})
	}
}

func TestHandler_HasNothingElse(t *testing.T) {
	t.Parallel()
	handler := metrics.New().Handler()
	for path, method := range map[string]string{"/other": http.MethodGet, "/metrics/x": http.MethodGet, "/metrics": http.MethodPost} {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		require.GreaterOrEqual(t, response.Code, 400, "%s %s", method, path)
	}
}

func TestObserver_DoesNotAllocate(t *testing.T) { //nolint:paralleltest // allocations of other tests would count
	cart := metrics.New().Observe(services[0])
	for what := range observe.CommandCompleted {
		if what == observe.Passivated {
			continue // summaries keep what they observe for a while
		}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			cart(observe.Observation{What: what, Count: 1, Bytes: 1, Took: time.Millisecond})
		}), "%d", what)
	}
}

func BenchmarkObserver(b *testing.B) {
	cart := metrics.New().Observe(services[0])
	b.ReportAllocs()
	for b.Loop() {
		cart(observe.Observation{What: observe.CommandCompleted, Count: 1, Took: time.Millisecond})
	}
}
