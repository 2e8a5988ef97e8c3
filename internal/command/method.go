package command

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// emptyName is the full name of google.protobuf.Empty.
const emptyName = "google.protobuf.Empty"

// A Method is a method of a service, ready to be called with the payload of a command.
type Method struct {
	// Name is the simple name, by which commands call it.
	Name string
	// FullName is the name that interceptors see: "/package.Service/Method".
	FullName string
	// ReplyURL is the type URL of replies.
	ReplyURL string

	handler grpc.MethodHandler
	input   protoreflect.MessageDescriptor
	output  protoreflect.MessageDescriptor
	// inputURL is computed once, because comparing it is all that happens to it for each
	// command.
	inputURL string
	// returnsEmpty is whether the method promises google.protobuf.Empty.
	returnsEmpty bool
}

// Methods returns the unary methods of a service by name.
func Methods(desc *grpc.ServiceDesc, service protoreflect.ServiceDescriptor) map[string]*Method {
	methods := make(map[string]*Method, len(desc.Methods))
	for _, d := range desc.Methods {
		methods[d.MethodName] = newMethod(service.Methods().ByName(protoreflect.Name(d.MethodName)))
		methods[d.MethodName].handler = d.Handler
	}
	return methods
}

// A StreamMethod is a method with a stream of requests, of replies, or of both.
type StreamMethod struct {
	*Method

	// Desc is how generated code describes it.
	Desc *grpc.StreamDesc
}

// StreamMethods returns the streaming methods of a service by name.
func StreamMethods(desc *grpc.ServiceDesc, service protoreflect.ServiceDescriptor) map[string]*StreamMethod {
	methods := make(map[string]*StreamMethod, len(desc.Streams))
	for i := range desc.Streams {
		d := &desc.Streams[i]
		methods[d.StreamName] = &StreamMethod{newMethod(service.Methods().ByName(protoreflect.Name(d.StreamName))), d}
	}
	return methods
}

func newMethod(m protoreflect.MethodDescriptor) *Method {
	return &Method{
		Name:         string(m.Name()),
		FullName:     fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()),
		ReplyURL:     protocol.TypeURLPrefix + string(m.Output().FullName()),
		input:        m.Input(),
		output:       m.Output(),
		inputURL:     protocol.TypeURLPrefix + string(m.Input().FullName()),
		returnsEmpty: m.Output().FullName() == emptyName,
	}
}

// Call runs the handler of instance, with the interceptor around it unless that is
// nil. The handler decodes its request with decode.
func (m *Method) Call(ctx context.Context, instance any, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	return m.handler(instance, ctx, decode, interceptor)
}

// ErrNoReply is what a handler has done that returned neither a reply nor an error,
// although its method promises one (protocol section 3.3.3).
var ErrNoReply = errors.New("No reply or forward returned by command handler! Return a message that is not nil, an error, or what entity.Forward returned.") //nolint:revive,staticcheck // the text is the protocol's

// AppendReply appends the encoding of what a handler has returned to dst, and returns the
// extended buffer. Nothing is enough where the method promises google.protobuf.Empty.
func (m *Method) AppendReply(dst []byte, returned any) ([]byte, error) {
	if returned == nil {
		return dst, m.checkNothing()
	}
	reply, ok := returned.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%s: replied with a %T, which is not a protobuf message", m.FullName, returned)
	}
	r := reply.ProtoReflect()
	if r.Descriptor() != m.output && r.Descriptor().FullName() != m.output.FullName() {
		return nil, fmt.Errorf("%s: replied with %s, want %s", m.FullName, r.Descriptor().FullName(), m.output.FullName())
	}
	if !r.IsValid() {
		return dst, m.checkNothing()
	}
	dst, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, reply)
	if err != nil {
		return nil, fmt.Errorf("%s: encode the reply: %w", m.FullName, err)
	}
	return dst, nil
}

// checkNothing returns an error unless m may reply with nothing.
func (m *Method) checkNothing() error {
	if m.returnsEmpty {
		return nil
	}
	return ErrNoReply
}
