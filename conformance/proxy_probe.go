package conformance

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/interceptor"
	"github.com/cloudstate-go/cloudstate/conformance/internal/probepb"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// The services that the suite adds to the models. It answers their calls itself.
const (
	probeName   = "cloudstate.conformance.Probe"
	keysName    = "cloudstate.conformance.Keys"
	watchedName = "cloudstate.conformance.Watched"
	briefName   = "cloudstate.conformance.Brief"
)

// probes are the declarations of these services.
var probes = []*protocol.Entity{
	{EntityType: actionType, ServiceName: probeName},
	{EntityType: eventSourcedType, ServiceName: keysName, PersistenceId: "conformance-keys"},
	{EntityType: crdtType, ServiceName: watchedName, PersistenceId: "conformance-watched"},
	{EntityType: crdtType, ServiceName: briefName, PersistenceId: "conformance-brief", PassivationStrategy: passivateAfter(passivationMillis)},
}

// passivateAfter returns the strategy with a timeout in milliseconds.
func passivateAfter(timeout int64) *protocol.EntityPassivationStrategy {
	return &protocol.EntityPassivationStrategy{Strategy: &protocol.EntityPassivationStrategy_Timeout{
		Timeout: &protocol.TimeoutPassivationStrategy{Timeout: timeout},
	}}
}

// withProbes adds the services of the suite to what the models say of themselves.
func withProbes(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
	spec, err := withFile(probepb.File_cloudstate_conformance_probe_proto)(spec)
	if err != nil {
		return nil, err
	}
	spec.Entities = append(spec.Entities, probes...)
	return spec, nil
}

// withFile adds a file, and all that it imports, to the descriptors.
func withFile(file protoreflect.FileDescriptor) respec {
	return files(func(set *descriptorpb.FileDescriptorSet) {
		known := map[string]bool{}
		for _, f := range set.GetFile() {
			known[f.GetName()] = true
		}
		addFile(set, known, file)
	})
}

// scriptProbes lets checks answer the calls of the services of the suite.
func (r *rig) scriptProbes() {
	r.Script(func(s *interceptor.Stream) bool {
		return slices.ContainsFunc(probes, func(e *protocol.Entity) bool { return e.GetServiceName() == s.Service })
	})
}

// addFile adds a file and all that it imports, unless they are known.
func addFile(to *descriptorpb.FileDescriptorSet, known map[string]bool, file protoreflect.FileDescriptor) {
	if known[file.Path()] {
		return
	}
	known[file.Path()] = true
	for i := range file.Imports().Len() {
		addFile(to, known, file.Imports().Get(i).FileDescriptor)
	}
	to.File = append(to.File, protodesc.ToFileDescriptorProto(file))
}

// encode returns the bytes of a message.
func encode(m proto.Message) []byte { return pack(m).GetValue() }
