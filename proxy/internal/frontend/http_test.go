package frontend_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// A response is what an HTTP client has received.
type response struct {
	*http.Response

	body string
}

// do sends a request, whose headers are pairs of names and values, and reads the response.
func (n *network) do(tb testing.TB, method, target, body string, header ...string) response {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), method, "http://proxy"+target, strings.NewReader(body))
	require.NoError(tb, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	r, err := n.web(tb).Do(request)
	require.NoError(tb, err)
	data, err := io.ReadAll(r.Body)
	require.NoError(tb, err)
	require.NoError(tb, r.Body.Close())
	return response{Response: r, body: string(data)}
}

// web returns an HTTP client of the server.
func (n *network) web(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{
		DisableCompression: true,
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return n.listener.DialContext(ctx) },
	}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// post posts JSON.
func (n *network) post(tb testing.TB, target, body string) response {
	tb.Helper()
	return n.do(tb, http.MethodPost, target, body, "Content-Type", "application/json")
}

func (r response) require(tb testing.TB, code int, contentType, body string) {
	tb.Helper()
	require.Equal(tb, body, r.body)
	require.Equal(tb, code, r.StatusCode)
	require.Equal(tb, contentType, r.Header.Get("Content-Type"))
}

const plain = "text/plain; charset=utf-8"

// P-175, P-177: a method without a rule is called by its name, with JSON.
func TestHTTP_DefaultRoute(t *testing.T) {
	t.Parallel()
	n := startShop(t, echo)
	n.post(t, "/test.Streams/Unary", `{"text":"a"}`).require(t, http.StatusOK, "application/json", `{"text":"a"}`)
}

// P-175: a method with a rule is not called by its name.
func TestHTTP_RuleTakesThePlaceOfTheDefaultRoute(t *testing.T) {
	t.Parallel()
	n := startShop(t, echo)
	r := n.post(t, "/"+shoppingCart+"/AddItem", `{"userId":"u1"}`)
	r.require(t, http.StatusNotFound, plain, "Not Found: no method has an HTTP rule for POST /"+shoppingCart+"/AddItem, and none has that name")
}

// P-176: path variables override what is in the body.
func TestHTTP_PathOverridesBody(t *testing.T) {
	t.Parallel()
	n := startShop(t, func(call frontend.Call) error {
		request, err := call.Recv()
		if err != nil {
			return err
		}
		return status.Error(codes.Unknown, string(request))
	})
	r := n.post(t, "/cart/u1/items/add", `{"userId":"other","product_id":"p","quantity":2}`)
	r.require(t, http.StatusInternalServerError, plain, "\x0a\x02u1\x12\x01p\x20\x02")
}

// P-055, P-178: a failure is 500 with its description.
func TestHTTP_Failure(t *testing.T) {
	t.Parallel()
	n := startShop(t, func(frontend.Call) error { return status.Error(codes.Unknown, "item not in cart") })
	n.post(t, "/test.Streams/Unary", `{}`).require(t, http.StatusInternalServerError, plain, "item not in cart")
}

// P-187, P-188: what is no call gets a response all the same.
func TestHTTP_Probes(t *testing.T) {
	t.Parallel()
	n := startShop(t, unused)
	require.Equal(t, http.StatusNotFound, n.do(t, http.MethodGet, "/", "").StatusCode)
	n.do(t, http.MethodGet, "/", "", "K-Network-Probe", "queue").require(t, http.StatusOK, plain, "queue")
	n.do(t, http.MethodGet, "/", "", "K-Network-Probe", "x").require(t, http.StatusBadRequest, plain, "unexpected probe header value: x")
}
