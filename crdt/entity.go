package crdt

import (
	"reflect"
	"time"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// An Entity declares a CRDT entity type. It is a component of a cloudstate.Service. S is
// the entity type, a pointer to a struct that embeds [Base].
//
// The zero values of the optional fields are ready for use. An Entity must not change
// once a service that has it has started.
type Entity[S Instance] struct {
	// Service describes the gRPC service that S implements: the ServiceDesc of the
	// generated code. Its methods may stream their replies. Required.
	Service *grpc.ServiceDesc

	// PersistenceID is the namespace of the replicated values. It must be unique among the
	// CRDT entities of a service, and the same on all nodes. Empty means the simple name of
	// the service, such as "Presence".
	PersistenceID string

	// New returns the entity with the value that it has before anything is replicated. It
	// is called for each activation, and once with an empty id to check the value, and must
	// return a new instance each time. The type of the value may depend on the id, but must
	// be the same for one id on all nodes; ids that must not exist get a nil [Data]. Required.
	New func(id string) S

	// PassivateAfter is how long the entity must be idle before the proxy drops it from
	// memory, in whole milliseconds. Zero leaves it to the proxy. The value stays in the
	// proxy.
	PassivateAfter time.Duration
}

var kind = &component.Kind{
	EntityType: crdtpb.Crdt_ServiceDesc.ServiceName,
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
	d.RefuseStreamedRequests("a CRDT entity")
	d.RequireKeys()
	if _, ok := component.NewInstance(func(s S) any { return s.entityBase() }); !ok {
		d.Mistakef("%s is not a pointer to a struct that embeds crdt.Base as a value", reflect.TypeFor[S]())
	} else if e.New == nil {
		d.Mistakef("the field New is nil; set it to a function that returns an entity with its value")
	} else {
		e.checkNew(d)
	}
	if len(d.Mistakes) == 0 {
		t := &entityType{
			service: d.Place(),
			create:  func(id string) Instance { return e.New(id) },
			streams: command.StreamMethods(e.Service, d.Descriptor),
			methods: command.Methods(e.Service, d.Descriptor),
		}
		for name, m := range t.streams {
			t.methods[name] = m.Method
		}
		d.Implementation = t
	}
	return d
}

// checkNew records what is wrong with the value that New returns. A New that cannot deal
// with the empty id is not a mistake, nor is one that decides about the type of the value
// by the id, and has none for this one.
func (e *Entity[S]) checkNew(d *component.Declaration) {
	defer func() { _ = recover() }()
	value := e.New("").entityBase().value()
	if value == nil {
		return
	}
	if err := checkData(value); err != nil {
		d.Mistakef("the value that New returns: %w", err)
		return
	}
	d.Stored = value.stored(0)
}

// entityType is an entity type as its activations need it: checked, and with all lookups
// prepared. It does not change.
type entityType struct {
	service string
	create  func(id string) Instance
	methods map[string]*command.Method // those that stream their replies included
	streams map[string]*command.StreamMethod
}
