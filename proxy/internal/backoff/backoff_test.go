package backoff_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/internal/backoff"
)

func TestDelay_DoublesUpToTheMaximum(t *testing.T) {
	t.Parallel()
	b := backoff.Backoff{Min: 3 * time.Second, Max: 30 * time.Second}
	for attempt, seconds := range []float64{3, 6, 12, 24, 30, 30} {
		for range 100 {
			got := b.Delay(attempt).Seconds()
			require.GreaterOrEqual(t, got, seconds)
			require.LessOrEqual(t, got, seconds*1.2)
		}
	}
	require.LessOrEqual(t, b.Delay(1<<40), 36*time.Second)
	require.LessOrEqual(t, backoff.Backoff{Min: time.Minute, Max: time.Second}.Delay(0), 6*time.Second/5)
}

func TestSleep_EndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.NoError(t, backoff.Sleep(t.Context(), time.Hour))
		require.Equal(t, time.Hour, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, backoff.Sleep(ctx, time.Hour), context.DeadlineExceeded)
		require.Equal(t, time.Hour+time.Second, time.Since(began))
	})
}
