// Package spec turns what a user function says of itself at discovery into the
// services and methods that a proxy routes by (protocol section 2).
//
// [Discover] asks a user function until it answers; [New] checks an answer. Both
// return a [Spec], which never changes, but for its meters before it is used, and may be used
// by any number of goroutines.
package spec

import (
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/httprule"
	"github.com/cloudstate-go/cloudstate/proxy/internal/meter"
)

// A Spec is a validated user function.
type Spec struct {
	// Answer is what this was made of. It must not be changed.
	Answer *protocol.EntitySpec
	// Info is what the user function says of itself. Never nil.
	Info *protocol.ServiceInfo
	// Files holds every file of the descriptor set.
	Files *protoregistry.Files
	// Services are the entities and actions in the order of the spec.
	Services []*Service
	// Consumers are what consumes events, in the order of the spec.
	Consumers []*Consumer

	sources  map[string][]byte // serialized file descriptors by path
	services map[string]*Service
	paths    map[string]*Method
}

// Service returns the service with a full name, or nil if there is none.
func (s *Spec) Service(name string) *Service { return s.services[name] }

// MethodByPath returns the method with a full gRPC method name, such as
// "/package.Service/Method", or nil if there is none.
func (s *Spec) MethodByPath(path string) *Method { return s.paths[path] }

// FileSource returns the serialized FileDescriptorProto of a file, with everything
// that the user function has sent, or nil if it has sent no file of that path. The
// caller must not change it.
func (s *Spec) FileSource(path string) []byte { return s.sources[path] }

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
	// Meter measures what its components do. It is set before they do anything.
	Meter meter.Meter

	methods map[string]*Method
}

// Method returns the method with a simple name, or nil if there is none.
func (s *Service) Method(name string) *Method { return s.methods[name] }

// A Method is what a client can call.
type Method struct {
	Service *Service
	// Name is the simple name.
	Name string
	// Descriptor describes the method, with the options of the user's file.
	Descriptor protoreflect.MethodDescriptor
	// InputURL and OutputURL are the type URLs of request and reply.
	InputURL, OutputURL string
	// Bindings are the ways to call the method over HTTP, in order of declaration.
	Bindings []*httprule.Binding
	// Topic is where replies are published. Empty for nowhere.
	Topic string

	path string
	keys []key // in order of declaration; none if the method belongs to an action
}

// Path returns the full gRPC method name, such as "/package.Service/Method".
func (m *Method) Path() string { return m.path }

// OutputIsEmpty reports whether the reply is google.protobuf.Empty, so that a proxy
// can make one for a handler that returns nothing (protocol section 8.2).
func (m *Method) OutputIsEmpty() bool {
	return m.Descriptor.Output().FullName() == "google.protobuf.Empty"
}

// newService describes a service, without the keys of its methods.
func newService(entity *protocol.Entity, descriptor protoreflect.ServiceDescriptor) *Service {
	service := &Service{
		Name:               entity.GetServiceName(),
		EntityType:         entity.GetEntityType(),
		PersistenceID:      entity.GetPersistenceId(),
		PassivationTimeout: passivationTimeout(entity.GetPassivationStrategy()),
		methods:            make(map[string]*Method, descriptor.Methods().Len()),
	}
	for i := range descriptor.Methods().Len() {
		d := descriptor.Methods().Get(i)
		method := &Method{
			Service:    service,
			Name:       string(d.Name()),
			Descriptor: d,
			InputURL:   protocol.TypeURLPrefix + string(d.Input().FullName()),
			OutputURL:  protocol.TypeURLPrefix + string(d.Output().FullName()),
			path:       "/" + service.Name + "/" + string(d.Name()),
		}
		service.Methods = append(service.Methods, method)
		service.methods[method.Name] = method
	}
	return service
}

// maxPassivation is the longest timeout that a time.Duration can express, in
// milliseconds.
const maxPassivation = int64(1<<63-1) / int64(time.Millisecond)

// passivationTimeout returns 0, which leaves it to the proxy, for a timeout that is
// absent or not positive.
func passivationTimeout(strategy *protocol.EntityPassivationStrategy) time.Duration {
	ms := min(max(strategy.GetTimeout().GetTimeout(), 0), maxPassivation)
	return time.Duration(ms) * time.Millisecond
}
