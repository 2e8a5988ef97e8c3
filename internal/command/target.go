package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
)

// Targets are the methods that forwards and side effects may go to, those of all
// components of a service, by the name that generated clients use: "/package.Service/Method".
type Targets map[string]*Target

// A Target is a method of a component.
type Target struct {
	// Service and Command are how the protocol addresses the method.
	Service, Command string
	// Input describes its request, and InputURL is the type URL of that.
	Input    protoreflect.MessageDescriptor
	InputURL string
	// Output is the type of its replies, and ServerStreams says that there is a stream of them.
	Output        protoreflect.FullName
	ServerStreams bool

	keys []protoreflect.FieldDescriptor // in order of declaration; none for actions
}

// Add adds the methods of a service. Its requests name an entity if keyed.
func (t Targets) Add(service protoreflect.ServiceDescriptor, keyed bool) {
	for i := range service.Methods().Len() {
		m := service.Methods().Get(i)
		target := &Target{
			Service:  string(service.FullName()),
			Command:  string(m.Name()),
			Input:    m.Input(),
			InputURL: protocol.TypeURLPrefix + string(m.Input().FullName()),

			Output:        m.Output().FullName(),
			ServerStreams: m.IsStreamingServer(),
		}
		if keyed {
			target.keys = Keys(m.Input())
		}
		t[fmt.Sprintf("/%s/%s", target.Service, target.Command)] = target
	}
}

// find returns the target of a call by a generated client, or an error that says what
// there is instead.
func (t Targets) find(fullMethod string) (*Target, error) {
	if target := t[fullMethod]; target != nil {
		return target, nil
	}
	service, name, _ := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	services := map[string]bool{}
	for _, target := range t {
		services[target.Service] = true
	}
	if services[service] {
		return nil, fmt.Errorf("service %s has no command %q; generate its client again", service, name)
	}
	return nil, fmt.Errorf("service %q is not among the Components of this Service, which are %s", service,
		strings.Join(slices.Sorted(maps.Keys(services)), ", "))
}

// Keys returns the fields of a request that name an entity, in order of declaration
// (protocol section 7.4).
func Keys(message protoreflect.MessageDescriptor) []protoreflect.FieldDescriptor {
	var keys []protoreflect.FieldDescriptor
	for i := range message.Fields().Len() {
		if field := message.Fields().Get(i); isKey(field.Options()) {
			keys = append(keys, field)
		}
	}
	return keys
}

func isKey(options proto.Message) bool {
	for _, key := range []protoreflect.ExtensionType{annotations.E_EntityKey, annotations.E_LegacyEntityKey} {
		if is, ok := proto.GetExtension(options, key).(bool); ok && is {
			return true
		}
	}
	return false
}

// entityID returns the entity that a request is for, and "" if it is for none, or is no
// request of this method. Keys of other types than strings, integers and bool, which few
// services have, are not compared.
func (t *Target) entityID(request proto.Message) string {
	r := request.ProtoReflect()
	if r.Descriptor() != t.Input {
		return "" // the proxy will say what is wrong
	}
	parts := make([]string, 0, len(t.keys))
	for _, key := range t.keys {
		switch key.Kind() {
		case protoreflect.FloatKind, protoreflect.DoubleKind, protoreflect.EnumKind:
			return ""
		default:
			parts = append(parts, r.Get(key).String())
		}
	}
	return strings.Join(parts, "-")
}
