package testkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
)

// A Stub stands in for a service that is not under test: forwards, side effects and calls
// reach it, whatever kind of component the service really is. It is a component of the kit:
//
//	prices := testkit.NewStub(&pricingpb.Pricing_ServiceDesc)
//	prices.Reply(pricingpb.Pricing_Quote_FullMethodName, &pricingpb.Price{Cents: 500})
//	kit := testkit.New(t, cart.Entity, prices)
//
// A method of which the stub was not told anything replies with an empty message. What it was
// called with is in [Kit.Await] and [Kit.OutcomesOf]. A name that is no method of the service
// fails the test. For more than fixed answers, an
// action.Action with a type of the test's own does.
//
// A Stub is safe for concurrent use.
type Stub struct {
	*action.Action

	mu      sync.Mutex
	answers map[string]answer
}

// An answer is what a method of a stub does.
type answer struct {
	replies []proto.Message
	err     error
}

var _ cloudstate.Component = (*Stub)(nil)

// NewStub returns a stub for a service. If its generated code does not come from protoc-gen-go
// and protoc-gen-go-grpc, the kit does not start.
func NewStub(service *grpc.ServiceDesc) *Stub {
	s := &Stub{answers: map[string]answer{}}
	desc := &grpc.ServiceDesc{ServiceName: service.ServiceName, HandlerType: (*any)(nil), Metadata: service.Metadata}
	for _, m := range service.Methods {
		desc.Methods = append(desc.Methods, grpc.MethodDesc{MethodName: m.MethodName, Handler: s.unary(m.MethodName)})
	}
	for _, m := range service.Streams {
		m.Handler = s.streamed(m.StreamName)
		desc.Streams = append(desc.Streams, m)
	}
	s.Action = &action.Action{Service: desc, Server: s}
	return s
}

// Reply lets a method reply with a message, a stream with several, and returns the stub. The
// name is one of the constants of generated code, such as
// pb.ShoppingCart_AddItem_FullMethodName.
func (s *Stub) Reply(method string, replies ...proto.Message) *Stub {
	return s.set(method, answer{replies: replies})
}

// Fail lets a method fail with an error, as a handler returns it, and returns the stub.
func (s *Stub) Fail(method string, err error) *Stub {
	return s.set(method, answer{err: err})
}

func (s *Stub) set(method string, a answer) *Stub {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[method] = a
	return s
}

// check returns what is wrong with what the stub was told.
func (s *Stub) check() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var mistakes []error
	for _, full := range slices.Sorted(maps.Keys(s.answers)) {
		name, ours := strings.CutPrefix(full, "/"+s.Service.ServiceName+"/")
		method, err := s.method(name)
		switch a := s.answers[full]; {
		case !ours || err != nil:
			mistakes = append(mistakes, fmt.Errorf("the stub of %s was told what %s does, which is none of its methods", s.Service.ServiceName, full))
		case a.err == nil && !method.IsStreamingServer() && len(a.replies) != 1:
			mistakes = append(mistakes, fmt.Errorf("the stub of %s was told %d replies of %s, want one, because it does not stream", s.Service.ServiceName, len(a.replies), name))
		}
	}
	return errors.Join(mistakes...)
}

// answer returns what a method does, with an empty reply for one that was not told anything.
func (s *Stub) answer(name string) ([]proto.Message, error) {
	s.mu.Lock()
	a, told := s.answers["/"+s.Service.ServiceName+"/"+name]
	s.mu.Unlock()
	if a.err != nil || told {
		return a.replies, a.err
	}
	method, err := s.method(name)
	if err != nil {
		return nil, err
	}
	reply, err := newMessage(method.Output())
	return []proto.Message{reply}, err
}

func (s *Stub) method(name string) (protoreflect.MethodDescriptor, error) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(s.Service.ServiceName + "." + name))
	if err != nil {
		return nil, err
	}
	method, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no method", found.FullName())
	}
	return method, nil
}

// request returns an empty request of a method.
func (s *Stub) request(name string) (proto.Message, error) {
	method, err := s.method(name)
	if err != nil {
		return nil, err
	}
	return newMessage(method.Input())
}

func newMessage(descriptor protoreflect.MessageDescriptor) (proto.Message, error) {
	typ, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	if err != nil {
		return nil, err
	}
	return typ.New().Interface(), nil
}

// unary returns the handler of a method, in the form of generated code.
func (s *Stub) unary(name string) grpc.MethodHandler {
	return func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		request, err := s.request(name)
		if err != nil {
			return nil, err
		}
		if err := decode(request); err != nil {
			return nil, err
		}
		handle := func(context.Context, any) (any, error) {
			replies, err := s.answer(name)
			if err != nil || len(replies) == 0 {
				return nil, err
			}
			return replies[0], nil
		}
		if interceptor == nil {
			return handle(ctx, request)
		}
		return interceptor(ctx, request, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/" + s.Service.ServiceName + "/" + name}, handle)
	}
}

// streamed returns the handler of a method that streams: it takes all requests, and replies.
func (s *Stub) streamed(name string) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		for {
			request, err := s.request(name)
			if err != nil {
				return err
			}
			err = stream.RecvMsg(request)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		replies, err := s.answer(name)
		for _, reply := range replies {
			if err := stream.SendMsg(reply); err != nil {
				return err
			}
		}
		return err
	}
}
