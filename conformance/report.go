package conformance

import (
	"fmt"
	"strings"
)

// A Report says of each assertion of a side of the protocol whether it holds.
type Report struct {
	Assertions []Assertion
}

// An Assertion is a numbered sentence of the protocol, with what was done to check it.
type Assertion struct {
	// ID is its number, such as "P-045".
	ID string
	// Sentence is what it says.
	Sentence string
	// Checks are the scenarios in which it was checked. One that cannot be checked has one
	// without a scenario, which says why.
	Checks []Check
}

// A Check is one scenario.
type Check struct {
	// Scenario is what it is about.
	Scenario string
	// Outcome is what has come of it.
	Outcome Outcome
	// Detail says why it has failed, or is not applicable.
	Detail string
}

// An Outcome is what has come of a check.
type Outcome int

// The outcomes.
const (
	Passed Outcome = iota
	Failed
	// NotApplicable means that it cannot be seen from outside whether the assertion holds, or
	// that the target does not have what the check needs.
	NotApplicable
	// NotRun means that the check was left out, by the flag -run of go test.
	NotRun
)

// String returns the outcome in words.
func (o Outcome) String() string {
	switch o {
	case Failed:
		return "failed"
	case NotApplicable:
		return "not applicable"
	case NotRun:
		return "not run"
	default:
		return "passed"
	}
}

// Count returns how many checks have come out like that.
func (a *Assertion) Count(outcome Outcome) int {
	count := 0
	for _, c := range a.Checks {
		if c.Outcome == outcome {
			count++
		}
	}
	return count
}

// Failed returns the ids of the assertions that do not hold.
func (r *Report) Failed() []string {
	var ids []string
	for _, a := range r.Assertions {
		if a.Count(Failed) > 0 {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// String returns the report as a table with a line for each assertion, and below it why
// checks have failed or are not applicable. The last line has the sums.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%6s %6s %14s  %s\n", Passed, Failed, NotApplicable, "assertion")
	line := func(passed, failed, notApplicable int, text string) {
		fmt.Fprintf(&b, "%6d %6d %14d  %s\n", passed, failed, notApplicable, text)
	}
	var passed, failed, notApplicable int
	for _, a := range r.Assertions {
		line(a.Count(Passed), a.Count(Failed), a.Count(NotApplicable), a.ID+" "+a.Sentence)
		for _, c := range a.Checks {
			if c.Outcome == Passed || c.Outcome == NotRun {
				continue
			}
			about := c.Outcome.String()
			if c.Scenario != "" {
				about = c.Scenario + ": " + about
			}
			b.WriteString(indent(about + ": " + c.Detail))
		}
		passed += a.Count(Passed)
		failed += a.Count(Failed)
		notApplicable += a.Count(NotApplicable)
	}
	line(passed, failed, notApplicable, fmt.Sprintf("checks of %d assertions", len(r.Assertions)))
	return b.String()
}

// indent puts a text below the sentence of an assertion.
func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString(strings.Repeat(" ", 32) + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}
