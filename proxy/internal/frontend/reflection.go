package frontend

import (
	"errors"
	"io"
	"maps"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The two versions of the reflection service, which differ in name only.
const (
	reflectionName      = "grpc.reflection.v1.ServerReflection"
	reflectionAlphaName = "grpc.reflection.v1alpha.ServerReflection"
)

// reflection tells clients what they can call. It behaves as the conformance suite
// demands (protocol section 8.3): what is unknown has no files, which is no error.
type reflection struct {
	name  string // of the service, which lists itself first
	state *atomic.Pointer[state]
}

// reflectionStream is a client that asks.
type reflectionStream = grpc.BidiStreamingServer[reflectionv1.ServerReflectionRequest, reflectionv1.ServerReflectionResponse]

// ServerReflectionInfo answers each request in turn. It ends at Shutdown, which would
// otherwise have to wait for clients that keep their stream open.
func (r *reflection) ServerReflectionInfo(stream reflectionStream) error {
	answered := make(chan error, 1)
	go func() { answered <- r.answer(stream) }() // ends with the stream, at the latest when this function returns
	for {
		current := r.state.Load()
		if current.draining {
			return status.Error(codes.Unavailable, "the proxy is shutting down; ask another instance")
		}
		select {
		case err := <-answered:
			return err
		case <-current.changed:
		}
	}
}

// answer answers the requests of a stream until it ends.
func (r *reflection) answer(stream reflectionStream) error {
	var a answers
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if current := r.state.Load(); a.state == nil || a.state.spec != current.spec {
			// What was sent before is no longer true.
			a = answers{name: r.name, state: current, sent: make(map[string]bool)}
		}
		if err := stream.Send(a.to(request)); err != nil {
			return err
		}
	}
}

// answers makes the answers of one stream.
type answers struct {
	name  string
	state *state
	// sent has the paths of the files that were sent: each is sent once.
	sent map[string]bool
}

// to returns the answer to a request, which it echoes together with its host.
func (a *answers) to(request *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
	response := &reflectionv1.ServerReflectionResponse{ValidHost: request.GetHost(), OriginalRequest: request}
	switch asked := request.GetMessageRequest().(type) {
	case *reflectionv1.ServerReflectionRequest_ListServices:
		response.MessageResponse = &reflectionv1.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: a.services()}
	case *reflectionv1.ServerReflectionRequest_FileByFilename:
		response.MessageResponse = a.files(a.state.fileByPath(asked.FileByFilename))
	case *reflectionv1.ServerReflectionRequest_FileContainingSymbol:
		response.MessageResponse = a.files(a.state.fileBySymbol(protoreflect.FullName(asked.FileContainingSymbol)))
	case *reflectionv1.ServerReflectionRequest_FileContainingExtension:
		extended := protoreflect.FullName(asked.FileContainingExtension.GetContainingType())
		number := protoreflect.FieldNumber(asked.FileContainingExtension.GetExtensionNumber())
		response.MessageResponse = a.files(a.state.extensions[extended][number])
	case *reflectionv1.ServerReflectionRequest_AllExtensionNumbersOfType:
		response.MessageResponse = a.extensionNumbers(asked.AllExtensionNumbersOfType)
	default:
		response.MessageResponse = &reflectionv1.ServerReflectionResponse_ErrorResponse{ErrorResponse: &reflectionv1.ErrorResponse{
			ErrorCode:    int32(codes.InvalidArgument),
			ErrorMessage: "the request asks for nothing that is known; set its field message_request",
		}}
	}
	return response
}

// services lists the reflection service, and then the entities and actions sorted.
func (a *answers) services() *reflectionv1.ListServiceResponse {
	list := make([]*reflectionv1.ServiceResponse, 0, 1+len(a.state.names))
	list = append(list, &reflectionv1.ServiceResponse{Name: a.name})
	for _, name := range a.state.names {
		list = append(list, &reflectionv1.ServiceResponse{Name: name})
	}
	return &reflectionv1.ListServiceResponse{Service: list}
}

// files returns a file and everything that it imports, without what was sent before.
// The file comes first, because clients look there.
func (a *answers) files(file protoreflect.FileDescriptor) *reflectionv1.ServerReflectionResponse_FileDescriptorResponse {
	response := &reflectionv1.FileDescriptorResponse{}
	var queue []protoreflect.FileDescriptor
	if file != nil {
		queue = append(queue, file)
	}
	for ; len(queue) > 0; queue = queue[1:] {
		path := queue[0].Path()
		if a.sent[path] {
			continue
		}
		a.sent[path] = true
		response.FileDescriptorProto = append(response.FileDescriptorProto, a.state.fileSource(path))
		for i := range queue[0].Imports().Len() {
			queue = append(queue, queue[0].Imports().Get(i).FileDescriptor)
		}
	}
	return &reflectionv1.ServerReflectionResponse_FileDescriptorResponse{FileDescriptorResponse: response}
}

func (a *answers) extensionNumbers(extended string) *reflectionv1.ServerReflectionResponse_AllExtensionNumbersResponse {
	response := &reflectionv1.ExtensionNumberResponse{BaseTypeName: extended}
	for _, number := range slices.Sorted(maps.Keys(a.state.extensions[protoreflect.FullName(extended)])) {
		response.ExtensionNumber = append(response.ExtensionNumber, int32(number))
	}
	return &reflectionv1.ServerReflectionResponse_AllExtensionNumbersResponse{AllExtensionNumbersResponse: response}
}
