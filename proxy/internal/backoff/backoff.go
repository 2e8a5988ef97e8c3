// Package backoff says how long to wait before something is tried again.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// randomFactor is how much of a pause may be added at random, so that many who wait do not
// try again at once.
const randomFactor = 0.2

// A Backoff is pauses that double, from the shortest to the longest. Both are positive.
type Backoff struct {
	Min, Max time.Duration
}

// Delay returns how long to wait after an attempt, of which 0 is the first. Up to a fifth of
// the pause has been added to it at random.
func (b Backoff) Delay(attempt int) time.Duration {
	pause := b.Min
	for ; attempt > 0 && pause < b.Max; attempt-- {
		pause *= 2
	}
	pause = min(pause, b.Max)
	return pause + time.Duration(rand.Float64()*randomFactor*float64(pause)) //nolint:gosec // nobody gains by guessing it
}

// Sleep waits for a delay, and returns early with the error of the context if that ends.
func Sleep(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
