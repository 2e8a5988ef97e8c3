package eventsourced

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// defaultSnapshotEvery is the number of events between snapshots if the declaration does
// not say (protocol section 3.3.3).
const defaultSnapshotEvery = 100

// An Entity declares an event sourced entity type. It is a component of a
// cloudstate.Service. S is the entity type, usually a pointer to a struct that embeds
// [Base].
//
// The zero values of the optional fields are ready for use. An Entity must not change
// once a service that has it has started.
type Entity[S Instance] struct {
	// Service describes the gRPC service that S implements: the ServiceDesc of the
	// generated code. Required.
	Service *grpc.ServiceDesc

	// PersistenceID is the namespace of the events in the journal. It must be unique among
	// the event sourced entities of a service, and must never change. Empty means the
	// simple name of the service, such as "ShoppingCart".
	PersistenceID string

	// New returns the entity as it is before its first event. It is called for each
	// activation and must return a new instance each time. Required.
	New func(id string) S

	// Events are the handlers of all events that S emits or has ever emitted.
	Events []Event[S]

	// Snapshot is how the state is stored as one value. Optional.
	Snapshot Snapshot[S]

	// SnapshotEvery is the number of events between snapshots. Zero means 100; a
	// negative number turns snapshots off.
	SnapshotEvery int

	// PassivateAfter is how long the entity must be idle before the proxy drops it from
	// memory, in whole milliseconds. Zero leaves it to the proxy.
	PassivateAfter time.Duration
}

var kind = &component.Kind{
	EntityType: eventsourcedpb.EventSourced_ServiceDesc.ServiceName,
	Keyed:      true,
	Register:   register,
}

// Declare returns what a service needs to know. It is called by package cloudstate.
func (e *Entity[S]) Declare() *component.Declaration {
	d := &component.Declaration{
		Kind:           kind,
		Service:        e.Service,
		PersistenceID:  e.PersistenceID,
		PassivateAfter: e.PassivateAfter,
	}
	d.Describe(reflect.TypeFor[S]())
	d.RefuseStreams("an event sourced entity")
	d.RequireKeys()
	if e.New == nil {
		d.Mistakef("the field New is nil; set it to a function that returns an entity without events")
	}
	if _, ok := component.NewInstance(func(s S) any { return s.base() }); !ok {
		d.Mistakef("%s is not a pointer to a struct that embeds eventsourced.Base as a value", reflect.TypeFor[S]())
	}
	t := e.newType(d)
	if len(d.Mistakes) == 0 {
		t.methods = command.Methods(e.Service, d.Descriptor)
		d.Implementation = t
	}
	return d
}

// newType returns the tables by which activations work, and records in d what is wrong
// with the events.
func (e *Entity[S]) newType(d *component.Declaration) *entityType[S] {
	t := &entityType[S]{
		service:       d.Place(),
		persistenceID: d.PersistenceID,
		create:        e.New,
		replay:        make(map[string]*eventHandler[S], len(e.Events)),
		snapshot:      e.Snapshot.handler,
		snapshotEvery: int64(e.SnapshotEvery),
	}
	if t.snapshotEvery == 0 {
		t.snapshotEvery = defaultSnapshotEvery
	}
	if t.snapshot == nil {
		t.snapshotEvery = -1
	}
	if e.Snapshot.err != nil {
		d.Mistakef("snapshot: %w", e.Snapshot.err)
	}
	if t.snapshot != nil {
		d.Stored = slices.AppendSeq(d.Stored, maps.Keys(t.snapshot.names))
	}
	declared := map[reflect.Type]bool{}
	for i, event := range e.Events {
		switch h := event.handler; {
		case event.err != nil:
			d.Mistakef("event %d: %w", i+1, event.err)
		case h == nil:
			d.Mistakef("event %d is empty; make it with eventsourced.On", i+1)
		case declared[h.event]:
			d.Mistakef("event %s is declared twice; an event has one handler", h.event)
		default:
			declared[h.event] = true
			t.add(h, d)
		}
	}
	return t
}

func (t *entityType[S]) add(h *eventHandler[S], d *component.Declaration) {
	t.events = append(t.events, h)
	d.Stored = append(d.Stored, h.names...)
	for _, name := range h.names {
		if other, taken := t.replay[name]; taken {
			d.Mistakef("%s is replayed by two handlers, for %s and for %s; one name belongs to one handler", name, other.event, h.event)
			continue
		}
		t.replay[name] = h
		t.replay[protocol.TypeURLPrefix+name] = h // how a message is nearly always stored
	}
}

// handlerFor returns the handler that replays what is stored under a type URL, or nil.
func (t *entityType[S]) handlerFor(url string) *eventHandler[S] {
	if h := t.replay[url]; h != nil {
		return h
	}
	return t.replay[entity.StoredName(url)]
}

// entityType is an entity type as its activations need it: checked, and with all lookups
// prepared. It does not change.
type entityType[S Instance] struct {
	service       string
	persistenceID string
	create        func(id string) S
	methods       map[string]*command.Method
	events        []*eventHandler[S]
	replay        map[string]*eventHandler[S] // by stored name, and by type URL
	snapshot      *snapshotHandler[S]
	snapshotEvery int64
}

// declaredEvents lists what can be emitted, for error messages.
func (t *entityType[S]) declaredEvents() string {
	if len(t.events) == 0 {
		return "none"
	}
	names := make([]string, 0, len(t.events))
	for _, h := range t.events {
		names = append(names, h.event.String())
	}
	return strings.Join(names, ", ")
}

// knownEvents lists what can be replayed, for error messages.
func (t *entityType[S]) knownEvents() string {
	if len(t.events) == 0 {
		return "none"
	}
	names := make([]string, 0, len(t.events))
	for _, h := range t.events {
		names = append(names, strings.Join(h.names, ", "))
	}
	return strings.Join(names, ", ")
}
