package cloudstate

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/internal/component"
)

// descriptorSet returns the files of all services, and those of what their entities store,
// with everything they import, each once, what is imported before what imports it (protocol
// section 2.3).
func descriptorSet(declarations []*component.Declaration) (*descriptorpb.FileDescriptorSet, error) {
	c := collector{seen: map[string]bool{}}
	for _, d := range declarations {
		if d.Descriptor == nil {
			continue // a mistake that is reported elsewhere
		}
		c.add(d.Descriptor.ParentFile())
		for _, name := range slices.Sorted(slices.Values(d.Stored)) {
			// What is no message, or was one under a former name, has no file.
			if stored, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name)); err == nil {
				c.add(stored.ParentFile())
			}
		}
	}
	return &c.set, errors.Join(c.errs...)
}

type collector struct {
	set  descriptorpb.FileDescriptorSet
	seen map[string]bool
	errs []error
}

func (c *collector) add(file protoreflect.FileDescriptor) {
	if c.seen[file.Path()] {
		return
	}
	c.seen[file.Path()] = true
	for i := range file.Imports().Len() {
		imported := file.Imports().Get(i)
		if imported.IsPlaceholder() {
			c.errs = append(c.errs, fmt.Errorf("service: %s imports %s, which is not in the registry of protobuf files; import the Go package that was generated from it",
				file.Path(), imported.Path()))
			continue
		}
		c.add(imported.FileDescriptor)
	}
	c.set.File = append(c.set.File, protodesc.ToFileDescriptorProto(file))
}
