package routing

import (
	"context"
	"sync"
)

// tasks counts what is under way. Unlike a sync.WaitGroup it can be waited for
// while more is started.
type tasks struct {
	mu      sync.Mutex
	running int
	idle    chan struct{} // closed when running reaches zero; nil if nobody waits
}

// do runs a task in the goroutine of the caller.
func (t *tasks) do(task func() error) error {
	t.begin()
	defer t.end()
	return task()
}

// start runs a task in a goroutine of its own.
func (t *tasks) start(task func()) {
	t.begin()
	go func() {
		defer t.end()
		task()
	}()
}

// wait waits until nothing runs.
func (t *tasks) wait(ctx context.Context) error {
	t.mu.Lock()
	if t.running == 0 {
		t.mu.Unlock()
		return nil
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *tasks) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running++
}

func (t *tasks) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
	if t.running == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}
