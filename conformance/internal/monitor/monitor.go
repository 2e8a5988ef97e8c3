package monitor

import (
	"fmt"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/interceptor"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// Rules are the assertions that are checked on every stream, with what is checked.
var Rules = map[string]string{
	"P-020": "commands are numbered from 1 without gaps",
	"P-021": "commands name their entity, a method and its input type, and carry nothing else",
	"P-023": "streams are ended by half-close, after the last command was answered",
	"P-024": "there is one stream for an entity at a time, and each is for a command",
	"P-034": "commands for an event sourced or value entity do not overlap",
	"P-040": "the first message for an event sourced entity is its only Init, without a snapshot if none is stored",
	"P-041": "all events that are stored are replayed, in order, as they were emitted, before the first command",
	"P-042": "the newest snapshot is in the Init, and only later events follow",
	"P-070": "the first message for a value entity is its only Init, with the state that is stored",
	"P-075": "after a delete the Init has no value",
	"P-090": "calls of actions without streamed requests have one message, with everything",
	"P-091": "calls of actions with streamed requests begin with a header, and continue with payloads",
	"P-110": "the first message for a CRDT entity is its only Init",
	"P-123": "only open streams are cancelled, and only once",
	"P-124": "there is no Delta while a command or a cancellation is outstanding",
}

// A Violation is a rule that a proxy has broken.
type Violation struct {
	// Assertion is the key of the rule.
	Assertion string
	// Text says what was found and what was expected.
	Text string
	// Stream is where.
	Stream *interceptor.Stream
}

// A Monitor watches the streams of one proxy. Its methods may be called concurrently.
type Monitor struct {
	mu         sync.Mutex
	methods    map[string]map[string]protoreflect.MethodDescriptor // by service and name
	streams    map[*interceptor.Stream]talk
	entities   map[entity]*stored
	excused    map[*interceptor.Stream]bool
	violations []Violation
}

// An entity names an entity.
type entity struct{ service, id string }

// stored is what is known of an entity across its streams.
type stored struct {
	live *interceptor.Stream // the present stream; nil if it is over

	journal  []proto.Message // of an event sourced entity
	snapshot proto.Message   // nil for none
	at       int64           // the number of the last event that the snapshot contains

	value   proto.Message // of a value entity; nil for none
	deleted bool          // it had a value

	unknown    bool // what is stored
	restarting bool // another stream is due, whether there is a command or not
}

// A talk is what a monitor knows of one stream.
type talk interface {
	proxy(message proto.Message)
	userFunction(message proto.Message)
	// end is called when the proxy has ended its messages, or broken the stream.
	end(err error)
}

// New returns a monitor that knows no services.
func New() *Monitor {
	return &Monitor{
		methods:  map[string]map[string]protoreflect.MethodDescriptor{},
		streams:  map[*interceptor.Stream]talk{},
		entities: map[entity]*stored{},
		excused:  map[*interceptor.Stream]bool{},
	}
}

// Describe lets the monitor know the services that the proxy has discovered.
func (m *Monitor) Describe(spec *protocol.EntitySpec) error {
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(spec.GetProto(), set); err != nil { //nolint:forbidigo // descriptors have no type URL
		return fmt.Errorf("monitor: the descriptors of the user function: %w", err)
	}
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(set)
	if err != nil {
		return fmt.Errorf("monitor: the descriptors of the user function: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range spec.GetEntities() {
		found, err := files.FindDescriptorByName(protoreflect.FullName(e.GetServiceName()))
		service, ok := found.(protoreflect.ServiceDescriptor)
		if err != nil || !ok {
			return fmt.Errorf("monitor: the user function has a service %s, but no descriptor of it", e.GetServiceName())
		}
		methods := map[string]protoreflect.MethodDescriptor{}
		for i := range service.Methods().Len() {
			methods[string(service.Methods().Get(i).Name())] = service.Methods().Get(i)
		}
		m.methods[e.GetServiceName()] = methods
	}
	return nil
}

// Forget lets the monitor not compare what is stored of an entity with what is replayed,
// from now on: a test has made its store fail.
func (m *Monitor) Forget(service, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entity(service, id).unknown = true
}

// Excuse lets the proxy end a stream as it likes: the test has broken the protocol in a way
// that the monitor does not notice.
func (m *Monitor) Excuse(of *interceptor.Stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.excused[of] = true
}

// Violations returns the rules that were broken so far.
func (m *Monitor) Violations() []Violation {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clip(m.violations)
}

// Observe takes an event of a stream.
func (m *Monitor) Observe(of *interceptor.Stream, from interceptor.Side, event interceptor.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.streams[of]
	if t == nil {
		t = m.begin(of, event)
		m.streams[of] = t
	}
	switch {
	case from == interceptor.UserFunction:
		t.userFunction(event.Message)
	case event.Message != nil:
		t.proxy(event.Message)
	default:
		t.end(event.Err)
	}
}

// begin returns what watches a new stream.
func (m *Monitor) begin(of *interceptor.Stream, event interceptor.Event) talk {
	base := stream{monitor: m, stream: of}
	switch event.Message.(type) {
	case *eventsourcedpb.EventSourcedStreamIn:
		return &eventSourced{commands: m.commands(base, "P-040")}
	case *valueentitypb.ValueEntityStreamIn:
		return &valueEntity{commands: m.commands(base, "P-070")}
	case *crdtpb.CrdtStreamIn:
		return &crdt{commands: m.commands(base, "P-110"), streamed: map[int64]streamState{}}
	case *actionpb.ActionCommand:
		return &action{stream: base}
	default:
		return ignored{}
	}
}

func (m *Monitor) commands(base stream, rule string) commands {
	return commands{stream: base, initRule: rule, stored: m.entity(base.stream.Service, base.stream.EntityID), outstanding: map[int64]bool{}}
}

func (m *Monitor) entity(service, id string) *stored {
	key := entity{service, id}
	if m.entities[key] == nil {
		m.entities[key] = &stored{}
	}
	return m.entities[key]
}

// A stream is what all talks have in common.
type stream struct {
	monitor *Monitor
	stream  *interceptor.Stream
	broken  map[string]bool // rules
}

// violatedf notes that a rule was broken. For one stream that counts once.
func (s *stream) violatedf(rule, format string, args ...any) {
	if s.broken[rule] {
		return
	}
	if s.broken == nil {
		s.broken = map[string]bool{}
	}
	s.broken[rule] = true
	s.monitor.violations = append(s.monitor.violations, Violation{Assertion: rule, Text: fmt.Sprintf(format, args...), Stream: s.stream})
}

// method returns the method of a command, or nil if there is none.
func (s *stream) method(name string) protoreflect.MethodDescriptor {
	return s.monitor.methods[s.stream.Service][name]
}

// ignored is a call that is none of the protocol's streams.
type ignored struct{}

func (ignored) proxy(proto.Message)        {}
func (ignored) userFunction(proto.Message) {}
func (ignored) end(error)                  {}
