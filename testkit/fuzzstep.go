package testkit

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/testkit/internal/sample"
)

// A stepKind is what a step of a sequence does.
type stepKind int

const (
	stepCommand   stepKind = iota // sends a command, or opens a stream
	stepCancel                    // cancels a stream
	stepPassivate                 // lets an entity leave memory
	stepRestart                   // restarts the service
	stepPartition                 // separates the nodes
	stepHeal                      // connects them again
)

// A step of a sequence. It is not changed.
type step struct {
	kind     stepKind
	node     int
	method   *fuzzMethod     // of a command
	requests []proto.Message // one, unless requests are streamed
	id       int             // of a command, unique in its sequence
	target   int             // the id of the command that is meant: a stream to cancel, or one for the entity that is to leave memory
}

// An entityKey is a persistence id and the id of an entity.
type entityKey struct{ persistenceID, id string }

// maxSteps is the length of the longest sequence.
const maxSteps = 24

// nodes is how many proxies a sequence with CRDTs has.
const nodes = 2

// decode returns the sequence that bytes stand for.
func (x *explorer) decode(source *sample.Source) []*step {
	var steps []*step
	for id := 0; !source.Empty() && len(steps) < maxSteps; id++ {
		if s := x.decodeStep(source, steps, id); s != nil {
			steps = append(steps, s)
		}
	}
	return steps
}

// What a step is depends on a number below these odds: anything above the last is a command.
const (
	odds          = 16
	oddsPassivate = 0
	oddsRestart   = 1
	oddsPartition = 2
	oddsHeal      = 3
	oddsCancel    = 4
)

// decodeStep returns the next step, or nil for none.
func (x *explorer) decodeStep(source *sample.Source, before []*step, id int) *step {
	s := &step{id: id}
	if x.cluster {
		s.node = source.Choose(nodes)
	}
	switch what := source.Choose(odds); {
	case what == oddsPassivate:
		s.kind = stepPassivate
		return s.aim(source, before, func(s *step) bool { return len(s.method.keys) > 0 })
	case what == oddsRestart:
		s.kind = stepRestart
		return s
	case what == oddsPartition && x.cluster:
		s.kind = stepPartition
		return s
	case what == oddsHeal && x.cluster:
		s.kind = stepHeal
		return s
	case what == oddsCancel:
		s.kind = stepCancel
		return s.aim(source, before, func(s *step) bool { return s.method.holds() })
	}
	s.method = x.methods[source.Choose(min(len(x.methods), 256))]
	n := 1
	if s.method.descriptor.IsStreamingClient() {
		n = source.Choose(4)
	}
	for range n {
		request, err := newMessage(s.method.descriptor.Input())
		if err != nil {
			return nil // as its package is not linked, no handler can have it
		}
		x.generator.Fill(source, request)
		s.requests = append(s.requests, request)
	}
	return s
}

// aim makes one of the commands before the target of the step. It returns nil if there is
// none.
func (s *step) aim(source *sample.Source, before []*step, suits func(*step) bool) *step {
	var targets []*step
	for _, b := range before {
		if b.kind == stepCommand && suits(b) {
			targets = append(targets, b)
		}
	}
	if len(targets) == 0 {
		return nil
	}
	s.target = targets[source.Choose(len(targets))].id
	return s
}

// entity returns the entity that a command is for.
func (s *step) entity() entityKey {
	parts := make([]string, 0, len(s.method.keys))
	for _, key := range s.method.keys {
		parts = append(parts, s.requests[0].ProtoReflect().Get(key).String())
	}
	return entityKey{s.method.declaration.PersistenceID, strings.Join(parts, "-")}
}

// targetOf returns the command that a step means, or nil if the sequence no longer has it.
func targetOf(steps []*step, s *step) *step {
	at := slices.IndexFunc(steps, func(c *step) bool { return c.kind == stepCommand && c.id == s.target })
	if at < 0 {
		return nil
	}
	return steps[at]
}

func isCRDT(d *component.Declaration) bool {
	return d.Kind.EntityType == crdtpb.Crdt_ServiceDesc.ServiceName
}
