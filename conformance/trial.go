package conformance

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// A trial is one run of a scenario. It is to a scenario what a *testing.T is to a test, and
// package require takes it for one, but it works without go test. Its methods may be called
// by several goroutines, but only that of the scenario may end it: with FailNow, which require
// calls, or with NotApplicablef.
type trial struct {
	ctx context.Context //nolint:containedctx // it ends with the trial, as that of a *testing.T

	mu            sync.Mutex
	failures      []string
	notApplicable string
	cleanups      []func()
}

// runTrial runs a scenario in a goroutine of its own, which the scenario may end.
func runTrial(ctx context.Context, scenario func(t *trial)) (outcome Outcome, detail string) {
	ctx, cancel := context.WithCancel(ctx)
	t := &trial{ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer t.cleanUp()
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		scenario(t)
	}()
	<-done
	switch {
	case len(t.failures) > 0:
		return Failed, strings.Join(t.failures, "\n")
	case t.notApplicable != "":
		return NotApplicable, t.notApplicable
	default:
		return Passed, ""
	}
}

// Context returns a context that ends when the scenario does.
func (t *trial) Context() context.Context { return t.ctx }

// Helper is there for package require.
func (t *trial) Helper() {}

// Errorf records a failure.
func (t *trial) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, strings.TrimSpace(withoutTrace(fmt.Sprintf(format, args...))))
}

// withoutTrace drops the call stack from what package require reports. The name of the
// scenario tells more to those who do not know the suite, and as much to the others.
func withoutTrace(failure string) string {
	before, rest, _ := strings.Cut(failure, "\tError Trace:")
	if _, after, found := strings.Cut(rest, "\tError:"); found {
		return before + "\tError:" + after
	}
	return failure
}

// FailNow ends the scenario after a failure.
func (t *trial) FailNow() { runtime.Goexit() }

// Fatalf records a failure and ends the scenario.
func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	t.FailNow()
}

// NotApplicablef ends the scenario, because what it checks cannot be seen here.
func (t *trial) NotApplicablef(format string, args ...any) {
	t.mu.Lock()
	t.notApplicable = fmt.Sprintf(format, args...)
	t.mu.Unlock()
	runtime.Goexit()
}

// Cleanup registers a function that runs when the scenario has ended, the last one first.
func (t *trial) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

func (t *trial) cleanUp() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

// failed says whether the scenario has failed so far.
func (t *trial) failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.failures) > 0
}
