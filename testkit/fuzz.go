package testkit

import (
	"flag"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/testkit/internal/sample"
)

// Fuzz sends an entity sequences of commands that are made up from its service, and fails the
// test if one of them breaks a [Law], or costs an entity its place in memory. It shows the
// shortest such sequence that it finds, as code for a test.
//
//	func FuzzCart(f *testing.F) { testkit.Fuzz(f, cart.Entity) }
//
// A plain go test runs some sequences, always the same ones; go test -fuzz=FuzzCart looks for
// more. Components that the entity needs are named besides it, and get commands as well, but
// for a [Stub]. See [Fuzzer] for settings.
func Fuzz(f *testing.F, components ...cloudstate.Component) {
	f.Helper()
	Fuzzer{Service: &cloudstate.Service{Components: components}}.Fuzz(f)
}

// A Fuzzer is Fuzz with settings. The zero values of the optional fields are ready for use.
type Fuzzer struct {
	// Service has the components, and settings such as interceptors. Required.
	Service *cloudstate.Service

	// Examples are messages, such as requests, with values that mean something to the
	// entities: products that exist, currencies. Requests often have these, field by field.
	Examples []proto.Message

	// Sequences is how many sequences a plain go test runs. Zero means 100.
	Sequences int

	// WithoutLaws are laws that are not in force.
	WithoutLaws []Law
}

const (
	defaultSequences = 100
	// maxSeed is the size of the longest sequence that a plain go test runs, in bytes.
	maxSeed = 128
	// seed makes the sequences of plain go test, which are always the same.
	seed = 26
)

// Fuzz is [Fuzz]. Each sequence runs in a bubble of testing/synctest, with a service and a
// proxy of its own, so nothing waits for time. CRDT entities have two proxies, which may be
// partitioned.
//
// Between two commands, a second passes, an entity may leave memory and the service may
// restart. At the end, commands that have changed nothing are repeated before and after their
// entities have left memory ([LawReply]).
func (z Fuzzer) Fuzz(f *testing.F) {
	f.Helper()
	x, err := newExplorer(z)
	if err != nil {
		f.Fatalf("testkit: %v", err)
	}
	for _, data := range z.seeds() {
		f.Add(data)
	}
	var failed atomic.Bool
	f.Fuzz(func(t *testing.T, data []byte) {
		if failed.Load() && !fuzzing() {
			return // the other sequences would mostly fail of the same bug
		}
		if found := x.explore(t, data); found != nil {
			failed.Store(true)
			t.Errorf("testkit: %s", found)
		}
	})
}

// fuzzing reports whether go test runs with -fuzz.
func fuzzing() bool {
	pattern := flag.Lookup("test.fuzz")
	return pattern != nil && pattern.Value.String() != ""
}

func (z Fuzzer) seeds() [][]byte {
	n := z.Sequences
	if n == 0 {
		n = defaultSequences
	}
	random := rand.NewChaCha8([32]byte{seed})
	seeds := make([][]byte, 0, n)
	for range n {
		data := make([]byte, 1+random.Uint64()%maxSeed)
		_, _ = random.Read(data) // it never fails
		seeds = append(seeds, data)
	}
	return seeds
}

// An explorer makes sequences, runs them, and looks for short ones.
type explorer struct {
	fuzzer    Fuzzer
	generator sample.Generator
	methods   []*fuzzMethod
	cluster   bool // some entities are CRDTs
}

// A fuzzMethod is a method that gets commands.
type fuzzMethod struct {
	declaration *component.Declaration
	descriptor  protoreflect.MethodDescriptor
	keys        []protoreflect.FieldDescriptor
}

func newExplorer(z Fuzzer) (*explorer, error) {
	if z.Service == nil {
		z.Service = &cloudstate.Service{}
	}
	if err := z.Service.Validate(); err != nil {
		return nil, err
	}
	x := &explorer{fuzzer: z}
	for _, c := range z.Service.Components {
		if _, ok := c.(*Stub); !ok {
			x.add(c.Declare())
		}
	}
	for _, example := range z.Examples {
		x.generator.Learn(example)
	}
	return x, nil
}

func (x *explorer) add(d *component.Declaration) {
	x.cluster = x.cluster || isCRDT(d)
	for i := range d.Descriptor.Methods().Len() {
		m := &fuzzMethod{declaration: d, descriptor: d.Descriptor.Methods().Get(i)}
		if d.Kind.Keyed {
			m.keys = command.Keys(m.descriptor.Input())
		}
		for _, key := range m.keys {
			x.generator.Key(key)
		}
		x.methods = append(x.methods, m)
	}
}

// explore runs the sequence that some bytes stand for, and returns what is wrong with it, or
// with a shorter one.
func (x *explorer) explore(t *testing.T, data []byte) *finding {
	t.Helper()
	steps := x.decode(sample.NewSource(data))
	found := x.run(t, steps)
	if found == nil {
		return nil
	}
	return x.shrink(t, found)
}

// fullName returns the name of the method as generated code has it.
func (m *fuzzMethod) fullName() string {
	return "/" + string(m.descriptor.Parent().FullName()) + "/" + string(m.descriptor.Name())
}

// holds says that the command is a stream of a CRDT entity, which stays open.
func (m *fuzzMethod) holds() bool {
	return isCRDT(m.declaration) && m.descriptor.IsStreamingServer()
}

// streams says that the command streams in some direction.
func (m *fuzzMethod) streams() bool {
	return m.descriptor.IsStreamingServer() || m.descriptor.IsStreamingClient()
}
