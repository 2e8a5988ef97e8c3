package testkit

import (
	"bytes"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
)

// maxRepeated is how many commands are repeated at the end of a sequence.
const maxRepeated = 2

// A finding is a sequence with which something is wrong.
type finding struct {
	explorer *explorer
	steps    []*step
	problem  string
}

// run runs a sequence, twice if its replies are worth a comparison, and returns what is wrong,
// or nil.
func (x *explorer) run(t *testing.T, steps []*step) *finding {
	t.Helper()
	first := x.runOnce(t, steps)
	if problem := first.test.first(); problem != "" {
		return &finding{x, steps[:first.executed], problem}
	}
	if x.off(LawReply) || !slices.ContainsFunc(first.trace, observation.comparable) {
		return nil
	}
	second := x.runOnce(t, steps)
	for i := range min(len(first.trace), len(second.trace)) {
		a, b := first.trace[i], second.trace[i]
		switch {
		case a.stored != b.stored:
			return nil // what made the difference was stored, so it may differ
		case a.reply != b.reply && a.step.method.declaration.Kind.Keyed:
			return &finding{x, steps[:slices.Index(steps, a.step)+1], replyProblem(a.step, "the same commands were sent to another, new entity", a.reply, b.reply)}
		}
	}
	return nil
}

// comparable says that a reply cannot be compared with what repeat gets, because the command
// changes something.
func (o observation) comparable() bool {
	return o.stored != "" && o.step.method.declaration.Kind.Keyed && o.step.method.descriptor.Output().Fields().Len() > 0
}

func replyProblem(s *step, when, first, second string) string {
	return violation{law: LawReply, place: string(s.method.descriptor.FullName()), found: when + ", and the reply was\n" + first +
		"\nand then\n" + second + "\nIt depends on something else than the command and what is stored: the order of a map, a random number, " +
		"what gets lost when the entity leaves memory. Sort what comes out of a map; and let what was found out by chance be stored."}.String()
}

// repeat sends commands again that have changed nothing, before and after their entities have
// left memory.
func (r *sequenceRun) repeat() {
	for _, s := range r.repeatable() {
		kit := r.cluster.nodes[s.node]
		again := func() (observation, bool) {
			reply, err := r.call(kit, s)
			o := r.observe(s, reply, err)
			r.settle()
			return o, o.stored == "" && !o.effect && r.test.first() == ""
		}
		first, ok := again()
		for _, passivate := range []bool{false, true, true} {
			if !ok {
				break
			}
			when := "the command was sent twice, with nothing in between"
			if passivate {
				key := s.entity()
				kit.Passivate(key.persistenceID, key.id)
				when = "the command was sent twice, and the entity left memory in between"
			}
			var next observation
			if next, ok = again(); ok && next.reply != first.reply {
				r.test.Errorf("%s", replyProblem(s, when, first.reply, next.reply))
				return
			}
		}
	}
}

// repeatable returns the last commands of entities that have changed nothing, each once.
func (r *sequenceRun) repeatable() []*step {
	var found []*step
	for _, o := range slices.Backward(r.trace) {
		if o.stored != "" || o.effect || !o.step.method.declaration.Kind.Keyed || slices.ContainsFunc(found, o.step.same) {
			continue
		}
		if found = append(found, o.step); len(found) == maxRepeated {
			break
		}
	}
	return found
}

// same reports whether two commands are the same.
func (s *step) same(other *step) bool {
	if s.method != other.method || s.node != other.node {
		return false
	}
	marshal := proto.MarshalOptions{Deterministic: true}
	a, _ := marshal.Marshal(s.requests[0])
	b, _ := marshal.Marshal(other.requests[0])
	return bytes.Equal(a, b)
}
