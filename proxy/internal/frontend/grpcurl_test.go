package frontend_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// P-183: a client that knows nothing, such as grpcurl, finds a method by reflection,
// builds its descriptors from what comes back, and calls it.
func TestReflection_LeadsAClientToACall(t *testing.T) {
	t.Parallel()
	conn := startShop(t, func(call frontend.Call) error {
		request, err := call.Recv()
		if err != nil {
			return err
		}
		key, err := call.Method().EntityKey(request)
		if err != nil {
			return err
		}
		return call.Send(append([]byte{0x0a, byte(len(key) + 2), 0x0a, byte(len(key))}, key...))
	}).dial(t)
	r := reflect(t, conn)

	// First it lists.
	services := r.services(t)
	require.Contains(t, services, shoppingCart)
	for _, service := range services {
		require.NotEmpty(t, reflect(t, conn).files(t, bySymbol(service)), "what is listed can be described")
	}

	// Then it describes.
	method, ok := r.describe(t, shoppingCart+".GetCart").(protoreflect.MethodDescriptor)
	require.True(t, ok)
	message, ok := reflect(t, conn).describe(t, string(method.Input().FullName())).(protoreflect.MessageDescriptor)
	require.True(t, ok)
	require.NotNil(t, message.Fields().ByName("user_id"))

	// At last it calls.
	request, reply := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	require.NoError(t, protojson.Unmarshal([]byte(`{"userId": "u1"}`), request))
	require.NoError(t, conn.Invoke(t.Context(), "/"+string(method.Parent().FullName())+"/"+string(method.Name()), request, reply))
	encoded, err := protojson.Marshal(reply)
	require.NoError(t, err)
	require.JSONEq(t, `{"items": [{"productId": "u1"}]}`, string(encoded))
}

// describe resolves a symbol as a client does: it takes the file that comes back, asks
// for imports that did not come with it, and links them without tolerance.
func (r *reflector) describe(t *testing.T, symbol string) protoreflect.Descriptor {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{File: r.files(t, bySymbol(symbol))}
	known := map[string]bool{}
	for _, file := range set.GetFile() {
		known[file.GetName()] = true
	}
	for i := 0; i < len(set.GetFile()); i++ { //nolint:intrange // the set grows
		for _, dependency := range set.GetFile()[i].GetDependency() {
			if known[dependency] {
				continue
			}
			for _, file := range r.files(t, byFilename(dependency)) {
				known[file.GetName()] = true
				set.File = append(set.File, file)
			}
			require.True(t, known[dependency], "no file %s", dependency)
		}
	}
	files, err := protodesc.NewFiles(set)
	require.NoError(t, err)
	descriptor, err := files.FindDescriptorByName(protoreflect.FullName(symbol))
	require.NoError(t, err)
	return descriptor
}
