// Package spec turns what a user function says of itself at discovery into the
// services and methods that a proxy routes by (protocol section 2).
package spec

import (
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// A Spec is a validated user function. It does not change.
type Spec struct {
	// Info is what the user function says of itself. Never nil.
	Info *protocol.ServiceInfo
	// Files holds every file of the descriptor set.
	Files *protoregistry.Files
	// Services are the entities and actions in the order of the spec.
	Services []*Service
}

// A Service is an entity type or an action.
type Service struct {
	// Name is the full name of the gRPC service.
	Name string
	// EntityType is the full name of the protocol service of its kind.
	EntityType string
	// PersistenceID is the namespace of its stored state.
	PersistenceID string
	// PassivationTimeout is when an idle entity leaves memory. Zero means that the
	// proxy decides.
	PassivationTimeout time.Duration
	// Methods are the methods in order of declaration.
	Methods []*Method
}

// A Method is what a client can call.
type Method struct {
	Service *Service
	// Name is the simple name.
	Name string
	// Descriptor describes the method, with the options of the user's file.
	Descriptor protoreflect.MethodDescriptor
	// InputURL and OutputURL are the type URLs of request and reply.
	InputURL, OutputURL string

	keys []protoreflect.FieldDescriptor // in order of declaration
}
