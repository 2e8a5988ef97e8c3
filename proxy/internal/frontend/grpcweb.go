package frontend

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// What begins the content types of gRPC-Web: messages as they are, and in base64.
const (
	webType     = "application/grpc-web"
	webTextType = "application/grpc-web-text"
)

// isWeb says whether a request is gRPC-Web (protocol section 8.1).
func isWeb(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), webType)
}

// serveWeb carries out a call of gRPC-Web. Whatever its outcome, the response is 200, and
// the status of the call comes at its end.
func (s *Server) serveWeb(out *output, r *http.Request) {
	encoding := webEncodingOf(r)
	replies := &webReplies{output: out, encoding: encoding.answer(r)}
	replies.end(s.callWeb(out, r, encoding, replies))
}

func (s *Server) callWeb(out *output, r *http.Request, encoding webEncoding, replies replies) error {
	method, err := s.findWeb(r, encoding)
	if err != nil {
		return err
	}
	body, err := readEntity(out, r, webBodyLimit(s.config.MaxMessageSize))
	if err != nil {
		return webStatus(err)
	}
	requests, err := encoding.messages(body, r.Header.Get("Grpc-Encoding"), s.config.MaxMessageSize)
	if err != nil {
		return webStatus(err)
	}
	ctx := r.Context()
	if timeout, ok := parseTimeout(r.Header.Get("Grpc-Timeout")); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	wire := &httpWire{output: out, request: r.WithContext(ctx), requests: requests, replies: replies}
	return s.run(ctx, &call{wire: wire, method: method})
}

// findWeb returns the method that is called.
func (s *Server) findWeb(r *http.Request, encoding webEncoding) (*spec.Method, error) {
	if r.Method != http.MethodPost {
		return nil, status.Errorf(codes.Unimplemented, "the HTTP method is %s, want POST", r.Method)
	}
	if !encoding.known {
		return nil, status.Errorf(codes.Unimplemented, "content type %q is not supported; send %s+proto or %s+proto", r.Header.Get("Content-Type"), webType, webTextType)
	}
	current, err := s.published(r.Context())
	if err != nil {
		return nil, err
	}
	method := current.spec.MethodByPath(r.URL.Path)
	if method == nil {
		return nil, unknown(current.spec, r.URL.Path)
	}
	return method, nil
}

// webStatus returns the status of a call whose requests cannot be read.
func webStatus(err error) error {
	refused, ok := errors.AsType[*refusal](err)
	if ok && refused.code == http.StatusRequestEntityTooLarge {
		return status.Error(codes.ResourceExhausted, refused.err.Error())
	}
	return status.Error(codes.InvalidArgument, err.Error())
}

// webReplies are the replies of a call of gRPC-Web.
type webReplies struct {
	output   *output
	encoding webEncoding
}

func (w *webReplies) send(reply []byte) error {
	return w.output.stream(w.encoding.contentType(), w.encoding.frame(0, reply))
}

// end sends the trailers, of which there are two.
func (w *webReplies) end(err error) {
	ended := status.Convert(err)
	_ = w.output.stream(w.encoding.contentType(), w.encoding.frame(trailersFlag, webTrailers(ended))) // nobody is left to be told
}
