package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
)

// checks are what is done to find out whether assertions hold, by the id of the assertion and
// by a sentence for each scenario. T is what is checked.
type checks[T any] map[string]scenarios[T]

// scenarios are the checks of one assertion.
type scenarios[T any] map[string]func(t *trial, target T)

// A suite is one half of the conformance suite: all assertions of a side of the protocol.
type suite[T any] struct {
	side side
	// checks has those of each assertion that can be checked.
	checks checks[T]
	// notApplicable says why others cannot.
	notApplicable map[string]string
}

// newSuite returns the suite of a side. The checks of an assertion may be spread over
// several parts.
func newSuite[T any](s side, notApplicable map[string]string, parts ...checks[T]) *suite[T] {
	all := checks[T]{}
	for _, part := range parts {
		for id, scenarios := range part {
			if all[id] == nil {
				all[id] = map[string]func(*trial, T){}
			}
			maps.Copy(all[id], scenarios)
		}
	}
	return &suite[T]{side: s, checks: all, notApplicable: notApplicable}
}

// without returns the suite without some assertions. Their reasons are in its reports.
func (s *suite[T]) without(skip map[string]string) *suite[T] {
	rest := newSuite(s.side, maps.Clone(s.notApplicable), s.checks)
	for id, reason := range skip {
		if _, ok := rest.checks[id]; ok {
			delete(rest.checks, id)
			rest.notApplicable[id] = reason
		}
	}
	return rest
}

// mistakes returns what is wrong with the suite: assertions that it leaves out, and checks
// of assertions that it does not have.
func (s *suite[T]) mistakes() []string {
	var mistakes []string
	known := map[string]bool{}
	for _, a := range appendix {
		if a.side&s.side == 0 {
			continue
		}
		known[a.id] = true
		_, isNotApplicable := s.notApplicable[a.id]
		if checked := len(s.checks[a.id]) > 0; checked == isNotApplicable {
			mistakes = append(mistakes, fmt.Sprintf("%s (%s) is checked: %t, not applicable: %t; one of them must be true", a.id, a.sentence, checked, isNotApplicable))
		}
	}
	for _, ids := range [][]string{slices.Sorted(maps.Keys(s.checks)), slices.Sorted(maps.Keys(s.notApplicable))} {
		for _, id := range ids {
			if !known[id] {
				mistakes = append(mistakes, id+" is not an assertion of this side")
			}
		}
	}
	return mistakes
}

// test runs the suite with a subtest for each assertion, in which each scenario has one of
// its own. They run in parallel. The report is logged when all have ended, and until then it
// is not complete.
func (s *suite[T]) test(t *testing.T, target T) *Report {
	t.Helper()
	r := s.newReport()
	t.Cleanup(func() { t.Logf("\n%s", r) })
	for _, a := range r.Assertions {
		if len(s.checks[a.ID]) == 0 {
			continue
		}
		t.Run(a.ID, func(t *testing.T) {
			t.Parallel()
			for i := range a.Checks {
				c := &a.Checks[i]
				t.Run(c.Scenario, func(t *testing.T) {
					t.Parallel()
					s.run(t.Context(), a.ID, c, target)
					switch c.Outcome {
					case Failed:
						t.Errorf("%s: %s\n%s", a.ID, a.Sentence, c.Detail)
					case NotApplicable:
						t.Skip(c.Detail)
					case Passed, NotRun:
					}
				})
			}
		})
	}
	return r
}

// concurrency is how many scenarios check runs at the same time.
const concurrency = 8

// check runs the suite without go test. It returns early if ctx ends, which makes what is
// left of it fail.
func (s *suite[T]) check(ctx context.Context, target T) *Report {
	r := s.newReport()
	slots := make(chan struct{}, concurrency)
	var running sync.WaitGroup
	for _, a := range r.Assertions {
		for i := range a.Checks {
			c := &a.Checks[i]
			if c.Outcome == NotApplicable {
				continue
			}
			slots <- struct{}{}
			running.Go(func() {
				s.run(ctx, a.ID, c, target)
				<-slots
			})
		}
	}
	running.Wait()
	return r
}

// run runs a scenario and records what has come of it.
func (s *suite[T]) run(ctx context.Context, id string, c *Check, target T) {
	c.Outcome, c.Detail = runTrial(ctx, func(t *trial) { s.checks[id][c.Scenario](t, target) })
}

// newReport returns the report of a suite that has not run.
func (s *suite[T]) newReport() *Report {
	r := &Report{}
	for _, a := range appendix {
		if a.side&s.side == 0 {
			continue
		}
		row := Assertion{ID: a.id, Sentence: a.sentence}
		for _, scenario := range slices.Sorted(maps.Keys(s.checks[a.id])) {
			row.Checks = append(row.Checks, Check{Scenario: scenario, Outcome: NotRun})
		}
		if reason, ok := s.notApplicable[a.id]; ok {
			row.Checks = append(row.Checks, Check{Outcome: NotApplicable, Detail: reason})
		}
		r.Assertions = append(r.Assertions, row)
	}
	return r
}
