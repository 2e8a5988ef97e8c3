package repository_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// describe writes down what a .proto file declares. The values of the maps are
// lists: "number name type" for each field, with the name of its oneof and a dot
// before its own and the label before the type; "number name" for each value of an
// enum; "name(request) response" for each method; and the extended message with the
// field for each extension. Types of the same package and Any have no package.
func describe(file protoreflect.FileDescriptor) protoFile {
	d := protoFile{
		name:       file.Path(),
		pkg:        string(file.Package()),
		messages:   map[string]string{},
		enums:      map[string]string{},
		services:   map[string]string{},
		extensions: map[string]string{},
	}
	for imported := range descriptors(file.Imports()) {
		d.imports = append(d.imports, imported.Path())
	}
	d.addTypes(file)
	for service := range descriptors(file.Services()) {
		var methods []string
		for m := range descriptors(service.Methods()) {
			methods = append(methods, fmt.Sprintf("%s(%s%s) %s%s", m.Name(),
				stream(m.IsStreamingClient()), d.typeName(m.Input()), stream(m.IsStreamingServer()), d.typeName(m.Output())))
		}
		d.services[string(service.Name())] = strings.Join(methods, "; ")
	}
	return d
}

// addTypes adds what a file or a message declares, nested declarations included.
func (d protoFile) addTypes(scope interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
	Extensions() protoreflect.ExtensionDescriptors
},
) {
	for message := range descriptors(scope.Messages()) {
		fields := slices.SortedFunc(descriptors(message.Fields()), func(a, b protoreflect.FieldDescriptor) int {
			return int(a.Number() - b.Number())
		})
		var lines []string
		for _, field := range fields {
			lines = append(lines, d.field(field))
		}
		d.messages[d.typeName(message)] = strings.Join(lines, "; ")
		d.addTypes(message)
	}
	for enum := range descriptors(scope.Enums()) {
		var values []string
		for value := range descriptors(enum.Values()) {
			values = append(values, fmt.Sprintf("%d %s", value.Number(), value.Name()))
		}
		d.enums[d.typeName(enum)] = strings.Join(values, "; ")
	}
	for extension := range descriptors(scope.Extensions()) {
		d.extensions[d.typeName(extension)] = d.typeName(extension.ContainingMessage()) + " " + d.field(extension)
	}
}

func (d protoFile) field(f protoreflect.FieldDescriptor) string {
	name, label, typ := string(f.Name()), "", f.Kind().String()
	if oneof := f.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
		name = string(oneof.Name()) + "." + name
	}
	if f.Cardinality() != protoreflect.Optional {
		label = f.Cardinality().String() + " "
	} else if f.HasOptionalKeyword() {
		label = "optional "
	}
	if message := f.Message(); message != nil {
		typ = d.typeName(message)
	} else if enum := f.Enum(); enum != nil {
		typ = d.typeName(enum)
	}
	return fmt.Sprintf("%d %s %s%s", f.Number(), name, label, typ)
}

func (d protoFile) typeName(of protoreflect.Descriptor) string {
	full := string(of.FullName())
	if full == "google.protobuf.Any" {
		return "Any"
	}
	return strings.TrimPrefix(full, d.pkg+".")
}

// descriptors is the sequence of a list of descriptors.
func descriptors[D any](list interface {
	Len() int
	Get(i int) D
},
) iter.Seq[D] {
	return func(yield func(D) bool) {
		for i := range list.Len() {
			if !yield(list.Get(i)) {
				return
			}
		}
	}
}

func stream(is bool) string {
	if is {
		return "stream "
	}
	return ""
}
