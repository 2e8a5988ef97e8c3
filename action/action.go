package action

import (
	"reflect"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// An Action declares a service without state. It is a component of a cloudstate.Service.
//
// It must not change once a service that has it has started.
type Action struct {
	// Service describes the gRPC service that Server implements: the ServiceDesc of the
	// generated code. Required.
	Service *grpc.ServiceDesc

	// Server implements the service. It is used by many calls at once. Required.
	Server any
}

var kind = &component.Kind{
	EntityType: actionpb.ActionProtocol_ServiceDesc.ServiceName,
	Register:   register,
}

// Declare returns what a service needs to know. It is called by package cloudstate.
func (a *Action) Declare() *component.Declaration {
	d := &component.Declaration{Kind: kind, Service: a.Service}
	d.Describe(reflect.TypeOf(a.Server))
	if a.Server == nil {
		d.Mistakef("the field Server is nil; set it to an implementation of the service")
	}
	if len(d.Mistakes) == 0 {
		d.Implementation = &service{
			name:    a.Service.ServiceName,
			server:  a.Server,
			unary:   command.Methods(a.Service, d.Descriptor),
			streams: command.StreamMethods(a.Service, d.Descriptor),
		}
	}
	return d
}

// service is an action as its calls need it: checked, and with all lookups prepared. It does
// not change.
type service struct {
	name    string
	server  any
	unary   map[string]*command.Method
	streams map[string]*command.StreamMethod
}
