package conformance

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// onFiles changes the descriptor set.
func onFiles(change func(set *descriptorpb.FileDescriptorSet)) mutation {
	return onSpec(func(spec *protocol.EntitySpec) {
		set := &descriptorpb.FileDescriptorSet{}
		if err := proto.Unmarshal(spec.GetProto(), set); err != nil {
			panic(err) //nolint:forbidigo // the models' set can be decoded
		}
		change(set)
		spec.Proto = marshal(set)
	})
}

// onEntity changes the declaration of a service.
func onEntity(service string, change func(e *protocol.Entity)) mutation {
	return onSpec(func(spec *protocol.EntitySpec) {
		for _, e := range spec.GetEntities() {
			if e.GetServiceName() == service {
				change(e)
			}
		}
	})
}

func marshal(m proto.Message) []byte {
	bytes, err := proto.Marshal(m)
	if err != nil {
		panic(err) //nolint:forbidigo // messages of the test can be encoded
	}
	return bytes
}

// withoutOptions drops the options of the methods in a file.
func withoutOptions(file *descriptorpb.FileDescriptorProto) {
	for _, service := range file.GetService() {
		for _, method := range service.GetMethod() {
			method.Options = nil
		}
	}
}

var discoveryMutations = mutations{
	"P-002": {"each spec is another one": mutation{call: eachSpecIsAnother()}},
	"P-003": {"a service is not in the descriptor set": onFiles(func(set *descriptorpb.FileDescriptorSet) {
		for _, file := range set.GetFile() {
			for _, service := range file.GetService() {
				if service.GetName() == "ActionTwo" {
					service.Name = new("ActionThree")
				}
			}
		}
	})},
	"P-004": {
		"an import is missing": onFiles(func(set *descriptorpb.FileDescriptorSet) {
			set.File = slices.DeleteFunc(set.GetFile(), func(file *descriptorpb.FileDescriptorProto) bool {
				return file.GetName() == "google/protobuf/descriptor.proto"
			})
		}),
		"a file is there twice": onFiles(func(set *descriptorpb.FileDescriptorSet) { set.File = append(set.GetFile(), set.GetFile()[0]) }),
		"annotations are lost": onFiles(func(set *descriptorpb.FileDescriptorSet) {
			for _, file := range set.GetFile() {
				withoutOptions(file)
			}
		}),
		"entity keys are lost": onFiles(func(set *descriptorpb.FileDescriptorSet) {
			for _, file := range set.GetFile() {
				for _, message := range file.GetMessageType() {
					for _, field := range message.GetField() {
						field.Options = nil
					}
				}
			}
		}),
	},
	"P-005": {
		"another version":  onSpec(func(spec *protocol.EntitySpec) { spec.ServiceInfo.ProtocolMinorVersion = 1 }),
		"no service info":  onSpec(func(spec *protocol.EntitySpec) { spec.ServiceInfo = nil }),
		"no library named": onSpec(func(spec *protocol.EntitySpec) { spec.ServiceInfo.SupportLibraryName = "" }),
	},
	"P-006": {"a value entity as an event sourced one": onEntity(valueModelName, func(e *protocol.Entity) { e.EntityType = eventSourcedType })},
	"P-007": {
		"another persistence id":   onEntity(eventSourcedModelName, func(e *protocol.Entity) { e.PersistenceId = "EventSourcedTckModel" }),
		"a persistence id twice":   onEntity(crdtTwoName, func(e *protocol.Entity) { e.PersistenceId = "CrdtTckModel" }),
		"no passivation strategy":  onEntity(crdtConfiguredName, func(e *protocol.Entity) { e.PassivationStrategy = nil }),
		"a timeout in nanoseconds": onEntity(valueConfiguredName, func(e *protocol.Entity) { e.GetPassivationStrategy().GetTimeout().Timeout *= 1e6 }),
	},
	"P-008": {"only what the proxy supports": mutation{call: func(request, answer proto.Message) error {
		info, ok := request.(*protocol.ProxyInfo)
		if spec, isSpec := answer.(*protocol.EntitySpec); ok && isSpec {
			spec.Entities = slices.DeleteFunc(spec.GetEntities(), func(e *protocol.Entity) bool {
				return !slices.Contains(info.GetSupportedEntityTypes(), e.GetEntityType())
			})
		}
		return nil
	}}},
	"P-009": {"an error report fails": mutation{call: func(request, _ proto.Message) error {
		if _, ok := request.(*protocol.UserFunctionError); ok {
			return errors.New("unimplemented")
		}
		return nil
	}}},
}

func eachSpecIsAnother() func(request, answer proto.Message) error {
	specs := make(chan int, 1)
	specs <- 0
	return func(_, answer proto.Message) error {
		n := <-specs
		specs <- n + 1
		if spec, ok := answer.(*protocol.EntitySpec); ok {
			spec.ServiceInfo.ServiceVersion = fmt.Sprint(n)
		}
		return nil
	}
}
