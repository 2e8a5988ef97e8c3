package command

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// A Method is a unary method of a service, ready to be called with the payload of a
// command.
type Method struct {
	// Name is the simple name, by which commands call it.
	Name string
	// FullName is the name that interceptors see: "/package.Service/Method".
	FullName string

	handler grpc.MethodHandler
	input   protoreflect.MessageDescriptor
	output  protoreflect.MessageDescriptor
	// inputURL and outputURL are computed once, because comparing them is all that
	// happens to them for each command.
	inputURL, outputURL string
	// empty is the reply of a handler that returns nothing, where the method promises
	// google.protobuf.Empty.
	empty *anypb.Any
}

// Methods returns the unary methods of a service by name.
func Methods(desc *grpc.ServiceDesc, service protoreflect.ServiceDescriptor) map[string]*Method {
	methods := make(map[string]*Method, len(desc.Methods))
	for _, d := range desc.Methods {
		m := service.Methods().ByName(protoreflect.Name(d.MethodName))
		method := &Method{
			Name:      d.MethodName,
			FullName:  fmt.Sprintf("/%s/%s", desc.ServiceName, d.MethodName),
			handler:   d.Handler,
			input:     m.Input(),
			output:    m.Output(),
			inputURL:  protocol.TypeURLPrefix + string(m.Input().FullName()),
			outputURL: protocol.TypeURLPrefix + string(m.Output().FullName()),
		}
		if m.Output().FullName() == (&emptypb.Empty{}).ProtoReflect().Descriptor().FullName() {
			method.empty = &anypb.Any{TypeUrl: method.outputURL}
		}
		methods[d.MethodName] = method
	}
	return methods
}

// Call runs the handler of instance, with the interceptor around it unless that is
// nil. The handler decodes its request with decode.
func (m *Method) Call(ctx context.Context, instance any, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	return m.handler(instance, ctx, decode, interceptor)
}

// ErrNoReply is what a handler has done that returned neither a reply nor an error,
// although its method promises one (protocol section 3.3.3).
var ErrNoReply = errors.New("No reply or forward returned by command handler!") //nolint:revive,staticcheck // the text is the protocol's

// Reply encodes what a handler has returned. Nothing is enough where the method
// promises google.protobuf.Empty.
func (m *Method) Reply(returned any) (*anypb.Any, error) {
	if returned == nil {
		return m.emptyReply()
	}
	reply, ok := returned.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%s: replied with a %T, which is not a protobuf message", m.FullName, returned)
	}
	r := reply.ProtoReflect()
	if r.Descriptor() != m.output && r.Descriptor().FullName() != m.output.FullName() {
		return nil, fmt.Errorf("%s: replied with %s, want %s", m.FullName, r.Descriptor().FullName(), m.output.FullName())
	}
	if !r.IsValid() || m.empty != nil {
		return m.emptyReply()
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(reply)
	if err != nil {
		return nil, fmt.Errorf("%s: encode the reply: %w", m.FullName, err)
	}
	return &anypb.Any{TypeUrl: m.outputURL, Value: value}, nil
}

func (m *Method) emptyReply() (*anypb.Any, error) {
	if m.empty == nil {
		return nil, ErrNoReply
	}
	return m.empty, nil
}
