// Package metrics makes Prometheus metrics of what a proxy tells of its work. Their names are
// those of the reference proxy for event sourced entities, and in the same scheme for other
// components (protocol section 10.3).
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// label is the persistence id of a service, or its name if it has none.
const label = "entity_name"

// Metrics are those of one proxy. They may be used concurrently.
type Metrics struct {
	registry *prometheus.Registry
	families map[observe.Kind][]family
	faults   *prometheus.CounterVec
}

// A family is a metric of all services of a kind.
type family struct {
	what observe.What
	// of returns what records the observations of a service.
	of func(entityName string) func(observe.Observation)
}

// New returns metrics that nothing has been observed for. Those of the process and of the Go
// runtime are among them.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		families: map[observe.Kind][]family{},
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloudstate_proxy_faults_total", Help: "What the user function or the store did wrong; the log says what.",
		}, []string{"service"}),
	}
	for kind, prefix := range prefixes {
		for _, d := range definitions {
			if d.has(kind) {
				collector, of := d.measure(prefix+d.name, d.help)
				m.registry.MustRegister(collector)
				m.families[kind] = append(m.families[kind], family{what: d.what, of: of})
			}
		}
	}
	m.registry.MustRegister(m.faults,
		collectors.NewBuildInfoCollector(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Observe is for [proxy.Proxy.Observe].
func (m *Metrics) Observe(service observe.Service) observe.Observer {
	name := service.PersistenceID
	if name == "" {
		name = service.Name
	}
	m.faults.WithLabelValues(service.Name)
	var recorders [256][]func(observe.Observation) // by what is observed
	for _, f := range m.families[service.Kind] {
		recorders[f.what] = append(recorders[f.what], f.of(name))
	}
	return func(o observe.Observation) {
		for _, record := range recorders[o.What] {
			record(o)
		}
	}
}

// Fault is for [proxy.Proxy.OnFault].
func (m *Metrics) Fault(fault proxy.Fault) {
	m.faults.WithLabelValues(fault.Service).Inc()
}

// Handler answers GET /metrics, and GET / alike, in the format that Prometheus asks for. The
// query parameter "name[]", which may be there more than once, selects metrics by name.
func (m *Metrics) Handler() http.Handler {
	handler := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", handler)
	mux.Handle("GET /{$}", handler)
	return mux
}
