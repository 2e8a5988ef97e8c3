package frontend

import (
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// fileByPath returns a file of the user function or one of our own, or nil.
func (s *state) fileByPath(path string) protoreflect.FileDescriptor {
	for _, files := range s.registries() {
		if file, err := files.FindFileByPath(path); err == nil {
			return file
		}
	}
	return nil
}

// fileBySymbol returns the file that declares a symbol, or nil.
func (s *state) fileBySymbol(name protoreflect.FullName) protoreflect.FileDescriptor {
	for _, files := range s.registries() {
		if found, err := files.FindDescriptorByName(name); err == nil {
			return found.ParentFile()
		}
	}
	return nil
}

// fileSource returns the serialized descriptor of a file that one of the above returns.
func (s *state) fileSource(path string) []byte {
	if s.spec != nil {
		if source := s.spec.FileSource(path); source != nil {
			return source
		}
	}
	return ownSources[path]
}

func (s *state) registries() []*protoregistry.Files {
	if s.spec == nil {
		return []*protoregistry.Files{ownFiles}
	}
	return []*protoregistry.Files{s.spec.Files, ownFiles}
}

// ownFiles describe the services that the server itself offers, for clients that look
// up what reflection lists first. They import nothing.
var ownFiles, ownSources = describe(
	reflectionv1.File_grpc_reflection_v1_reflection_proto,
	reflectionv1alpha.File_grpc_reflection_v1alpha_reflection_proto,
	healthv1.File_grpc_health_v1_health_proto,
)

func describe(generated ...protoreflect.FileDescriptor) (*protoregistry.Files, map[string][]byte) {
	files, sources := new(protoregistry.Files), make(map[string][]byte, len(generated))
	for _, file := range generated {
		source, err := proto.Marshal(protodesc.ToFileDescriptorProto(file))
		if err == nil {
			err = files.RegisterFile(file)
		}
		if err != nil {
			panic(err) //nolint:forbidigo // generated files can be encoded and do not collide
		}
		sources[file.Path()] = source
	}
	return files, sources
}
