package valueentity

import (
	"reflect"
	"time"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// An Entity declares a value entity type. It is a component of a cloudstate.Service. S is
// the entity type, a pointer to a struct that embeds [Base].
//
// The zero values of the optional fields are ready for use. An Entity must not change
// once a service that has it has started.
type Entity[S Instance] struct {
	// Service describes the gRPC service that S implements: the ServiceDesc of the
	// generated code. Required.
	Service *grpc.ServiceDesc

	// PersistenceID is the namespace of the stored values. It must be unique among the value
	// entities of a service, and must never change. Empty means the simple name of the
	// service, such as "ShoppingCart".
	PersistenceID string

	// New returns the entity without a state. It is called for each activation and must
	// return a new instance each time. Required.
	New func(id string) S

	// State says how the state is stored, where its type does not: [entity.JSON] with a
	// name, [entity.Alias] for former names, [entity.Upcast] for former shapes.
	State []entity.CodecOption

	// PassivateAfter is how long the entity must be idle before the proxy drops it from
	// memory, in whole milliseconds. Zero leaves it to the proxy.
	PassivateAfter time.Duration
}

var kind = &component.Kind{
	EntityType: valueentitypb.ValueEntity_ServiceDesc.ServiceName,
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
	d.RefuseStreams("a value entity")
	d.RequireKeys()
	if e.New == nil {
		d.Mistakef("the field New is nil; set it to a function that returns an entity without a state")
	}
	t := &entityType[S]{service: d.Place(), create: e.New}
	if prototype, ok := component.NewInstance(func(s S) any { return s.base() }); !ok {
		d.Mistakef("%s is not a pointer to a struct that embeds valueentity.Base as a value", reflect.TypeFor[S]())
	} else {
		var err error
		t.prototype = prototype.(base) //nolint:errcheck // what the function returned
		if t.codec, t.url, err = t.prototype.newCodec(e.State); err != nil {
			d.Mistakef("state: %w; options are set in the field State", err)
		} else {
			d.Stored = t.codec.(interface{ Names() []string }).Names() //nolint:errcheck // of entity.Codec
		}
	}
	if len(d.Mistakes) == 0 {
		t.methods = command.Methods(e.Service, d.Descriptor)
		d.Implementation = t
	}
	return d
}

// entityType is an entity type as its activations need it: checked, and with all lookups
// prepared. It does not change.
type entityType[S Instance] struct {
	service   string
	create    func(id string) S
	methods   map[string]*command.Method
	codec     any    // of the state
	url       string // under which the state is stored
	prototype base   // of an instance that is not used
}
