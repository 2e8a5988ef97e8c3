package meter_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/internal/meter"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

func TestMeter_TellsItsObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got []observe.Observation
		m := meter.Meter(func(o observe.Observation) { got = append(got, o) })
		start := m.Start()
		m.Count(observe.Activated)
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		m.Time(observe.Recovered, start)
		m.Size(observe.LoadedEvents, 3, 42)
		m.Size(observe.LoadedSnapshots, 0, 0)
		require.Equal(t, []observe.Observation{
			{What: observe.Activated, Count: 1},
			{What: observe.Recovered, Count: 1, Took: time.Second},
			{What: observe.LoadedEvents, Count: 3, Bytes: 42},
		}, got)
	})
}

func TestMeter_DoesNothingWithoutObserver(t *testing.T) {
	t.Parallel()
	var m meter.Meter
	require.Zero(t, m.Start())
	use(m) // must not panic
}

func use(m meter.Meter) {
	start := m.Start()
	m.Count(observe.CommandReceived)
	m.Size(observe.PersistedEvents, 1, 1)
	m.Time(observe.CommandCompleted, start)
}

func TestMeter_DoesNotAllocate(t *testing.T) { //nolint:paralleltest // allocations of other tests would count
	count := 0
	for name, m := range map[string]meter.Meter{
		"without an observer": nil,
		"with an observer":    func(o observe.Observation) { count += o.Count },
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // see above
			require.Zero(t, testing.AllocsPerRun(100, func() { use(m) }))
		})
	}
}

func BenchmarkMeter_WithoutObserver(b *testing.B) {
	var m meter.Meter
	b.ReportAllocs()
	for b.Loop() {
		use(m)
	}
}
