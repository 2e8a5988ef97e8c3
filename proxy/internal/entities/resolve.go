package entities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// The outcome of a write is asked for again after a pause that grows.
const (
	minResolvePause = 10 * time.Millisecond
	maxResolvePause = time.Second
)

// resolve finds out whether a write whose outcome is unknown, because of cause, was
// stored, and if so, what it led to. It asks until the store knows, or never will, or
// the context ends.
func resolve[T any](ctx context.Context, cause error, ask func() (T, bool, error)) (T, error) {
	for pause := minResolvePause; ; pause = min(2*pause, maxResolvePause) {
		result, stored, err := ask()
		var overwritten *store.VersionError
		switch {
		case err == nil && stored:
			return result, nil
		case err == nil:
			return result, fmt.Errorf("nothing was stored: %w", cause)
		case errors.As(err, &overwritten):
			return result, fmt.Errorf("the outcome cannot be resolved: %w", errors.Join(cause, err))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return result, fmt.Errorf("the outcome could not be resolved: %w", errors.Join(cause, err))
		}
	}
}
