package testkit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// scratchTest is the test of a kit that runs a sequence. What it fails with is kept, and does
// not fail the test that the sequence is part of.
type scratchTest struct {
	testing.TB

	ctx      context.Context //nolint:containedctx // a test has one
	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

// abandon is what FailNow panics with.
type abandon struct{}

// Helper implements testing.TB.
func (s *scratchTest) Helper() {}

// Log implements testing.TB. What a service logs is only of interest once a sequence is short.
func (s *scratchTest) Log(...any) {}

// Cleanup implements testing.TB.
func (s *scratchTest) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// Context implements testing.TB.
func (s *scratchTest) Context() context.Context { return s.ctx }

// Errorf implements testing.TB.
func (s *scratchTest) Errorf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors = append(s.errors, strings.TrimPrefix(fmt.Sprintf(format, args...), "testkit: "))
}

// Fatalf implements testing.TB.
func (s *scratchTest) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	s.FailNow()
}

// FailNow implements testing.TB. It ends what run runs, and nothing else.
func (s *scratchTest) FailNow() { panic(abandon{}) } //nolint:forbidigo // run recovers

// run runs a test until it is over or fails at once, and its cleanups.
func (s *scratchTest) run(test func()) {
	defer func() {
		for _, cleanup := range slices.Backward(s.cleanups) {
			cleanup()
		}
	}()
	defer func() {
		if p := recover(); p != nil && p != any(abandon{}) {
			panic(p) //nolint:forbidigo // not ours
		}
	}()
	test()
}

// first returns the first error; "" for none.
func (s *scratchTest) first() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.errors) == 0 {
		return ""
	}
	return s.errors[0]
}
