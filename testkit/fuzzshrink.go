package testkit

import (
	"regexp"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/testkit/internal/sample"
)

// maxShrinks is how many sequences are run to find a shorter one.
const maxShrinks = 500

// shrinker looks for a short sequence with the same problem.
type shrinker struct {
	t     *testing.T
	best  *finding
	tries int
}

// shrink returns the shortest and simplest sequence that it finds, of those which break the
// same law.
func (x *explorer) shrink(t *testing.T, found *finding) *finding {
	t.Helper()
	s := &shrinker{t: t, best: found}
	s.unite()
	for s.shorten() || s.simplify() {
		continue
	}
	return s.best
}

// chances is how often a sequence is run whose replies may differ, as it is seen by chance.
const chances = 4

// try runs a sequence, and makes it the best if it has the same problem.
func (s *shrinker) try(steps []*step) bool {
	law := category(s.best.problem)
	runs := 1
	if law == LawReply.String() {
		runs = chances
	}
	for range runs {
		if s.tries == maxShrinks {
			return false
		}
		s.tries++
		if found := s.best.explorer.run(s.t, steps); found != nil && category(found.problem) == law {
			s.best = found
			return true
		}
	}
	return false
}

var lawName = regexp.MustCompile(`\(testkit\.(Law\w+)\)`)

// category returns the law that a problem is about; "" for a fault.
func category(problem string) string {
	match := lawName.FindStringSubmatch(problem)
	if match == nil {
		return ""
	}
	return match[1]
}

// unite lets all commands be for the same entity.
func (s *shrinker) unite() {
	steps := slices.Clone(s.best.steps)
	for i, old := range steps {
		if old.kind != stepCommand || len(old.method.keys) == 0 {
			continue
		}
		changed := *old
		changed.requests = []proto.Message{proto.Clone(old.requests[0])}
		for _, key := range old.method.keys {
			changed.requests[0].ProtoReflect().Set(key, sample.FirstKey(key))
		}
		steps[i] = &changed
	}
	s.try(steps)
}

// shorten leaves out steps: first many at a time, then single ones, from the end on.
func (s *shrinker) shorten() bool {
	shorter := false
	for n := len(s.best.steps) / 2; n > 0; n /= 2 {
		for at := len(s.best.steps) - n; at >= 0; at -= n {
			at = min(at, len(s.best.steps)-n)
			if at >= 0 && s.try(slices.Delete(slices.Clone(s.best.steps), at, at+n)) {
				shorter = true
			}
		}
	}
	return shorter
}

// simplify makes requests simpler, each in one place, and lets commands be for the first node.
func (s *shrinker) simplify() bool {
	simpler := false
	for at := range s.best.steps { // of which there may be fewer by then
		for at < len(s.best.steps) && s.simplifyStep(at) {
			simpler = true
		}
	}
	return simpler
}

// simplifyStep makes one step simpler in one place, if it can.
func (s *shrinker) simplifyStep(at int) bool {
	old := s.best.steps[at]
	with := func(change func(*step)) bool {
		changed := *old
		changed.requests = slices.Clone(old.requests)
		change(&changed)
		steps := slices.Clone(s.best.steps)
		steps[at] = &changed
		return s.try(steps)
	}
	if old.node > 0 && with(func(c *step) { c.node = 0 }) {
		return true
	}
	for i, request := range old.requests {
		if len(old.requests) > 1 && with(func(c *step) { c.requests = slices.Delete(c.requests, i, i+1) }) {
			return true
		}
		for simple := range sample.Simpler(request) {
			if old.keeps(request, simple) && with(func(c *step) { c.requests[i] = simple }) {
				return true
			}
		}
	}
	return false
}

// keeps reports whether a request still names an entity.
func (s *step) keeps(request, simpler proto.Message) bool {
	for _, key := range s.method.keys {
		if !request.ProtoReflect().Get(key).Equal(simpler.ProtoReflect().Get(key)) {
			return false
		}
	}
	return true
}
