package conformance

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/internal/probepb"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// proxyFrontendMutations are those of what clients see.
var proxyFrontendMutations = brokenProxies{
	"P-166": {
		"another text":          anotherReport,
		"nothing is reported":   unreported,
		"the reply is refused":  eachTaken(func(m proto.Message) { refuseType(m) }),
		"all replies are wrong": eachTaken(func(m proto.Message) { wrongURL(m) }),
	},
	"P-183": {
		"services in another order": reflected(func(r *reflectionv1.ServerReflectionResponse) {
			slices.Reverse(r.GetListServicesResponse().GetService())
		}),
		"the service of reflection is missing": reflected(func(r *reflectionv1.ServerReflectionResponse) {
			if list := r.GetListServicesResponse(); list != nil {
				list.Service = list.GetService()[1:]
			}
		}),
		"an error for an unknown symbol": reflected(func(r *reflectionv1.ServerReflectionResponse) {
			if f := r.GetFileDescriptorResponse(); f != nil && len(f.GetFileDescriptorProto()) == 0 {
				r.MessageResponse = &reflectionv1.ServerReflectionResponse_ErrorResponse{ErrorResponse: &reflectionv1.ErrorResponse{ErrorCode: 5}}
			}
		}),
		"no echo of the host":    reflected(func(r *reflectionv1.ServerReflectionResponse) { r.ValidHost = "" }),
		"no echo of the request": reflected(func(r *reflectionv1.ServerReflectionResponse) { r.OriginalRequest = nil }),
		"a file is missing": reflected(func(r *reflectionv1.ServerReflectionResponse) {
			if f := r.GetFileDescriptorResponse(); len(f.GetFileDescriptorProto()) > 1 {
				f.FileDescriptorProto = f.GetFileDescriptorProto()[1:]
			}
		}),
	},
	"P-184": {"another code": failures(func(s *status.Status) error { return status.Error(codes.NotFound, s.Message()) })},
	"P-186": {"compression is refused": {begin: func(opts []grpc.CallOption) error {
		for _, o := range opts {
			if _, ok := o.(grpc.CompressorCallOption); ok {
				return status.Error(codes.Unimplemented, "compression is not supported")
			}
		}
		return nil
	}}},
	"P-175": {
		"another status": statusOf(http.StatusNotFound, http.StatusOK),
		"default rules for all": {responded: func(r *http.Response) error {
			if r.StatusCode == http.StatusNotFound {
				r.StatusCode = http.StatusBadRequest
			}
			return nil
		}},
	},
	"P-176": {"the body overrides the path": eachCommand(func(c *protocol.Command) {
		request := &eventsourcedmodel.Request{}
		if proto.Unmarshal(c.GetPayload().GetValue(), request) == nil && len(request.GetActions()) > 0 {
			request.Id = "another"
			c.Payload = pack(request)
		}
	})},
	"P-177": {
		"with white space": bodyOf(func(body []byte) []byte { return bytes.ReplaceAll(body, []byte(`":`), []byte(`": `)) }),
		"another content type": {responded: func(r *http.Response) error {
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			return nil
		}},
		"without defaults": bodyOf(func(body []byte) []byte { return bytes.ReplaceAll(body, []byte(`"message":""`), nil) }),
	},
	"P-178": {
		"another status": statusOf(http.StatusInternalServerError, http.StatusOK),
		"another text":   bodyOf(func(body []byte) []byte { return append([]byte("error: "), body...) }),
	},
	"P-179": {"another status": statusOf(http.StatusBadRequest, http.StatusInternalServerError), "it is accepted": statusOf(http.StatusBadRequest, http.StatusOK)},
	"P-180": {
		"only one value of a list": eachProbe(func(f *probepb.Fields) { f.List = f.GetList()[:min(1, len(f.GetList()))] }),
		"it is accepted":           statusOf(http.StatusBadRequest, http.StatusOK),
	},
	"P-181": {
		"the field is in a message": bodyOf(func(body []byte) []byte { return slices.Concat([]byte(`{"value":`), body, []byte(`}`)) }),
		"additional bindings are unknown": {responded: func(r *http.Response) error {
			if r.Request.URL.Path != "/probe/nested" {
				r.StatusCode = http.StatusNotFound
			}
			return nil
		}},
		"the body is left out": eachProbe(func(f *probepb.Fields) { f.Nested = nil }),
	},
	"P-182": {"another content type": {responded: func(r *http.Response) error {
		r.Header.Set("Content-Type", "text/plain")
		return nil
	}}},
	"P-185": {"another text": anotherReport, "nothing is reported": unreported},
	"P-187": {"there is no response": {responded: func(*http.Response) error { return errors.New("connection refused") }}},
	"P-188": {
		"another status": statusOf(http.StatusOK, http.StatusNotFound),
		"another text":   bodyOf(func(body []byte) []byte { return append(body, '\n') }),
	},
}

// reflected changes the responses of the reflection service.
func reflected(change func(r *reflectionv1.ServerReflectionResponse)) proxyMutation {
	return proxyMutation{received: func(_ string, reply any, err error) error {
		if r, ok := reply.(*reflectionv1.ServerReflectionResponse); ok && err == nil {
			change(r)
		}
		return err
	}}
}

// refuseType makes a failure of a reply of another type.
func refuseType(m proto.Message) {
	if r := replyOf(m); r != nil && r.GetClientAction().GetReply().GetPayload().GetTypeUrl() == "json.cloudstate.io/wrong" {
		r.GetClientAction().Action = failWith(r.GetCommandId(), "wrong type").GetAction()
	}
}

// wrongURL changes the type of replies of entities.
func wrongURL(m proto.Message) {
	if r := replyOf(m); r != nil && r.GetClientAction().GetReply() != nil {
		r.GetClientAction().GetReply().Payload.TypeUrl = "type.googleapis.com/no.Such"
	}
}

// statusOf replaces a status of HTTP.
func statusOf(of, by int) proxyMutation {
	return proxyMutation{responded: func(r *http.Response) error {
		if r.StatusCode == of {
			r.StatusCode = by
		}
		return nil
	}}
}

// bodyOf changes the bodies of responses.
func bodyOf(change func(body []byte) []byte) proxyMutation {
	return proxyMutation{responded: func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		err = errors.Join(err, r.Body.Close())
		r.Body = io.NopCloser(bytes.NewReader(change(body)))
		return err
	}}
}

// eachProbe changes the requests that the probe gets.
func eachProbe(change func(f *probepb.Fields)) proxyMutation {
	return eachSent(func(m proto.Message) {
		c, ok := m.(*actionpb.ActionCommand)
		if !ok || c.GetServiceName() != probeName {
			return
		}
		fields := &probepb.Fields{}
		if proto.Unmarshal(c.GetPayload().GetValue(), fields) == nil {
			change(fields)
			c.Payload = pack(fields)
		}
	})
}
