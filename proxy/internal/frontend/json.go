package frontend

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/transcode"
)

// httpWire is the wire of a call over HTTP, whose requests have been read.
type httpWire struct {
	*output

	request  *http.Request
	requests [][]byte // that are left
	replies  replies
}

// replies are how a response has the replies of a call.
type replies interface {
	send(reply []byte) error
	// end ends the response, with the status of the call.
	end(err error)
}

func (w *httpWire) Context() context.Context { return w.request.Context() }

// Metadata implements Call. Headers that are for the connection only are named in one.
func (w *httpWire) Metadata() *protocol.Metadata {
	header := w.request.Header
	if named := header.Values("Connection"); len(named) > 0 {
		header = header.Clone()
		for name := range strings.SplitSeq(strings.Join(named, ","), ",") {
			header.Del(strings.TrimSpace(name))
		}
	}
	return requestMetadata(header, func(_, value string) string { return value })
}

func (w *httpWire) recv() ([]byte, error) {
	if len(w.requests) == 0 {
		return nil, io.EOF
	}
	first := w.requests[0]
	w.requests = w.requests[1:]
	return first, nil
}

func (w *httpWire) send(reply []byte) error { return w.replies.send(reply) }

// serveJSON carries out the call that a request stands for.
func (s *Server) serveJSON(out *output, r *http.Request, transcoder *transcode.Transcoder, to *route, values []string) {
	message, err := s.readMessage(out, r, transcoder, to, values)
	if err != nil {
		var refused *refusal
		if !errors.As(err, &refused) {
			refused = &refusal{code: http.StatusBadRequest, err: err}
		}
		out.text(refused.code, refused.Error())
		return
	}
	wire := &httpWire{output: out, request: r, requests: [][]byte{message}}
	wire.replies = newReplies(out, r, &printer{Transcoder: transcoder, route: to, output: out, fault: s.config.OnFault})
	err = s.run(r.Context(), &call{wire: wire, method: to.method})
	if errors.Is(err, errNoReply) {
		err = status.Error(codes.Internal, "head of empty stream") // as the reference proxy has it
	}
	wire.replies.end(err)
}

// readMessage returns the only message of a request.
func (s *Server) readMessage(out *output, r *http.Request, transcoder *transcode.Transcoder, to *route, values []string) ([]byte, error) {
	// Even if it does not matter: a connection is not watched before the body has been read.
	body, err := readEntity(out, r, int64(s.config.MaxMessageSize))
	if err != nil {
		return nil, err
	}
	request := transcode.Request{Variables: values, Query: r.URL.RawQuery, ContentType: r.Header.Get("Content-Type"), Body: body}
	return transcoder.Request(to.method.Descriptor, to.Binding, request)
}

// newReplies chooses how the replies of a method are sent (protocol section 8.5).
func newReplies(out *output, r *http.Request, p *printer) replies {
	isBody := transcode.IsBody(p.method.Descriptor, p.Binding)
	switch streamed := p.method.Descriptor.IsStreamingServer(); {
	case !streamed && isBody:
		return &one{output: out, format: p.body}
	case !streamed:
		return &one{output: out, format: p.json}
	case acceptsEvents(r):
		return &events{output: out, format: p.json}
	case isBody:
		return &stream{output: out, format: p.piece, contentType: defaultBody}
	default:
		return &stream{output: out, format: p.line, contentType: jsonType}
	}
}

// acceptsEvents says whether a client wants server-sent events.
func acceptsEvents(r *http.Request) bool {
	return slices.ContainsFunc(r.Header.Values("Accept"), func(accepted string) bool {
		return strings.Contains(strings.ToLower(accepted), eventsType)
	})
}
