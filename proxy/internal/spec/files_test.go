package spec_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// P-013: files come in any order.
func TestNew_FilesInAnyOrder(t *testing.T) {
	t.Parallel()
	set := cartFiles()
	slices.Reverse(set) // dependents first, as the original Go library sends them
	for range 20 {
		s, err := spec.New(answer(t, set, entity(spec.EventSourced, shoppingCart)), spec.Options{})
		require.NoError(t, err)
		require.Len(t, s.Service(shoppingCart).Methods, 3)
		rand.Shuffle(len(set), func(i, j int) { set[i], set[j] = set[j], set[i] })
	}
}

// Section 2.3: of two files with the same name the last one wins.
func TestNew_LastFileOfANameWins(t *testing.T) {
	t.Parallel()
	old, current := serviceFile(service("S")), serviceFile(service("S", rpc("M", "Keyed", "Keyed")))
	s, err := spec.New(answer(t, files(old, current), entity(spec.Action, "test.S")), spec.Options{})
	require.NoError(t, err)
	require.Len(t, s.Services[0].Methods, 1)

	s, err = spec.New(answer(t, files(current, old), entity(spec.Action, "test.S")), spec.Options{})
	require.NoError(t, err)
	require.Empty(t, s.Services[0].Methods)
}

// P-012: missing dependencies and cycles, with the path that leads to them, innermost
// first.
func TestNew_FilesThatDoNotFitTogether(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files []*descriptorpb.FileDescriptorProto
		want  string
	}{
		"missing":                    {files(file("b", "a")), "Descriptor dependency [a] not found, dependency path: [b]"},
		"missing further down":       {files(file("c", "b"), file("b", "a")), "Descriptor dependency [a] not found, dependency path: [b] -> [c]"},
		"a well-known file is none":  {files(file("b", "google/protobuf/empty.proto")), "Descriptor dependency [google/protobuf/empty.proto] not found, dependency path: [b]"},
		"a cycle":                    {files(file("a", "b"), file("b", "a")), "Circular dependency detected in entity spec descriptor: [a] -> [b] -> [a]"},
		"a file that imports itself": {files(file("a", "a")), "Circular dependency detected in entity spec descriptor: [a] -> [a]"},
		"a cycle further down":       {files(file("x", "a"), file("a", "b"), file("b", "c"), file("c", "a")), "Circular dependency detected in entity spec descriptor: [a] -> [c] -> [b] -> [a] -> [x]"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.New(answer(t, tt.files, entity(spec.Action, "test.S")), spec.Options{})
			requireInvalid(t, err, tt.want)
		})
	}
}

// Section 2.3: types that cannot be resolved are no reason to refuse a file.
func TestNew_UnresolvableTypesAreTolerated(t *testing.T) {
	t.Parallel()
	msg := descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	hidden := file("hidden.proto")
	hidden.MessageType = []*descriptorpb.DescriptorProto{message("Hidden")}
	f := serviceFile(service("S", rpc("M", "Nowhere", "In")))
	f.MessageType = append(f.MessageType, message("In",
		field("gone", msg, ".test.Gone"),
		field("unknown", descriptorpb.FieldDescriptorProto_TYPE_ENUM, ".test.Unknown"),
		field("hidden", msg, ".test.Hidden"), // exists, in a file that is not imported
	))
	s, err := spec.New(answer(t, files(hidden, f), entity(spec.Action, "test.S")), spec.Options{})
	require.NoError(t, err)
	require.Equal(t, "type.googleapis.com/test.Nowhere", s.Services[0].Methods[0].InputURL)
	fields := s.Services[0].Methods[0].Descriptor.Output().Fields()
	require.True(t, fields.ByName("hidden").Message().IsPlaceholder())

	// An enum that nobody knows is still a number.
	f.MessageType[0].Field = append(f.MessageType[0].Field, entityKey(field("k", descriptorpb.FieldDescriptorProto_TYPE_ENUM, ".test.Unknown")))
	f.MessageType[0].Field[1].Number = new(int32(2))
	f.Service = []*descriptorpb.ServiceDescriptorProto{service("S", rpc("M", "Keyed", "Keyed"))}
	s, err = spec.New(answer(t, files(hidden, f), entity(spec.CRDT, "test.S")), spec.Options{})
	require.NoError(t, err)
	got, err := s.Services[0].Methods[0].EntityKey([]byte{0x10, 7})
	require.NoError(t, err)
	require.Equal(t, "-7", got)
	got, err = s.Services[0].Methods[0].EntityKey(nil)
	require.NoError(t, err)
	require.Equal(t, "-0", got)
}

// A public import makes what is behind it visible.
func TestNew_PublicImports(t *testing.T) {
	t.Parallel()
	base, middle := file("base.proto"), file("middle.proto", "base.proto")
	base.MessageType = []*descriptorpb.DescriptorProto{message("Base", entityKey(field("id", descriptorpb.FieldDescriptorProto_TYPE_STRING, "")))}
	middle.PublicDependency = []int32{0}
	f := file("test.proto", "middle.proto")
	f.Service = []*descriptorpb.ServiceDescriptorProto{service("S", rpc("M", "Base", "Base"))}
	s, err := spec.New(answer(t, files(f, middle, base), entity(spec.CRDT, "test.S")), spec.Options{})
	require.NoError(t, err)
	require.False(t, s.Services[0].Methods[0].Descriptor.Input().IsPlaceholder())
}

// what breaks no rule of the protocol but cannot be used is an error, too.
func TestNew_Undecodable(t *testing.T) {
	t.Parallel()
	bad := serviceFile(service("S"))
	bad.Syntax = new("proto4")
	twice := file("twice.proto")
	twice.MessageType = []*descriptorpb.DescriptorProto{message("Keyed")}
	tests := map[string]struct {
		es   *protocol.EntitySpec
		want string
	}{
		"no descriptor set": {
			&protocol.EntitySpec{Proto: []byte{0xff}, ServiceInfo: &protocol.ServiceInfo{ProtocolMinorVersion: 2}},
			"decode the descriptor set of the user function: ",
		},
		"an impossible file":         {answer(t, files(bad), entity(spec.Action, "test.S")), `descriptor of file "test.proto": `},
		"a message in two files":     {answer(t, files(serviceFile(service("S")), twice), entity(spec.Action, "test.S")), `descriptor of file "twice.proto": `},
		"a file without a file name": {answer(t, files(&descriptorpb.FileDescriptorProto{}), entity(spec.Action, "test.S")), `descriptor of file "": `},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.New(tt.es, spec.Options{})
			require.ErrorContains(t, err, tt.want)
			var invalid *spec.ValidationError
			require.NotErrorAs(t, err, &invalid)
		})
	}
}

// New never panics, and what it accepts can be routed.
func FuzzNew(f *testing.F) {
	seed, err := proto.Marshal(cartAnswer(f))
	require.NoError(f, err)
	f.Add(seed)
	odd := serviceFile(service("S", streamOut(rpc("M", "Keyed", "Nowhere"))))
	seed, err = proto.Marshal(answer(f, files(odd), entity(spec.CRDT, "test.S")))
	require.NoError(f, err)
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		var es protocol.EntitySpec
		if proto.Unmarshal(data, &es) != nil {
			return
		}
		s, err := spec.New(&es, spec.Options{SkipVersionCheck: true})
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.Len(t, s.Services, len(es.GetEntities()))
		for _, service := range s.Services {
			for _, m := range service.Methods {
				require.Same(t, m, s.MethodByPath(m.Path()))
				_, err := m.EntityKey(nil)
				require.NoError(t, err)
			}
		}
	})
}
