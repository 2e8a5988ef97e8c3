package spec

import (
	"fmt"
	"slices"
	"strings"

	httpannotations "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/protocol/annotations"
)

// extensions are the options that a proxy reads. Without them, the options of a
// descriptor set would be unknown fields (protocol section 1.7).
var extensions = func() *protoregistry.Types {
	types := new(protoregistry.Types)
	for _, extension := range []protoreflect.ExtensionType{
		annotations.E_EntityKey, annotations.E_LegacyEntityKey, annotations.E_Eventing, httpannotations.E_Http,
	} {
		if err := types.RegisterExtension(extension); err != nil {
			panic(err) //nolint:forbidigo // four different extensions: cannot happen
		}
	}
	return types
}()

// files are the files of a descriptor set, built by dependency (protocol section 2.3).
type files struct {
	registry *protoregistry.Files
	sources  map[string][]byte

	protos map[string]*descriptorpb.FileDescriptorProto
}

// buildFiles decodes and links a serialized FileDescriptorSet. Files may come in any
// order; of several with the same name the last one counts. References to types that
// are not there are tolerated, imports of files that are not there are not.
func buildFiles(set []byte) (*files, error) {
	var decoded descriptorpb.FileDescriptorSet
	if err := (proto.UnmarshalOptions{Resolver: extensions}).Unmarshal(set, &decoded); err != nil {
		return nil, fmt.Errorf("decode the descriptor set of the user function: %w", err)
	}
	f := &files{
		registry: new(protoregistry.Files),
		sources:  make(map[string][]byte, len(decoded.GetFile())),
		protos:   make(map[string]*descriptorpb.FileDescriptorProto, len(decoded.GetFile())),
	}
	for _, file := range decoded.GetFile() {
		f.protos[file.GetName()] = file
	}
	for _, file := range decoded.GetFile() {
		if err := f.build(file.GetName(), nil); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// build builds the file with a name after its dependencies, unless that has been
// done. The importers are those that led to it, the innermost last.
func (f *files) build(name string, importers []string) error {
	if f.sources[name] != nil {
		return nil
	}
	if slices.Contains(importers, name) {
		return invalid("Circular dependency detected in entity spec descriptor: %s", chain(append(importers, name)))
	}
	file, ok := f.protos[name]
	if !ok {
		return invalid("Descriptor dependency [%s] not found, dependency path: %s", name, chain(importers))
	}
	path := append(slices.Clip(importers), name)
	for _, dependency := range file.GetDependency() {
		if err := f.build(dependency, path); err != nil {
			return err
		}
	}
	return f.link(file)
}

// link registers a file whose dependencies are registered.
func (f *files) link(file *descriptorpb.FileDescriptorProto) error {
	visible := importsOf{files: f.registry, paths: make(map[string]bool)}
	for _, dependency := range file.GetDependency() {
		visible.add(dependency)
	}
	built, err := protodesc.FileOptions{AllowUnresolvable: true}.New(file, visible)
	if err != nil {
		return fmt.Errorf("descriptor of file %q: %w", file.GetName(), err)
	}
	if err := f.registry.RegisterFile(built); err != nil {
		return fmt.Errorf("descriptor of file %q: %w", file.GetName(), err)
	}
	source, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(file)
	if err != nil {
		return fmt.Errorf("encode the descriptor of file %q: %w", file.GetName(), err)
	}
	f.sources[file.GetName()] = source
	return nil
}

// chain shows a path of imports, innermost first.
func chain(importers []string) string {
	names := slices.Clone(importers)
	slices.Reverse(names)
	return "[" + strings.Join(names, "] -> [") + "]"
}

// importsOf resolves what a file may refer to. Protodesc tolerates only types that do
// not exist; this hides those that exist in a file that is not imported, so that they
// are tolerated too.
type importsOf struct {
	files *protoregistry.Files
	paths map[string]bool
}

// add makes a file visible, with what it imports publicly.
func (i importsOf) add(path string) {
	file, err := i.files.FindFileByPath(path)
	if err != nil || i.paths[path] {
		return
	}
	i.paths[path] = true
	for n := range file.Imports().Len() {
		if imported := file.Imports().Get(n); imported.IsPublic {
			i.add(imported.Path())
		}
	}
}

// FindFileByPath returns a file that is registered.
func (i importsOf) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	return i.files.FindFileByPath(path)
}

// FindDescriptorByName returns a descriptor of a visible file.
func (i importsOf) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	found, err := i.files.FindDescriptorByName(name)
	if err == nil && !i.paths[found.ParentFile().Path()] {
		return nil, protoregistry.NotFound
	}
	return found, err
}
