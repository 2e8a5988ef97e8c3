package frontend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// Limits of HTTP.
const (
	firstByteTimeout  = 10 * time.Second // of a connection
	headerTimeout     = 10 * time.Second // of a request
	idleTimeout       = 3 * time.Minute  // between requests
	maxHeaderSize     = 64 << 10
	discoveryPatience = 10 * time.Second // of a request that comes before the services are known
)

// newHTTPServer returns a server for HTTP/1.1.
func newHTTPServer(cfg Config, handler http.HandlerFunc) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: min(cfg.ReadTimeout, headerTimeout),
		ReadTimeout:       cfg.ReadTimeout,
		WriteTimeout:      discoveryPatience + cfg.WriteTimeout, // until the output has its own
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderSize,
		// What clients do wrong before there is a request is nobody's fault here.
		ErrorLog: slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
}

// serveHTTP answers a request of HTTP/1.1.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	out := newOutput(w, s.config.WriteTimeout)
	ctx, leave, ok := s.enter(r.Context())
	if !ok {
		out.fail(errDraining)
		return
	}
	defer leave()
	defer s.survive(out, r)
	r = r.WithContext(ctx)
	switch {
	case s.allowOrigin(out, r):
	case isWeb(r):
		s.serveWeb(out, r)
	default:
		s.serveRules(out, r)
	}
}

// serveRules answers a request by the HTTP rules of methods.
func (s *Server) serveRules(out *output, r *http.Request) {
	current, err := s.published(r.Context())
	if err != nil {
		out.fail(err)
		return
	}
	path := r.URL.EscapedPath()
	found, values, allowed := current.routes.find(r.Method, path)
	switch {
	case found != nil:
		s.serveJSON(out, r, current.transcoder, found, values)
	case r.Header.Get("K-Network-Probe") != "":
		probe(out, r.Header.Get("K-Network-Probe"))
	case len(allowed) > 0:
		out.Header().Set("Allow", strings.Join(allowed, ", "))
		out.text(http.StatusMethodNotAllowed, fmt.Sprintf("Method Not Allowed: %s %s; want %s", r.Method, path, strings.Join(allowed, " or ")))
	default:
		out.text(http.StatusNotFound, "Not Found: "+notFound(current.spec, r.Method, path))
	}
}

// notFound says why nothing is at a path: a method with a rule is not called by its name.
func notFound(published *spec.Spec, verb, path string) string {
	method := published.MethodByPath(path)
	if method == nil {
		return fmt.Sprintf("no method has an HTTP rule for %s %s, and none has that name", verb, path)
	}
	var ways []string
	for _, binding := range method.Bindings {
		ways = append(ways, binding.Verb+" "+binding.Path.String())
	}
	return fmt.Sprintf("%s has an HTTP rule, and is not called by its name; want %s", path[1:], strings.Join(ways, " or "))
}

// enter counts a request that begins, unless the server is draining. Its context also ends
// when the server stops for good, even if its connection does not notice.
func (s *Server) enter(ctx context.Context) (_ context.Context, leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Load().draining {
		return nil, nil, false
	}
	ctx, cancel := context.WithCancel(ctx)
	s.requests[&cancel] = struct{}{}
	s.handlers.Add(1)
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.requests, &cancel)
		s.handlers.Done()
	}, true
}

// abort cancels all requests.
func (s *Server) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cancel := range s.requests {
		(*cancel)()
	}
}

// published returns the services. Until they are known, a request waits a while, as if the
// port were not open yet: who only wants to know whether the proxy is there, such as the
// conformance suite, takes any response for a yes.
func (s *Server) published(ctx context.Context) (*state, error) {
	timer := time.NewTimer(discoveryPatience)
	defer timer.Stop()
	for {
		current := s.state.Load()
		switch {
		case current.draining:
			return nil, errDraining
		case current.spec != nil:
			return current, nil
		}
		select {
		case <-current.changed:
		case <-timer.C:
			return nil, errUndiscovered
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
}

// survive lets a panic cost one request.
func (s *Server) survive(out *output, r *http.Request) {
	problem := recover()
	if problem == nil {
		return
	}
	if err, ok := problem.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		out.abort()
	}
	s.config.Logger.LogAttrs(r.Context(), slog.LevelError, "an HTTP request panicked",
		slog.String("path", r.URL.Path), slog.Any("panic", problem), slog.String("stack", string(debug.Stack())))
	if out.started {
		out.abort()
	}
	out.fail(status.Error(codes.Internal, "the proxy failed to handle the call"))
}

// probe answers the network probe of Knative (protocol section 2.9).
func probe(out *output, value string) {
	if value == "queue" {
		out.text(http.StatusOK, value)
		return
	}
	out.text(http.StatusBadRequest, "unexpected probe header value: "+value)
}
