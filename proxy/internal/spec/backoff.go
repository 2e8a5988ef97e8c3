package spec

import (
	"math/rand/v2"
	"time"
)

// The pauses between attempts to discover (protocol section 2.1).
const (
	minBackoff    = time.Second
	maxBackoff    = 10 * time.Second
	backoffFactor = 0.2
)

// backoff returns how long to wait after an attempt, of which 0 is the first. The
// pause doubles up to the maximum; up to a fifth is added at random, so that many
// proxies do not ask at once.
func backoff(attempt int) time.Duration {
	pause := maxBackoff
	if attempt < 4 { // 1 s, 2 s, 4 s, 8 s
		pause = minBackoff << attempt
	}
	return pause + time.Duration(rand.Float64()*backoffFactor*float64(pause)) //nolint:gosec // nobody gains by guessing it
}
