package command

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Gauge counts running commands, so that a service can stop when none is left. The
// zero value is not usable; use [NewGauge].
type Gauge struct {
	running atomic.Int64
	closed  atomic.Bool
	once    sync.Once
	idle    chan struct{} // closed when the gauge is closed and nothing runs
}

// NewGauge returns an open gauge at zero.
func NewGauge() *Gauge {
	return &Gauge{idle: make(chan struct{})}
}

// Begin counts a command that begins. It returns false if the gauge is closed: then the
// command must not begin.
func (g *Gauge) Begin() bool {
	g.running.Add(1)
	if g.closed.Load() {
		g.End()
		return false
	}
	return true
}

// End counts a command that has ended, for each Begin that returned true.
func (g *Gauge) End() {
	if g.running.Add(-1) == 0 && g.closed.Load() {
		g.once.Do(func() { close(g.idle) })
	}
}

// Closed reports whether commands may no longer begin.
func (g *Gauge) Closed() bool { return g.closed.Load() }

// Close lets no further command begin, waits until all have ended or ctx is done, and
// returns how many still run.
func (g *Gauge) Close(ctx context.Context) int64 {
	g.running.Add(1) // as if Close were a command, so that there is a last End
	g.closed.Store(true)
	g.End()
	select {
	case <-g.idle:
		return 0
	case <-ctx.Done():
		return g.running.Load()
	}
}
