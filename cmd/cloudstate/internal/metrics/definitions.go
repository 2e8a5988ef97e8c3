package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// prefixes of the names of metrics.
var prefixes = map[observe.Kind]string{
	observe.EventSourced: "cloudstate_eventsourced_",
	observe.ValueEntity:  "cloudstate_valueentity_",
	observe.CRDT:         "cloudstate_crdt_",
	observe.Action:       "cloudstate_action_",
}

// A definition is a metric of some kinds.
type definition struct {
	what    observe.What
	measure func(name, help string) (prometheus.Collector, func(entityName string) func(observe.Observation))
	name    string // after the prefix
	help    string
	kinds   []observe.Kind // all, if there are none
}

func (d definition) has(kind observe.Kind) bool {
	return len(d.kinds) == 0 || slices.Contains(d.kinds, kind)
}

// Kinds with metrics in common.
var (
	entities     = []observe.Kind{observe.EventSourced, observe.ValueEntity, observe.CRDT}
	stored       = []observe.Kind{observe.EventSourced, observe.ValueEntity}
	eventSourced = []observe.Kind{observe.EventSourced}
	valueEntity  = []observe.Kind{observe.ValueEntity}
)

var definitions = []definition{
	{observe.Activated, counter, "activated_entities_total", "Entities that began a stay in memory.", entities},
	{observe.Passivated, counter, "passivated_entities_total", "Entities whose stay in memory ended, in whatever way.", entities},
	{observe.Passivated, summary, "entity_active_time_seconds", "How long entities stayed in memory.", entities},
	{observe.Failed, counter, "failed_entities_total", "Entities whose stay in memory ended in an unplanned way.", entities},
	{observe.Recovered, histogram, "recovery_time_seconds", "How long it took to send entities what was stored.", stored},

	{observe.CommandReceived, counter, "received_commands_total", "Commands from clients or other components.", nil},
	{observe.CommandStashed, counter, "stashed_commands_total", "Commands that had to wait for others of their entity.", stored},
	{observe.CommandUnstashed, counter, "unstashed_commands_total", "Commands that did not have to wait any more.", stored},
	{observe.CommandUnstashed, histogram, "command_stash_time_seconds", "How long commands waited for others of their entity.", stored},
	{observe.CommandProcessed, histogram, "command_processing_time_seconds", "How long the user function took to answer commands.", entities},
	{observe.CommandFailed, counter, "failed_commands_total", "Commands whose outcome was a failure.", nil},
	{observe.CommandCompleted, counter, "completed_commands_total", "Commands with an outcome, failures included.", nil},
	{observe.CommandCompleted, histogram, "command_total_time_seconds", "How long it took from receiving commands to their outcome.", nil},

	{observe.Persisted, histogram, "persist_time_seconds", "How long the store took to acknowledge writes.", stored},
	{observe.PersistedEvents, counter, "persisted_events_total", "Events that were stored.", eventSourced},
	{observe.PersistedEvents, sizes, "persisted_event_bytes_total", "Bytes of events that were stored.", eventSourced},
	{observe.PersistedSnapshots, counter, "persisted_snapshots_total", "Snapshots that were stored.", eventSourced},
	{observe.PersistedSnapshots, sizes, "persisted_snapshot_bytes_total", "Bytes of snapshots that were stored.", eventSourced},
	{observe.LoadedEvents, counter, "loaded_events_total", "Events that were loaded.", eventSourced},
	{observe.LoadedEvents, sizes, "loaded_event_bytes_total", "Bytes of events that were loaded.", eventSourced},
	{observe.LoadedSnapshots, counter, "loaded_snapshots_total", "Snapshots that were loaded.", eventSourced},
	{observe.LoadedSnapshots, sizes, "loaded_snapshot_bytes_total", "Bytes of snapshots that were loaded.", eventSourced},
	{observe.PersistedValues, counter, "persisted_values_total", "Values that were stored.", valueEntity},
	{observe.PersistedValues, sizes, "persisted_value_bytes_total", "Bytes of values that were stored.", valueEntity},
	{observe.DeletedValues, counter, "deleted_values_total", "Values that were deleted.", valueEntity},
	{observe.LoadedValues, counter, "loaded_values_total", "Values that were loaded.", valueEntity},
	{observe.LoadedValues, sizes, "loaded_value_bytes_total", "Bytes of values that were loaded.", valueEntity},
}

// counter counts observations.
func counter(name, help string) (prometheus.Collector, func(string) func(observe.Observation)) {
	vector := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	return vector, func(entityName string) func(observe.Observation) {
		one := vector.WithLabelValues(entityName)
		return func(o observe.Observation) { one.Add(float64(o.Count)) }
	}
}

// sizes counts bytes.
func sizes(name, help string) (prometheus.Collector, func(string) func(observe.Observation)) {
	vector := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	return vector, func(entityName string) func(observe.Observation) {
		one := vector.WithLabelValues(entityName)
		return func(o observe.Observation) { one.Add(float64(o.Bytes)) }
	}
}

// buckets go from what a user function on the same machine needs, to the default timeouts.
var buckets = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

// histogram has the distribution of times.
func histogram(name, help string) (prometheus.Collector, func(string) func(observe.Observation)) {
	vector := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{label})
	return vector, observing(vector)
}

// quantiles of summaries, with how far each may be off.
var quantiles = map[float64]float64{0.5: 0.05, 0.95: 0.01, 0.99: 0.001, 1: 0}

// summary has the quantiles of times.
func summary(name, help string) (prometheus.Collector, func(string) func(observe.Observation)) {
	vector := prometheus.NewSummaryVec(prometheus.SummaryOpts{Name: name, Help: help, Objectives: quantiles}, []string{label})
	return vector, observing(vector)
}

func observing(vector prometheus.ObserverVec) func(string) func(observe.Observation) {
	return func(entityName string) func(observe.Observation) {
		one := vector.WithLabelValues(entityName)
		return func(o observe.Observation) { one.Observe(o.Took.Seconds()) }
	}
}
