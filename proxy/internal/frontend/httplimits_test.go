package frontend_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// zipped returns a text compressed by gzip.
func zipped(tb testing.TB, text string) string {
	tb.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	_, err := io.WriteString(writer, text)
	require.NoError(tb, err)
	require.NoError(tb, writer.Close())
	return buffer.String()
}

// A body is limited, before and after it is decompressed.
func TestHTTPLimits_Body(t *testing.T) {
	t.Parallel()
	n := start(t, frontend.Config{Handler: echo, MaxMessageSize: 100})
	n.Publish(kinds(t))
	ofSize := func(size int) string { return `{"name":"` + strings.Repeat("a", size-len(`{"name":""}`)) + `"}` }
	tests := map[string]struct {
		body, encoding string
		code           int
		want           string
	}{
		"the largest":               {ofSize(100), "", 200, ofSize(100)},
		"too large":                 {ofSize(101), "", 413, "Request Entity Too Large: the body has more than 100 bytes"},
		"compressed":                {zipped(t, ofSize(100)), "gzip", 200, ofSize(100)},
		"compressed, too large":     {zipped(t, ofSize(101)), "GZIP", 413, "Request Entity Too Large: the body has more than 100 bytes"},
		"a bomb":                    {zipped(t, strings.Repeat("a", 1<<20))[:90], "gzip", 413, "Request Entity Too Large: the body has more than 100 bytes"},
		"not compressed":            {ofSize(50), "gzip", 400, "Bad Request: read the body: gzip: invalid header"},
		"compressed in another way": {ofSize(50), "br", 415, `Unsupported Media Type: the content encoding is "br", want gzip or none`},
		"said not to be compressed": {ofSize(50), "identity", 200, ofSize(50)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := n.do(t, "POST", "/webtest.Kinds/In", tt.body, "Content-Type", "application/json", "Content-Encoding", tt.encoding)
			require.Equal(t, tt.want, r.body)
			require.Equal(t, tt.code, r.StatusCode)
		})
	}
	// Also where the body does not matter.
	require.Equal(t, http.StatusRequestEntityTooLarge, n.do(t, "POST", "/whatever/x", ofSize(101)).StatusCode)
}

// Who wants no limit says so by the largest number there is.
func TestHTTPLimits_None(t *testing.T) {
	t.Parallel()
	n := start(t, frontend.Config{Handler: echo, MaxMessageSize: math.MaxInt})
	n.Publish(kinds(t))
	n.post(t, "/webtest.Kinds/In", `{"name":"a"}`).require(t, http.StatusOK, "application/json", `{"name":"a"}`)
	r := n.do(t, "POST", "/webtest.Kinds/Echo", framed(1, zipped(t, strings.Repeat("a", 1000))), "Content-Type", web, "Grpc-Encoding", "gzip")
	require.Equal(t, message(strings.Repeat("a", 1000))+trailers(ok), r.body)
}

// converse opens a connection, sends a text, and returns what comes back until the server
// closes it, and when that was.
func (n *network) converse(t *testing.T, text string) (answer string, after time.Duration) {
	t.Helper()
	began := time.Now()
	conn, err := n.listener.DialContext(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	data, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(data), time.Since(began)
}

// A client that is too slow with its request loses its connection.
func TestHTTPLimits_SlowRequests(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text   string
		answer string
		after  time.Duration
	}{
		"nothing":          {"", "", 10 * time.Second},
		"a byte":           {"P", "", 10 * time.Second},
		"half a header":    {"GET / HTTP/1.1\r\nHost: a", "", 10 * time.Second},
		"half a body":      {"POST /webtest.Kinds/In HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", "HTTP/1.1 408 Request Timeout", time.Minute},
		"half an own body": {"POST /whatever/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{", "HTTP/1.1 408 Request Timeout", time.Minute},
		"nothing more":     {"GET /whatever/x HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK", 3 * time.Minute},
		"too long a head":  {"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("a", 70<<10), "HTTP/1.1 431 Request Header Fields Too Large", 500 * time.Millisecond},
		"no HTTP":          {"\x16\x03\x01\x02\x00", "HTTP/1.1 400 Bad Request", 10 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answer, after := startKinds(t, echo).converse(t, tt.text)
				first, _, _ := strings.Cut(answer, "\r\n")
				require.Equal(t, tt.answer, first)
				require.Equal(t, tt.after, after.Truncate(100*time.Millisecond))
			})
		})
	}
}

// A client that does not read ends its call.
func TestHTTPLimits_ClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		n := start(t, frontend.Config{Handler: func(call frontend.Call) error {
			for {
				if err := call.Send([]byte(thing(strings.Repeat("a", 127)))); err != nil {
					ended <- err
					return err
				}
			}
		}})
		n.Publish(kinds(t))
		conn, err := n.listener.DialContext(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
		_, err = io.WriteString(conn, "GET /out/x HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		began := time.Now()
		require.ErrorContains(t, <-ended, "the client does not take the response")
		require.Equal(t, 30*time.Second, time.Since(began))
	})
}

// A client that asks again and again, and does not read, loses its connection, also if the
// responses have no body.
func TestHTTPLimits_EmptyResponsesThatNobodyReads(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"no reply":    "GET /out/x HTTP/1.1\r\nHost: a\r\n\r\n",
		"a preflight": "OPTIONS /out/x HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\nAccess-Control-Request-Method: GET\r\n\r\n",
		"no path":     "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := start(t, frontend.Config{Handler: replies(), Origins: []string{"*"}})
				n.Publish(kinds(t))
				conn, err := n.listener.DialContext(t.Context())
				require.NoError(t, err)
				defer func() { require.NoError(t, conn.Close()) }()
				require.NoError(t, conn.SetWriteDeadline(time.Now().Add(time.Minute)))
				for err == nil {
					_, err = io.WriteString(conn, strings.Repeat(request, 100))
				}
				require.ErrorIs(t, err, io.ErrClosedPipe)
			})
		})
	}
}

// The time for writing begins with the response, however long the call takes.
func TestHTTPLimits_LateResponses(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]frontend.Handler{"no reply": replies(), "a reply": replies(thing("x"))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := startKinds(t, func(call frontend.Call) error {
					<-time.After(time.Hour)
					return handler(call)
				})
				require.Equal(t, http.StatusOK, n.do(t, "GET", "/out/x", "").StatusCode)
			})
		})
	}
}

// The context of a call ends when its client leaves, also if the body does not matter.
func TestHTTPLimits_ClientsThatLeave(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"without body": "GET /whatever/x HTTP/1.1\r\nHost: a\r\n\r\n",
		"with body":    "POST /whatever/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			running, ended := make(chan struct{}), make(chan error, 1)
			n := startKinds(t, func(call frontend.Call) error {
				close(running)
				<-call.Context().Done()
				ended <- call.Context().Err()
				return call.Context().Err()
			})
			conn, err := n.listener.DialContext(t.Context())
			require.NoError(t, err)
			_, err = io.WriteString(conn, request)
			require.NoError(t, err)
			<-running
			require.NoError(t, conn.Close())
			require.ErrorIs(t, <-ended, context.Canceled)
		})
	}
}

// A request that comes before the services are known waits for them, but not for long.
func TestHTTP_BeforePublish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := start(t, frontend.Config{Handler: echo})
		began := time.Now()
		n.do(t, "GET", "/", "").require(t, http.StatusServiceUnavailable, plain, "the proxy does not know the services of its user function yet; try again later")
		require.Equal(t, 10*time.Second, time.Since(began))
		var asking sync.WaitGroup
		asking.Go(func() {
			n.do(t, "GET", "/whatever/x", "").require(t, http.StatusOK, "application/json", `{"name":"x"}`)
		})
		synctest.Wait()
		n.Publish(kinds(t))
		asking.Wait()
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

// A temporaryError is one that goes away.
type temporaryError struct{ error }

func (temporaryError) Temporary() bool { return true }

// A flaky listener fails a few times, and then for good.
type flaky struct {
	net.Listener

	errs chan error
}

func (f flaky) Accept() (net.Conn, error) {
	if err, ok := <-f.errs; ok {
		return nil, err
	}
	return f.Listener.Accept()
}

// Serve waits for errors of the listener that go away, and returns others.
func TestServe_ListenerFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errs := make(chan error, 3)
		for range 2 {
			errs <- temporaryError{io.ErrNoProgress}
		}
		errs <- io.ErrClosedPipe
		close(errs)
		began := time.Now()
		server := frontend.New(frontend.Config{Handler: unused})
		require.ErrorIs(t, server.Serve(flaky{Listener: bufconn.Listen(1), errs: errs}), io.ErrClosedPipe)
		require.Equal(t, 15*time.Millisecond, time.Since(began))
		server.Shutdown(t.Context())
	})
}
