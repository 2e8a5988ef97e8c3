package conformance

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/probepb"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// proxyFrontendChecks are those of gRPC clients.
var proxyFrontendChecks = checks[*rig]{
	"P-165": {
		"a request to an entity": checkEntityBytes,
		"a request to an action": checkActionBytes,
	},
	"P-166": {
		"twice":            checkWrongReplyType,
		"the right type":   checkRightReplyType,
		"each of a stream": checkWrongReplyTypeOfStream,
	},
	"P-183": {
		"the list of services":             checkServiceList,
		"an unknown symbol":                checkUnknownSymbol,
		"a known symbol":                   checkKnownSymbol,
		"the file that declares a service": checkServiceFiles,
	},
	"P-184": {
		"an unknown method of a service":       func(t *trial, r *rig) { checkUnknownMethod(t, r, "/"+eventSourcedTwoName+"/No") },
		"an unknown service":                   func(t *trial, r *rig) { checkUnknownMethod(t, r, "/no.Such/Call") },
		"a service that is no entity":          func(t *trial, r *rig) { checkUnknownMethod(t, r, "/cloudstate.EntityDiscovery/discover") },
		"a name that differs in its case only": func(t *trial, r *rig) { checkUnknownMethod(t, r, "/"+eventSourcedTwoName+"/call") },
	},
	"P-186": {"a request to an entity": checkCompressedRequest},
}

// raw is a codec for messages that are bytes already. It calls itself proto.
type raw struct{}

func (raw) Name() string { return "proto" }

// Marshal returns the bytes.
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	data, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("encode a %T, want bytes", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal stores the bytes.
func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	to, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("decode into a %T, want a pointer to bytes", v)
	}
	*to = data.Materialize()
	return nil
}

// odd returns a message as no encoder writes it: fields out of order, twice, and unknown.
func odd(message proto.Message) []byte {
	encoded := encode(message)
	data := protowire.AppendTag(nil, 1000, protowire.BytesType)
	data = protowire.AppendString(data, "unknown")
	data = append(data, encoded...)
	data = append(data, encoded...) // singular fields count once
	data = protowire.AppendTag(data, 1001, protowire.VarintType)
	return append(data, 0x81, 0x00) // a one in two bytes
}

// requireOdd calls with bytes, and requires that the user function gets them, and that the
// client gets bytes that the user function has sent.
func (r *rig) requireOdd(t *trial, path string, request []byte, accept func() (d *dialogue, got *anypb.Any), reply func(*dialogue, *anypb.Any), inputURL string) {
	stream, err := r.proxy.Conn.NewStream(t.Context(), &grpc.StreamDesc{}, path, grpc.ForceCodecV2(raw{}))
	if err != nil {
		t.Fatalf("call %s: %v", path, err)
	}
	if err := stream.SendMsg(request); err != nil {
		t.Fatalf("call %s: %v", path, err)
	}
	d, got := accept()
	requireEqual(t, &anypb.Any{TypeUrl: inputURL, Value: request}, got, "the payload of the command")
	answer := odd(&probepb.Fields{Text: "reply"})
	reply(d, &anypb.Any{TypeUrl: inputURL, Value: answer})
	var back []byte
	if err := stream.RecvMsg(&back); err != nil {
		t.Fatalf("the call of %s has failed: %v", path, err)
	}
	if !slices.Equal(back, answer) {
		t.Fatalf("the client has got the bytes %x, want %x as the user function has sent them", back, answer)
	}
}

func checkEntityBytes(t *trial, r *rig) {
	e := r.scripted(t, eventSourcedKind, eventSourcedTwoName)
	request := odd(&eventsourcedmodel.Request{Id: e.id})
	url := pack(&eventsourcedmodel.Request{}).GetTypeUrl()
	output := pack(&eventsourcedmodel.Response{}).GetTypeUrl()
	r.requireOdd(t, "/"+e.service+"/Call", request, func() (*dialogue, *anypb.Any) {
		d := e.accept()
		d.require(e.init(), e.kind.command(&protocol.Command{EntityId: e.id, Id: 1, Name: "Call", Payload: &anypb.Any{TypeUrl: url, Value: request}}))
		return d, &anypb.Any{TypeUrl: url, Value: request}
	}, func(d *dialogue, payload *anypb.Any) {
		payload.TypeUrl = output
		d.say(e.kind.reply(1, &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: &protocol.Reply{Payload: payload}}}))
	}, url)
}

func checkActionBytes(t *trial, r *rig) {
	request := odd(&probepb.Fields{Text: r.newID("odd")})
	matches := func(d *dialogue) *anypb.Any {
		command, ok := d.message().(*actionpb.ActionCommand)
		if !ok {
			t.Fatalf("want a command of an action")
		}
		return command.GetPayload()
	}
	r.requireOdd(t, "/"+probeName+"/Plain", request, func() (*dialogue, *anypb.Any) {
		d := r.acceptMatching(t, withBytes(probeName, "Plain", request), "for the command Plain with these bytes")
		return d, matches(d)
	}, func(d *dialogue, payload *anypb.Any) {
		d.say(&actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{Reply: &protocol.Reply{Payload: payload}}})
		d.End(nil)
	}, pack(&probepb.Fields{}).GetTypeUrl())
}

// wrongType returns a reply whose type URL is not that of its message, and what the proxy says
// of it.
func wrongType(service, command string, reply proto.Message) (payload *anypb.Any, report string) {
	right := pack(reply)
	payload = &anypb.Any{TypeUrl: "json.cloudstate.io/wrong", Value: right.GetValue()}
	return payload, fmt.Sprintf("Warning: %s.%s: Expected reply type_url to be [%s] but was [%s].", service, command, right.GetTypeUrl(), payload.GetTypeUrl())
}

func checkWrongReplyType(t *trial, r *rig) {
	r.claim(t, "reports of the type of replies of "+valueTwoName)
	e := r.scripted(t, valueEntityKind, valueTwoName)
	d := e.begin()
	payload, report := wrongType(e.service, "Call", e.kind.echo("here"))
	for id := range int64(2) {
		call := e.call()
		d.require(e.command(id + 2))
		d.say(e.kind.reply(id+2, &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: &protocol.Reply{Payload: payload}}}))
		call.requireReply(e.kind.echo("here"))
		r.requireReport(t, report)
	}
}

// checkRightReplyType replies without fault. Should the proxy report something, the suite
// will find it at its end.
func checkRightReplyType(t *trial, r *rig) {
	e := r.scripted(t, valueEntityKind, valueTwoName)
	call := e.call()
	d := e.accept()
	d.require(e.init(), e.command(1))
	d.say(e.kind.reply(1, replyWith(e.kind.echo("here"))))
	call.requireReply(e.kind.echo("here"))
}

func checkWrongReplyTypeOfStream(t *trial, r *rig) {
	request := &probepb.Fields{Text: r.newID("stream")}
	s := r.watch(t, probeName, "Watch", request, &probepb.Fields{})
	d := r.acceptRequest(t, probeName, "Watch", request)
	d.requireHeader(probeName, "Watch", request)
	payload, report := wrongType(probeName, "Watch", &probepb.Fields{Text: "here"})
	for range 3 {
		d.say(&actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{Reply: &protocol.Reply{Payload: payload}}})
		s.requireReply(&probepb.Fields{Text: "here"})
		r.requireReport(t, report)
	}
	d.End(nil)
	s.requireEnd()
}

// reflect asks the reflection service, all on one stream.
func (r *rig) reflect(t *trial, requests ...*reflectionv1.ServerReflectionRequest) []*reflectionv1.ServerReflectionResponse {
	s := r.stream(t, strings.Trim(path.Dir(reflection), "/"), path.Base(reflection), grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, &reflectionv1.ServerReflectionResponse{})
	responses := make([]*reflectionv1.ServerReflectionResponse, 0, len(requests))
	for _, request := range requests {
		s.send(request)
		reply, err := s.receive()
		if err != nil {
			t.Fatalf("ask the reflection service for %v: %v", request, err)
		}
		response, ok := reply.(*reflectionv1.ServerReflectionResponse)
		if !ok {
			t.Fatalf("want a response of the reflection service, got %v", reply)
		}
		responses = append(responses, response)
	}
	return responses
}

func checkServiceList(t *trial, r *rig) {
	request := &reflectionv1.ServerReflectionRequest{
		Host: "some host", MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{ListServices: "nonsense.blabla."},
	}
	entities := r.spec.Load().GetEntities()
	names := make([]string, 0, len(entities))
	for _, e := range entities {
		names = append(names, e.GetServiceName())
	}
	slices.Sort(names)
	list := &reflectionv1.ListServiceResponse{}
	for _, name := range append([]string{"grpc.reflection.v1alpha.ServerReflection"}, names...) {
		list.Service = append(list.Service, &reflectionv1.ServiceResponse{Name: name})
	}
	requireEqual(t, &reflectionv1.ServerReflectionResponse{
		ValidHost: "some host", OriginalRequest: request,
		MessageResponse: &reflectionv1.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list},
	}, r.reflect(t, request)[0], "the services")
}

// asksFor returns a request for the file that declares something.
func asksFor(symbol string) *reflectionv1.ServerReflectionRequest {
	return &reflectionv1.ServerReflectionRequest{
		Host: "some host", MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
	}
}

func checkUnknownSymbol(t *trial, r *rig) {
	request := asksFor("nonsense.blabla.Void")
	requireEqual(t, &reflectionv1.ServerReflectionResponse{
		ValidHost: "some host", OriginalRequest: request,
		MessageResponse: &reflectionv1.ServerReflectionResponse_FileDescriptorResponse{
			FileDescriptorResponse: &reflectionv1.FileDescriptorResponse{},
		},
	}, r.reflect(t, request)[0], "the files of an unknown symbol")
}

func checkKnownSymbol(t *trial, r *rig) {
	request := asksFor("cloudstate.tck.model.action.Request")
	response := r.reflect(t, request)[0]
	requireEqual(t, request, response.GetOriginalRequest(), "the request in the response")
	if response.GetValidHost() != "some host" {
		t.Errorf("the host is %q, want %q", response.GetValidHost(), "some host")
	}
	requireFile(t, filesOf(t, response), actionmodel.File_cloudstate_tck_model_action_proto.Path())
}

// filesOf returns the files in a response.
func filesOf(t *trial, response *reflectionv1.ServerReflectionResponse) *descriptorpb.FileDescriptorSet {
	set := &descriptorpb.FileDescriptorSet{}
	for _, encoded := range response.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(encoded, file); err != nil { //nolint:forbidigo // descriptors have no type URL
			t.Fatalf("a file in the response: %v", err)
		}
		set.File = append(set.File, file)
	}
	return set
}

func requireFile(t *trial, set *descriptorpb.FileDescriptorSet, path string) {
	if !slices.ContainsFunc(set.GetFile(), func(f *descriptorpb.FileDescriptorProto) bool { return f.GetName() == path }) {
		t.Fatalf("the file %s is not in the response: %v", path, set)
	}
}

// checkServiceFiles asks for two services on one stream, whose files and imports each come
// once.
func checkServiceFiles(t *trial, r *rig) {
	all := &descriptorpb.FileDescriptorSet{}
	for _, response := range r.reflect(t, asksFor(actionModelName), asksFor(eventSourcedModelName)) {
		all.File = append(all.File, filesOf(t, response).GetFile()...)
	}
	seen := map[string]bool{}
	for _, file := range all.GetFile() {
		if seen[file.GetName()] {
			t.Errorf("the file %s came twice on one stream, want each once", file.GetName())
		}
		seen[file.GetName()] = true
	}
	files, err := protodesc.NewFiles(all)
	if err != nil {
		t.Fatalf("the files do not fit together, want all that they import: %v", err)
	}
	for _, name := range []string{actionModelName, eventSourcedModelName} {
		if _, err := files.FindDescriptorByName(protoreflect.FullName(name)); err != nil {
			t.Errorf("the files do not declare %s: %v", name, err)
		}
	}
}

func checkUnknownMethod(t *trial, r *rig, path string) {
	err := r.proxy.Conn.Invoke(t.Context(), path, &probepb.Fields{}, &probepb.Fields{})
	if status.Code(err) != codes.Unimplemented {
		t.Fatalf("%s: got %v, want the status %v", path, err, codes.Unimplemented)
	}
}

func checkCompressedRequest(t *trial, r *rig) {
	e := r.specimen(t, eventSourcedKind, eventSourcedTwoName)
	e.call(grpc.UseCompressor(gzip.Name)).requireReply(e.kind.response)
	e.accept().require(e.init(), e.command(1))
}
