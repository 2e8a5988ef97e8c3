package testkit

import (
	"slices"
	"testing"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/testkit/internal/sample"
)

// Explored is what fuzzing has found in the sequences of a plain go test.
type Explored struct {
	Message   string // "" for nothing
	Steps     int    // of the short sequence
	Sequences int    // until it was found
}

// Explore runs the sequences of a plain go test until something is wrong.
func Explore(t *testing.T, z Fuzzer) Explored {
	t.Helper()
	x, err := newExplorer(z)
	if err != nil {
		t.Fatal(err)
	}
	for i, data := range z.seeds() {
		if found := x.explore(t, data); found != nil {
			return Explored{Message: found.String(), Steps: len(found.steps), Sequences: i + 1}
		}
	}
	return Explored{Sequences: len(z.seeds())}
}

// SeedCode returns the sequences of a plain go test as code.
func SeedCode(t *testing.T, z Fuzzer) []string {
	t.Helper()
	x, err := newExplorer(z)
	if err != nil {
		t.Fatal(err)
	}
	seeds := z.seeds()
	code := make([]string, 0, len(seeds))
	for _, data := range seeds {
		code = append(code, (&finding{explorer: x, steps: x.decode(sample.NewSource(data))}).code())
	}
	return code
}

// GoldenProblems returns what is wrong with golden files, and writes them with update.
func GoldenProblems(t *testing.T, update bool, pattern string, script func(t *testing.T, kit *Kit), components ...cloudstate.Component) []string {
	t.Helper()
	g, err := newGoldens(pattern, components)
	if err != nil {
		return []string{err.Error()}
	}
	g.update = update
	var problems []string
	for i := range g.files {
		problems = append(problems, g.check(t, i))
	}
	return slices.DeleteFunc(append(problems, g.record(t, script)), func(problem string) bool { return problem == "" })
}
