package frontend

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/internal/transcode"
)

// A state is what the server knows at one moment. It does not change; another takes its
// place.
type state struct {
	// spec is nil before Publish.
	spec *spec.Spec
	// names are the names of the services, sorted.
	names []string
	// extensions has the file of each extension, by the message that it extends and its
	// number.
	extensions map[protoreflect.FullName]map[protoreflect.FieldNumber]protoreflect.FileDescriptor
	// routes are the HTTP bindings of all methods, and transcoder has their types.
	routes     routes
	transcoder *transcode.Transcoder
	// draining is set by Shutdown.
	draining bool
	// changed is closed when the next state has taken the place of this one.
	changed chan struct{}
}

func (s *state) publish(published *spec.Spec) {
	s.spec = published
	s.names = make([]string, len(published.Services))
	for i, service := range published.Services {
		s.names[i] = service.Name
	}
	slices.Sort(s.names)
	s.routes = newRoutes(published)
	s.transcoder = transcode.New(published.Files)
	s.extensions = make(map[protoreflect.FullName]map[protoreflect.FieldNumber]protoreflect.FileDescriptor)
	published.Files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		s.addExtensions(file)
		return true
	})
}

// addExtensions adds what is declared directly in a file or in a message of it.
func (s *state) addExtensions(declarations interface {
	protoreflect.Descriptor
	Extensions() protoreflect.ExtensionDescriptors
	Messages() protoreflect.MessageDescriptors
},
) {
	for i := range declarations.Extensions().Len() {
		extension := declarations.Extensions().Get(i)
		extended := extension.ContainingMessage().FullName()
		if s.extensions[extended] == nil {
			s.extensions[extended] = make(map[protoreflect.FieldNumber]protoreflect.FileDescriptor)
		}
		s.extensions[extended][extension.Number()] = extension.ParentFile()
	}
	for i := range declarations.Messages().Len() {
		s.addExtensions(declarations.Messages().Get(i))
	}
}
