package spec

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// Options say what a proxy accepts. The zero value accepts every entity type of
// protocol version 0.2.
type Options struct {
	// EntityTypes are the supported entity types. Empty means all of [EntityTypes].
	EntityTypes []string
	// SkipVersionCheck accepts a user function of any protocol version. Who sets it
	// should log a warning (protocol section 2.4); [Discover] does.
	SkipVersionCheck bool
	// NoTopics and NoEventLog refuse methods that need what the proxy has not.
	NoTopics, NoEventLog bool
}

func (o Options) entityTypes() []string {
	if len(o.EntityTypes) == 0 {
		return allEntityTypes
	}
	return o.EntityTypes
}

// A ValidationError says which rule of discovery a user function breaks. The text is
// the protocol's where it has one (protocol sections 2.3 to 2.6), and is meant for
// the developer of the user function.
type ValidationError struct {
	// Text is the text to report.
	Text string
}

// Error returns the text to report, as it is.
func (e *ValidationError) Error() string { return e.Text }

func invalid(format string, args ...any) error {
	return &ValidationError{Text: fmt.Sprintf(format, args...)}
}

// New checks what a user function has answered and returns it in the form that a
// proxy routes by. The first rule that is broken is returned as a [ValidationError];
// descriptors that cannot be decoded or do not fit together are other errors. Each
// text is fit to be reported to the user function.
//
// New does not change the answer. The Spec shares it.
func New(es *protocol.EntitySpec, opts Options) (*Spec, error) {
	if err := checkVersion(es.GetServiceInfo(), opts); err != nil {
		return nil, err
	}
	files, err := buildFiles(es.GetProto())
	if err != nil {
		return nil, err
	}
	if len(es.GetEntities()) == 0 {
		return nil, invalid("No entities were reported by the discover call!")
	}
	spec := &Spec{
		Answer:   es,
		Info:     es.GetServiceInfo(),
		Files:    files.registry,
		sources:  files.sources,
		services: make(map[string]*Service, len(es.GetEntities())),
		paths:    make(map[string]*Method),
	}
	if spec.Info == nil {
		spec.Info = &protocol.ServiceInfo{}
	}
	for _, entity := range es.GetEntities() {
		if err := spec.add(entity, opts); err != nil {
			return nil, err
		}
	}
	if err := checkPersistence(spec.Services); err != nil {
		return nil, err
	}
	if err := bind(spec.Services); err != nil {
		return nil, err
	}
	return spec, nil
}

// add adds an entity type or an action.
func (s *Spec) add(entity *protocol.Entity, opts Options) error {
	name := entity.GetServiceName()
	found, err := s.Files.FindDescriptorByName(protoreflect.FullName(name))
	descriptor, ok := found.(protoreflect.ServiceDescriptor)
	if err != nil || !ok {
		return invalid("Service [%s] not found in descriptors!", name)
	}
	if s.services[name] != nil {
		return invalid("Service [%s] was reported twice by the discover call; it can only be of one entity type", name)
	}
	if err := checkSupported(entity, opts); err != nil {
		return err
	}
	service := newService(entity, descriptor)
	if rules, ok := restrictions[service.EntityType]; ok {
		if err := rules.apply(service); err != nil {
			return err
		}
	}
	if err := s.addEventing(service, opts); err != nil {
		return err
	}
	s.Services = append(s.Services, service)
	s.services[name] = service
	for _, m := range service.Methods {
		s.paths[m.path] = m
	}
	return nil
}

func checkVersion(info *protocol.ServiceInfo, opts Options) error {
	major, minor := info.GetProtocolMajorVersion(), info.GetProtocolMinorVersion()
	if opts.SkipVersionCheck || (major == protocol.MajorVersion && minor == protocol.MinorVersion) {
		return nil
	}
	return invalid("Incompatible protocol version %d.%d, only %d.%d is supported", major, minor, protocol.MajorVersion, protocol.MinorVersion)
}

func checkSupported(entity *protocol.Entity, opts Options) error {
	supported, kind := opts.entityTypes(), entity.GetEntityType()
	switch {
	case slices.Contains(supported, kind):
		return nil
	case kind == EventSourced:
		return invalid("Service [%s] has declared an event sourced entity, however, this proxy does not have a configured store, or is using a store that doesn't support event sourced journals. A store that supports journals must be configured in this stateful services resource if event sourcing is to be used.", entity.GetServiceName())
	default:
		return invalid("Service [%s] has declared an unsupported entity type [%s]. Supported types are %s", entity.GetServiceName(), kind, strings.Join(supported, ","))
	}
}
