package frontend_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// failing is a handler that sends replies and then fails.
func failing(err error, payloads ...string) frontend.Handler {
	return func(call frontend.Call) error {
		if err := replies(payloads...)(call); err != nil {
			return err
		}
		return err
	}
}

// body returns an encoded google.api.HttpBody.
func body(contentType, data string) string {
	return "\x0a" + string(rune(len(contentType))) + contentType + "\x12" + string(rune(len(data))) + data
}

// P-182: the replies of a stream come as JSON, one on each line; as events, if the client
// wants them; or as they are, if they are bodies.
func TestHTTPStream_Formats(t *testing.T) {
	t.Parallel()
	two := replies(thing("a"), thing("b\nc"))
	tests := map[string]struct {
		handler           frontend.Handler
		target, accept    string
		contentType, want string
	}{
		"lines":               {two, "/out/x", "*/*", "application/json", "{\"name\":\"a\"}\n{\"name\":\"b\\nc\"}\n"},
		"lines of a field":    {two, "/names/x", "", "application/json", "\"a\"\n\"b\\nc\"\n"},
		"no line":             {replies(), "/out/x", "", "application/json", ""},
		"events":              {two, "/out/x", "text/html, Text/Event-Stream;q=0.9", "text/event-stream", "data: {\"name\":\"a\"}\n\ndata: {\"name\":\"b\\nc\"}\n\n"},
		"no event":            {replies(), "/out/x", "text/event-stream", "text/event-stream", ""},
		"bodies":              {replies(body("text/csv", "a,b\n"), body("", "c")), "/download/x", "", "text/csv", "a,b\nc"},
		"bodies without type": {replies(body("", "a"), body("text/csv", "b")), "/download/x", "", "application/octet-stream", "ab"},
		"no body":             {replies(), "/download/x", "", "application/octet-stream", ""},
		"bodies as events":    {replies(body("text/csv", "a")), "/download/x", "text/event-stream", "text/event-stream", "data: {\"contentType\":\"text/csv\",\"data\":\"YQ==\",\"extensions\":[]}\n\n"},
		"a failed event": {
			failing(status.Error(codes.Unknown, "it\r\nfailed"), thing("a")), "/out/x", "text/event-stream", "text/event-stream",
			"data: {\"name\":\"a\"}\n\nevent: error\ndata: it\ndata: failed\n\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startKinds(t, tt.handler).do(t, "GET", tt.target, "", "Accept", tt.accept)
			r.require(t, http.StatusOK, tt.contentType, tt.want)
			if tt.want != "" {
				require.Equal(t, int64(-1), r.ContentLength, "it is sent in chunks")
			}
		})
	}
}

// P-182, section 8.5: the content type of a stream of bodies may come as metadata.
func TestHTTPStream_ContentTypeOfBodies(t *testing.T) {
	t.Parallel()
	n := startKinds(t, func(call frontend.Call) error {
		if err := call.SetHeader(metadataOf("Content-Type", "text/html", "Cache-Control", "private")); err != nil {
			return err
		}
		return call.Send([]byte(body("text/csv", "a")))
	})
	r := n.do(t, "GET", "/download/x", "")
	r.require(t, http.StatusOK, "text/html", "a")
	require.Equal(t, "private", r.Header.Get("Cache-Control"))
	r = n.do(t, "GET", "/download/x", "", "Accept", "text/event-stream")
	require.Equal(t, "text/event-stream", r.Header.Get("Content-Type"))
	require.Equal(t, []string{"private"}, r.Header.Values("Cache-Control"))
}

// Section 8.5: a request is the only element of a stream of requests.
func TestHTTPStream_OfRequests(t *testing.T) {
	t.Parallel()
	n := startKinds(t, echo)
	n.post(t, "/webtest.Kinds/In", `{"name":"a"}`).require(t, http.StatusOK, "application/json", `{"name":"a"}`)
	n.post(t, "/webtest.Kinds/Both", `{"name":"a"}`).require(t, http.StatusOK, "application/json", "{\"name\":\"a\"}\n")
}

// A stream that fails before its first reply is a failure like any other.
func TestHTTPStream_FailsAtOnce(t *testing.T) {
	t.Parallel()
	n := startKinds(t, failing(status.Error(codes.NotFound, "gone")))
	for _, accept := range []string{"", "text/event-stream"} {
		n.do(t, "GET", "/out/x", "", "Accept", accept).require(t, http.StatusNotFound, plain, "gone")
	}
	n.do(t, "GET", "/download/x", "").require(t, http.StatusNotFound, plain, "gone")
}

// A stream that fails halfway breaks, so that it does not seem to be complete.
func TestHTTPStream_BreaksHalfway(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]frontend.Handler{
		"a failure":                  failing(status.Error(codes.Unknown, "m"), thing("a")),
		"a reply that is no message": replies(thing("a"), "\xff"),
		"a panic": func(call frontend.Call) error {
			if err := call.Send([]byte(thing("a"))); err != nil {
				return err
			}
			panic("secret") //nolint:forbidigo // the subject of the test
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := startKinds(t, handler)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://proxy/out/x", http.NoBody)
			require.NoError(t, err)
			r, err := n.web(t).Do(request)
			require.NoError(t, err)
			data, err := io.ReadAll(r.Body)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Equal(t, []string{`{"name":"a"}`, ""}, strings.Split(string(data), "\n"))
			require.NoError(t, r.Body.Close())
		})
	}
}

// Each reply is sent at once; a client that leaves ends the call.
func TestHTTPStream_IsLive(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"", "text/event-stream"} {
		t.Run(accept, func(t *testing.T) {
			t.Parallel()
			next, ended := make(chan string), make(chan error, 1)
			n := startKinds(t, func(call frontend.Call) error {
				for {
					select {
					case name := <-next:
						if err := call.Send([]byte(thing(name))); err != nil {
							return err
						}
					case <-call.Context().Done():
						ended <- call.Context().Err()
						return call.Context().Err()
					}
				}
			})
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://proxy/webtest.Kinds/Both", strings.NewReader(`{}`))
			require.NoError(t, err)
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Accept", accept)
			go func() { next <- "first" }()
			r, err := n.web(t).Do(request)
			require.NoError(t, err)
			lines := bufio.NewReader(r.Body)
			for _, name := range []string{"first", "second", "third"} {
				if name != "first" {
					next <- name
				}
				line, err := lines.ReadString('}')
				require.NoError(t, err)
				require.Contains(t, line, name)
			}
			require.NoError(t, r.Body.Close())
			require.Error(t, <-ended)
		})
	}
}
