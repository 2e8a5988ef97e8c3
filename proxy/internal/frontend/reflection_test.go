package frontend_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// A reflector is a stream of reflection. Its requests name a host.
type reflector struct {
	stream grpc.BidiStreamingClient[reflectionv1.ServerReflectionRequest, reflectionv1.ServerReflectionResponse]
}

func reflect(t *testing.T, conn grpc.ClientConnInterface) *reflector {
	t.Helper()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	return &reflector{stream: stream}
}

// ask checks that the response echoes the request and its host.
func (r *reflector) ask(t *testing.T, request *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
	t.Helper()
	request.Host = "shop.example"
	require.NoError(t, r.stream.Send(request))
	response, err := r.stream.Recv()
	require.NoError(t, err)
	require.Equal(t, "shop.example", response.GetValidHost())
	require.True(t, proto.Equal(request, response.GetOriginalRequest()))
	return response
}

// files returns the files of a response, of which there may be none.
func (r *reflector) files(t *testing.T, request *reflectionv1.ServerReflectionRequest) []*descriptorpb.FileDescriptorProto {
	t.Helper()
	response := r.ask(t, request)
	require.NotNil(t, response.GetFileDescriptorResponse(), "%v", response)
	sources := response.GetFileDescriptorResponse().GetFileDescriptorProto()
	files := make([]*descriptorpb.FileDescriptorProto, len(sources))
	for i, source := range sources {
		files[i] = &descriptorpb.FileDescriptorProto{}
		require.NoError(t, proto.Unmarshal(source, files[i]))
	}
	return files
}

func names(files []*descriptorpb.FileDescriptorProto) []string {
	paths := make([]string, len(files))
	for i, file := range files {
		paths[i] = file.GetName()
	}
	return paths
}

func listServices() *reflectionv1.ServerReflectionRequest {
	return &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{ListServices: "*"}}
}

func bySymbol(name string) *reflectionv1.ServerReflectionRequest {
	return &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}
}

func byFilename(path string) *reflectionv1.ServerReflectionRequest {
	return &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: path}}
}

func byExtension(extended string, number int32) *reflectionv1.ServerReflectionRequest {
	return &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingExtension{
		FileContainingExtension: &reflectionv1.ExtensionRequest{ContainingType: extended, ExtensionNumber: number},
	}}
}

func extensionsOf(extended string) *reflectionv1.ServerReflectionRequest {
	return &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: extended}}
}

func (r *reflector) services(t *testing.T) []string {
	t.Helper()
	list := r.ask(t, listServices()).GetListServicesResponse().GetService()
	services := make([]string, len(list))
	for i, service := range list {
		services[i] = service.GetName()
	}
	return services
}

// P-183: the list has the reflection service first and then the services sorted, whatever
// the argument, and nothing else.
func TestReflection_ListsServices(t *testing.T) {
	t.Parallel()
	n := start(t, frontend.Config{Handler: unused})
	conn := n.dial(t)
	r := reflect(t, conn)
	require.Equal(t, []string{"grpc.reflection.v1.ServerReflection"}, r.services(t))
	n.Publish(shop(t))
	require.Equal(t, []string{"grpc.reflection.v1.ServerReflection", shoppingCart, "test.Streams"}, r.services(t))
}

// P-183, as the conformance suite asks: in version v1alpha.
//
//nolint:staticcheck // deprecated, but what the suite and many clients speak
func TestReflection_V1Alpha(t *testing.T) {
	t.Parallel()
	stream, err := reflectionv1alpha.NewServerReflectionClient(startShop(t, unused).dial(t)).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	ask := func(request *reflectionv1alpha.ServerReflectionRequest) *reflectionv1alpha.ServerReflectionResponse {
		require.NoError(t, stream.Send(request))
		response, err := stream.Recv()
		require.NoError(t, err)
		return response
	}

	list := &reflectionv1alpha.ServerReflectionRequest{
		Host:           "localhost",
		MessageRequest: &reflectionv1alpha.ServerReflectionRequest_ListServices{},
	}
	require.True(t, proto.Equal(&reflectionv1alpha.ServerReflectionResponse{
		ValidHost: "localhost", OriginalRequest: list,
		MessageResponse: &reflectionv1alpha.ServerReflectionResponse_ListServicesResponse{
			ListServicesResponse: &reflectionv1alpha.ListServiceResponse{Service: []*reflectionv1alpha.ServiceResponse{
				{Name: "grpc.reflection.v1alpha.ServerReflection"}, {Name: shoppingCart}, {Name: "test.Streams"},
			}},
		},
	}, ask(list)))

	nonsense := &reflectionv1alpha.ServerReflectionRequest{
		Host:           "localhost",
		MessageRequest: &reflectionv1alpha.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "nonsense.blabla.Void"},
	}
	require.True(t, proto.Equal(&reflectionv1alpha.ServerReflectionResponse{
		ValidHost: "localhost", OriginalRequest: nonsense,
		MessageResponse: &reflectionv1alpha.ServerReflectionResponse_FileDescriptorResponse{
			FileDescriptorResponse: &reflectionv1alpha.FileDescriptorResponse{},
		},
	}, ask(nonsense)))
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.NoError(t, ignoreEOF(err))
}

// P-183: what is unknown has no files, which is no error, and the stream goes on.
func TestReflection_UnknownHasNoFiles(t *testing.T) {
	t.Parallel()
	r := reflect(t, startShop(t, unused).dial(t))
	for _, request := range []*reflectionv1.ServerReflectionRequest{
		bySymbol("nonsense.blabla.Void"),
		bySymbol(shoppingCart + ".Checkout"),
		bySymbol(""),
		bySymbol("not a name!"),
		byFilename("nonsense.proto"),
		byExtension("test.Text", 199),
		byExtension("test.Other", 100),
	} {
		require.Empty(t, r.files(t, request), "%v", request)
	}
	require.True(t, proto.Equal(
		&reflectionv1.ExtensionNumberResponse{BaseTypeName: "test.Other"},
		r.ask(t, extensionsOf("test.Other")).GetAllExtensionNumbersResponse(),
	))
	failure := r.ask(t, &reflectionv1.ServerReflectionRequest{}).GetErrorResponse()
	require.Equal(t, int32(codes.InvalidArgument), failure.GetErrorCode())
	require.NotEmpty(t, failure.GetErrorMessage())
	require.NotEmpty(t, r.files(t, bySymbol(shoppingCart)))
}

// Section 8.3: a file comes first, then all that it imports, and each once per stream.
func TestReflection_SendsEachFileOnce(t *testing.T) {
	t.Parallel()
	n := startShop(t, unused)
	conn := n.dial(t)
	r := reflect(t, conn)
	got := names(r.files(t, bySymbol(shoppingCart)))
	require.Equal(t, "shoppingcart/shoppingcart.proto", got[0])
	require.ElementsMatch(t, []string{
		"shoppingcart/shoppingcart.proto", "cloudstate/entity_key.proto", "google/api/annotations.proto",
		"google/protobuf/empty.proto", "google/protobuf/descriptor.proto", "google/api/http.proto",
	}, got)
	require.Empty(t, r.files(t, bySymbol(shoppingCart+".AddItem")))
	require.Empty(t, r.files(t, byFilename("google/protobuf/empty.proto")))
	require.Equal(t, []string{"streams.proto"}, names(r.files(t, bySymbol("test.Streams"))))

	// Another stream knows nothing of it, and neither do other services.
	require.Equal(t, []string{"google/protobuf/empty.proto"}, names(reflect(t, conn).files(t, byFilename("google/protobuf/empty.proto"))))
	n.Publish(shop(t))
	require.Equal(t, []string{"streams.proto"}, names(r.files(t, bySymbol("test.Streams"))))
}

func TestReflection_FindsEverySymbol(t *testing.T) {
	t.Parallel()
	conn := startShop(t, unused).dial(t)
	for symbol, want := range map[string]string{
		shoppingCart:                                                    "shoppingcart/shoppingcart.proto",
		shoppingCart + ".AddItem":                                       "shoppingcart/shoppingcart.proto",
		"com.example.shoppingcart.AddLineItem":                          "shoppingcart/shoppingcart.proto",
		"com.example.shoppingcart.AddLineItem.user_id":                  "shoppingcart/shoppingcart.proto",
		"google.api.http":                                               "google/api/annotations.proto",
		"cloudstate.entity_key":                                         "cloudstate/entity_key.proto",
		"test.Text.nested":                                              "streams.proto",
		"grpc.reflection.v1.ServerReflection":                           "grpc/reflection/v1/reflection.proto",
		"grpc.reflection.v1alpha.ServerReflection":                      "grpc/reflection/v1alpha/reflection.proto",
		"grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo": "grpc/reflection/v1alpha/reflection.proto",
		"grpc.health.v1.HealthCheckResponse.SERVING":                    "grpc/health/v1/health.proto",
	} {
		t.Run(symbol, func(t *testing.T) {
			t.Parallel()
			files := names(reflect(t, conn).files(t, bySymbol(symbol)))
			require.NotEmpty(t, files)
			require.Equal(t, want, files[0])
		})
	}
	// Also before anything is published.
	early := reflect(t, start(t, frontend.Config{Handler: unused}).dial(t))
	require.Equal(t, []string{"grpc/reflection/v1/reflection.proto"}, names(early.files(t, bySymbol("grpc.reflection.v1.ServerReflection"))))
	require.Empty(t, early.files(t, bySymbol(shoppingCart)))
}

func TestReflection_Extensions(t *testing.T) {
	t.Parallel()
	r := reflect(t, startShop(t, unused).dial(t))
	for extended, want := range map[string][]int32{
		"test.Text":                     {100, 101, 150}, // 150 is declared in a message
		"google.protobuf.FieldOptions":  {1080},
		"google.protobuf.MethodOptions": {72295728},
		"com.example.shoppingcart.Cart": nil,
	} {
		got := r.ask(t, extensionsOf(extended)).GetAllExtensionNumbersResponse()
		require.Equal(t, extended, got.GetBaseTypeName())
		require.Equal(t, want, got.GetExtensionNumber())
	}
	require.Equal(t, "streams.proto", r.files(t, byExtension("test.Text", 150))[0].GetName())
	require.Equal(t, "cloudstate/entity_key.proto", r.files(t, byExtension("google.protobuf.FieldOptions", 1080))[0].GetName())
}
