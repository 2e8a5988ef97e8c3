package frontend

import (
	"cmp"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/internal/transcode"
)

// Content types of responses.
const (
	jsonType    = "application/json"
	eventsType  = "text/event-stream"
	defaultBody = "application/octet-stream"
)

// A format returns what a response has for a reply, and the content type.
type format func(reply []byte) (data []byte, contentType string, err error)

// A printer prints the replies of a method.
type printer struct {
	*transcode.Transcoder
	*route

	output *output
	fault  func(method *spec.Method, err error)
}

func (p *printer) json(reply []byte) ([]byte, string, error) {
	data, err := p.JSON(p.method.Descriptor, p.Binding, reply)
	return data, jsonType, p.blame(err)
}

// line prints JSON on a line.
func (p *printer) line(reply []byte) ([]byte, string, error) {
	data, contentType, err := p.json(reply)
	return append(data, '\n'), contentType, err
}

// body prints a google.api.HttpBody.
func (p *printer) body(reply []byte) ([]byte, string, error) {
	body, err := p.Body(p.method.Descriptor, p.Binding, reply)
	return body.Data, cmp.Or(body.ContentType, defaultBody), p.blame(err)
}

// piece prints a google.api.HttpBody of a stream, whose content type may be in metadata.
func (p *printer) piece(reply []byte) ([]byte, string, error) {
	data, contentType, err := p.body(reply)
	return data, cmp.Or(p.output.contentType, contentType), err
}

// blame returns the status for a reply that cannot be printed. That is the fault of the
// user function.
func (p *printer) blame(err error) error {
	if err == nil {
		return nil
	}
	p.fault(p.method, err)
	return status.Error(codes.Internal, err.Error())
}

// one is the response of a method with one reply, which is not sent before the call has
// ended well.
type one struct {
	output *output
	format format

	data        []byte
	contentType string
}

func (o *one) send(reply []byte) (err error) {
	o.data, o.contentType, err = o.format(reply)
	return err
}

func (o *one) end(err error) {
	if err != nil {
		o.output.fail(err)
		return
	}
	o.output.whole(http.StatusOK, o.contentType, o.data)
}

// stream is the response of a method with a stream of replies, one after the other.
type stream struct {
	output *output
	format format
	// contentType is that of a response without replies.
	contentType string
}

func (s *stream) send(reply []byte) error {
	data, contentType, err := s.format(reply)
	if err != nil {
		return err
	}
	return s.output.stream(contentType, data)
}

// end breaks a response that has failed halfway. There is no other way to tell that it is
// not complete.
func (s *stream) end(err error) {
	switch {
	case err == nil && !s.output.started:
		s.output.start(http.StatusOK, s.contentType)
	case err != nil && !s.output.started:
		s.output.fail(err)
	case err != nil:
		s.output.abort()
	}
}

// events is a response of server-sent events.
type events struct {
	output *output
	format format
}

func (e *events) send(reply []byte) error {
	data, _, err := e.format(reply)
	if err != nil {
		return err
	}
	return e.event("data: " + string(data) + "\n\n")
}

func (e *events) event(event string) error {
	if !e.output.started && e.output.Header().Get("Cache-Control") == "" {
		e.output.Header().Set("Cache-Control", "no-cache") // as the standard recommends
	}
	return e.output.stream(eventsType, []byte(event))
}

// end tells of a failure by an event of the type error.
func (e *events) end(err error) {
	switch {
	case err == nil && !e.output.started:
		e.output.start(http.StatusOK, eventsType)
	case err != nil && !e.output.started:
		e.output.fail(err)
	case err != nil:
		lines := strings.FieldsFunc(status.Convert(err).Message(), func(r rune) bool { return r == '\n' || r == '\r' })
		_ = e.event("event: error\ndata: " + strings.Join(lines, "\ndata: ") + "\n\n") // nobody is left to be told
	}
}
