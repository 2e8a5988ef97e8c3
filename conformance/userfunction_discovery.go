package conformance

import (
	"context"
	"sync"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventlogmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	extensions "github.com/cloudstate-go/cloudstate/protocol/annotations"
)

// The entity types of protocol section 2.2.
const (
	actionType       = "cloudstate.action.ActionProtocol"
	eventSourcedType = "cloudstate.eventsourced.EventSourced"
	valueEntityType  = "cloudstate.valueentity.ValueEntity"
	crdtType         = "cloudstate.crdt.Crdt"
)

// The version of the protocol.
const (
	protocolMajorVersion = 0
	protocolMinorVersion = 2
)

// passivationMillis is the timeout of the models that configure one.
const passivationMillis = 100

// required are the services that a user function must offer (TCK models section 2). Those that
// it does not offer are not checked.
var required = []struct {
	service, entityType string
	persistenceID       string // "" if any will do
	passivated          bool   // after passivationMillis
}{
	{actionModelName, actionType, "", false},
	{actionTwoName, actionType, "", false},
	{valueModelName, valueEntityType, "value-entity-tck-model", false},
	{valueTwoName, valueEntityType, "value-entity-tck-model-two", false},
	{valueConfiguredName, valueEntityType, "value-entity-configured", true},
	{eventSourcedModelName, eventSourcedType, "event-sourced-tck-model", false},
	{eventSourcedTwoName, eventSourcedType, "", false},
	{eventSourcedConfiguredName, eventSourcedType, "event-sourced-configured", true},
	{crdtModelName, crdtType, "", false},
	{crdtTwoName, crdtType, "", false},
	{crdtConfiguredName, crdtType, "", true},
	{subscriberName, actionType, "", false},
	{eventSourcedOneName, eventSourcedType, "eventlogeventing-one", false},
	{eventSourcedJSONName, eventSourcedType, "eventlogeventing-two", false},
}

var discoveryChecks = checks[*userFunction]{
	"P-002": {
		"calls one after the other": discoverRepeatedly,
		"calls at the same time":    discoverConcurrently,
	},
	"P-003": {"every service is in the descriptor set": servicesAreDescribed},
	"P-004": {
		"every import is there, each file once": filesAreComplete,
		"the options of the models are intact":  optionsAreIntact,
	},
	"P-005": {"service info": serviceInfo},
	"P-006": {"every model": entityTypes},
	"P-007": {
		"persistence ids that are prescribed":        persistenceIDs,
		"services of one type have ids of their own": persistenceIDsAreUnique,
		"a passivation timeout of 100 ms":            passivationTimeout,
	},
	"P-008": {"a proxy that has actions only gets the same spec": discoverWithoutEntities},
	"P-009": {"an error report": reportError},
}

func discoverRepeatedly(t *trial, u *userFunction) {
	first := u.discover(t)
	for range 3 {
		requireEqual(t, first, u.discover(t), "what a repeated discovery returns")
	}
}

func discoverConcurrently(t *trial, u *userFunction) {
	first := u.discover(t)
	specs := make([]*protocol.EntitySpec, 4)
	var calls sync.WaitGroup
	for i := range specs {
		calls.Go(func() {
			if outcome, detail := runTrial(t.Context(), func(t *trial) { specs[i] = u.discover(t) }); outcome != Passed {
				t.Errorf("%s", detail)
			}
		})
	}
	calls.Wait()
	for _, spec := range specs {
		requireEqual(t, first, spec, "what a discovery returns at the same time as others")
	}
}

// files returns the descriptor set.
func (u *userFunction) files(t *trial) *descriptorpb.FileDescriptorSet {
	set := &descriptorpb.FileDescriptorSet{}
	require.NoError(t, proto.Unmarshal(u.known(t).GetProto(), set), "decode EntitySpec.proto as a FileDescriptorSet") //nolint:forbidigo // the type is named
	return set
}

func servicesAreDescribed(t *trial, u *userFunction) {
	described := map[string]bool{}
	for _, file := range u.files(t).GetFile() {
		for _, service := range file.GetService() {
			described[file.GetPackage()+"."+service.GetName()] = true
		}
	}
	require.NotEmpty(t, u.known(t).GetEntities(), "the entities of the spec")
	for _, e := range u.known(t).GetEntities() {
		require.True(t, described[e.GetServiceName()], "service %q is not in the descriptor set", e.GetServiceName())
	}
}

func filesAreComplete(t *trial, u *userFunction) {
	set := u.files(t)
	names := map[string]int{}
	for _, file := range set.GetFile() {
		names[file.GetName()]++
	}
	for name, count := range names {
		require.Equal(t, 1, count, "how often the file %s is in the descriptor set", name)
	}
	for _, file := range set.GetFile() {
		for _, imported := range file.GetDependency() {
			require.Contains(t, names, imported, "the file %s imports %s", file.GetName(), imported)
		}
	}
	_, err := protodesc.NewFiles(set)
	require.NoError(t, err, "link the files of the descriptor set")
}

// optionsAreIntact compares the options of methods and of keys with those of the models.
func optionsAreIntact(t *trial, u *userFunction) {
	files, err := protodesc.NewFiles(u.files(t))
	require.NoError(t, err, "link the files of the descriptor set")
	for _, file := range []protoreflect.FileDescriptor{
		actionmodel.File_cloudstate_tck_model_action_proto,
		crdtmodel.File_cloudstate_tck_model_crdt_proto,
		eventlogmodel.File_cloudstate_tck_model_eventlogeventing_proto,
		eventsourcedmodel.File_cloudstate_tck_model_eventsourced_proto,
		valuemodel.File_cloudstate_tck_model_valueentity_proto,
	} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			if u.find(t, string(service.FullName())) == nil {
				continue
			}
			for j := range service.Methods().Len() {
				want := service.Methods().Get(j)
				got, err := files.FindDescriptorByName(want.FullName())
				require.NoError(t, err, "find %s in the descriptor set", want.FullName())
				method, ok := got.(protoreflect.MethodDescriptor)
				require.True(t, ok, "%s is a %T", want.FullName(), got)
				requireSameMethod(t, want, method)
			}
		}
	}
}

// requireSameMethod compares what a proxy needs to know about a method.
func requireSameMethod(t *trial, want, got protoreflect.MethodDescriptor) {
	name := want.FullName()
	require.Equal(t, want.Input().FullName(), got.Input().FullName(), "the input of %s", name)
	require.Equal(t, want.Output().FullName(), got.Output().FullName(), "the output of %s", name)
	require.Equal(t, want.IsStreamingClient(), got.IsStreamingClient(), "whether %s streams its requests", name)
	require.Equal(t, want.IsStreamingServer(), got.IsStreamingServer(), "whether %s streams its replies", name)
	requireEqual(t, optionsOf(t, want), optionsOf(t, got), "the options of %s", name)
	require.Equal(t, keysOf(t, want.Input()), keysOf(t, got.Input()), "the fields of %s that are the entity key", want.Input().FullName())
}

// optionsOf returns the options of a method that concern a proxy, whether the program that
// made the descriptor knew them or not.
func optionsOf(t *trial, d protoreflect.Descriptor) proto.Message {
	options := reparsed(t, d.Options(), &descriptorpb.MethodOptions{})
	concerning := &descriptorpb.MethodOptions{}
	for _, extension := range []protoreflect.ExtensionType{annotations.E_Http, extensions.E_Eventing} {
		if proto.HasExtension(options, extension) {
			proto.SetExtension(concerning, extension, proto.GetExtension(options, extension))
		}
	}
	return concerning
}

// keysOf returns the names of the fields that are the entity key.
func keysOf(t *trial, message protoreflect.MessageDescriptor) []protoreflect.Name {
	var keys []protoreflect.Name
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		options := reparsed(t, field.Options(), &descriptorpb.FieldOptions{})
		if isKey, _ := proto.GetExtension(options, extensions.E_EntityKey).(bool); isKey {
			keys = append(keys, field.Name())
		}
	}
	return keys
}

// reparsed decodes options again, with the extensions that are known here.
func reparsed(t *trial, options, into proto.Message) proto.Message {
	bytes, err := proto.Marshal(options)
	require.NoError(t, err)
	require.NoError(t, proto.Unmarshal(bytes, into), "decode options") //nolint:forbidigo // they were decoded before
	return into
}

func serviceInfo(t *trial, u *userFunction) {
	info := u.known(t).GetServiceInfo()
	require.NotNil(t, info, "service_info")
	require.EqualValues(t, protocolMajorVersion, info.GetProtocolMajorVersion(), "protocol_major_version")
	require.EqualValues(t, protocolMinorVersion, info.GetProtocolMinorVersion(), "protocol_minor_version")
	require.NotEmpty(t, info.GetSupportLibraryName(), "support_library_name")
	require.NotEmpty(t, info.GetSupportLibraryVersion(), "support_library_version")
}

func entityTypes(t *trial, u *userFunction) {
	for _, m := range required {
		if e := u.find(t, m.service); e != nil {
			require.Equal(t, m.entityType, e.GetEntityType(), "the entity type of %s", m.service)
		}
	}
}

func persistenceIDs(t *trial, u *userFunction) {
	for _, m := range required {
		if e := u.find(t, m.service); e != nil && m.persistenceID != "" {
			require.Equal(t, m.persistenceID, e.GetPersistenceId(), "the persistence id of %s", m.service)
		}
	}
}

func persistenceIDsAreUnique(t *trial, u *userFunction) {
	type namespace struct{ entityType, id string }
	owners := map[namespace]string{}
	for _, e := range u.known(t).GetEntities() {
		if e.GetEntityType() == actionType {
			continue
		}
		require.NotEmpty(t, e.GetPersistenceId(), "the persistence id of %s", e.GetServiceName())
		n := namespace{e.GetEntityType(), e.GetPersistenceId()}
		require.NotContains(t, owners, n, "%s and %s have the same persistence id, so that they share their state", owners[n], e.GetServiceName())
		owners[n] = e.GetServiceName()
	}
}

func passivationTimeout(t *trial, u *userFunction) {
	want := &protocol.EntityPassivationStrategy{Strategy: &protocol.EntityPassivationStrategy_Timeout{
		Timeout: &protocol.TimeoutPassivationStrategy{Timeout: passivationMillis},
	}}
	for _, m := range required {
		if e := u.find(t, m.service); e != nil && m.passivated {
			requireEqual(t, want, e.GetPassivationStrategy(), "the passivation strategy of %s", m.service)
		}
	}
}

func discoverWithoutEntities(t *trial, u *userFunction) {
	want := u.discover(t)
	ctx, cancel := context.WithTimeout(t.Context(), u.Timeout)
	defer cancel()
	got, err := protocol.NewEntityDiscoveryClient(u.Conn).Discover(ctx, &protocol.ProxyInfo{
		ProtocolMajorVersion: protocolMajorVersion,
		ProtocolMinorVersion: protocolMinorVersion,
		ProxyName:            "conformance",
		SupportedEntityTypes: []string{actionType},
	})
	require.NoError(t, err, "discover")
	requireEqual(t, want, got, "what a proxy gets that supports actions only")
}

func reportError(t *trial, u *userFunction) {
	ctx, cancel := context.WithTimeout(t.Context(), u.Timeout)
	defer cancel()
	got, err := protocol.NewEntityDiscoveryClient(u.Conn).ReportError(ctx, &protocol.UserFunctionError{Message: "this is a test of the conformance suite"})
	require.NoError(t, err, "reportError")
	requireEqual(t, &emptypb.Empty{}, got, "the answer to reportError")
}
