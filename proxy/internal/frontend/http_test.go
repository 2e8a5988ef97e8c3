package frontend_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	httpannotations "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/internal/webtest"
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

// startKinds starts a server that has published the services of webtest.
func startKinds(tb testing.TB, handler frontend.Handler) *network {
	tb.Helper()
	n := start(tb, frontend.Config{Handler: handler})
	n.Publish(kinds(tb))
	return n
}

func kinds(tb testing.TB) *spec.Spec {
	tb.Helper()
	services := webtest.File_webtest_webtest_proto.Services()
	entities := make([]*protocol.Entity, services.Len())
	for i := range entities {
		entities[i] = &protocol.Entity{EntityType: spec.Action, ServiceName: string(services.Get(i).FullName())}
	}
	return discovered(tb, filesOf(webtest.File_webtest_webtest_proto), entities...)
}

// thing returns an encoded webtest.Thing.
func thing(name string) string {
	return "\x0a" + string(rune(len(name))) + name
}

// P-175: a method without a rule is called by its name, with JSON.
func TestHTTP_DefaultRoute(t *testing.T) {
	t.Parallel()
	n := startKinds(t, echo)
	r := n.post(t, "/webtest.Kinds/Echo", `{"nested":{"number":"5"}}`)
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Contains(t, r.body, `"nested":{"text":"","number":"5"}`)
}

// P-175: a method with a rule is not called by its name.
func TestHTTP_RuleTakesThePlaceOfTheDefaultRoute(t *testing.T) {
	t.Parallel()
	n := startShop(t, unused)
	r := n.post(t, "/"+shoppingCart+"/AddItem", `{"userId":"u1"}`)
	r.require(t, http.StatusNotFound, plain, "Not Found: "+shoppingCart+"/AddItem has an HTTP rule, and is not called by its name; want POST /cart/{user_id}/items/add")
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

// P-177: the JSON of the protocol, to the byte, and exactly that content type.
func TestHTTP_Samples(t *testing.T) {
	t.Parallel()
	for method, sample := range map[string]struct{ reply, want string }{
		"Reply":   {"", `{"message":""}`},
		"Unset":   {"", `{}`},
		"Counter": {"\x0a\x02\x0a\x00", `{"state":{"pncounter":{"value":"0"}}}`},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			r := startKinds(t, replies(sample.reply)).post(t, "/webtest.Samples/"+method, "{}")
			r.require(t, http.StatusOK, "application/json", sample.want)
			require.Equal(t, int64(len(sample.want)), r.ContentLength)
		})
	}
}

// P-179: what is wrong with a request is 400, and never seen by the handler.
func TestHTTP_BadRequests(t *testing.T) {
	t.Parallel()
	n := startKinds(t, unused)
	tests := map[string]struct{ method, target, contentType, body, want string }{
		"a wrong content type": {"POST", "/webtest.Kinds/Echo", "text/plain", "{}", `Bad Request: the content type is "text/plain", want application/json`},
		"invalid JSON":         {"POST", "/webtest.Kinds/Echo", "application/json", "{", "Bad Request: the body is not the JSON of webtest.Everything: unexpected EOF"},
		"an unknown field":     {"POST", "/webtest.Kinds/Echo", "application/json", `{"x":1}`, `Bad Request: the body is not the JSON of webtest.Everything: (line 1:2): unknown field "x"`},
		"a bad path value":     {"GET", "/number/x", "", "", `Bad Request: path: "x" is no value of webtest.Everything.an_int32, which has the type int32: invalid syntax`},
		"a bad parameter":      {"GET", "/query?x=1", "", "", `Bad Request: query: parameter "x": webtest.Everything has no field "x"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n.do(t, tt.method, tt.target, tt.body, "Content-Type", tt.contentType).require(t, http.StatusBadRequest, plain, tt.want)
		})
	}
}

// P-180: fields from the query.
func TestHTTP_Query(t *testing.T) {
	t.Parallel()
	r := startKinds(t, echo).do(t, "GET", "/query?strings=a&strings=b&an_int32=7", "")
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Contains(t, r.body, `"strings":["a","b"]`)
	require.Contains(t, r.body, `"anInt32":7`)
}

// P-181: additional bindings, and responses that are a field.
func TestHTTP_ResponseBody(t *testing.T) {
	t.Parallel()
	n := startKinds(t, echo)
	for field, want := range map[string]string{
		"nested":  `{"text":"a","number":"0"}`,
		"several": `[{"number":"1"},{}]`,
		"long":    `5`,
		"string":  `"s"`,
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			r := n.post(t, "/field/"+field, `{"nested":{"text":"a"},"several":[{"number":1},{}],"anInt64":5,"aString":"s"}`)
			r.require(t, http.StatusOK, "application/json", want)
		})
	}
}

// Section 8.4: every HTTP method, and verbs.
func TestHTTP_Methods(t *testing.T) {
	t.Parallel()
	n := startKinds(t, echo)
	for _, method := range []string{"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			n.do(t, method, "/whatever/x", "").require(t, http.StatusOK, "application/json", `{"name":"x"}`)
		})
	}
	n.do(t, "POST", "/things/a%3Ab:cancel", "").require(t, http.StatusOK, "application/json", `{"name":"a:b"}`)
	r := n.do(t, "DELETE", "/values/x", "")
	r.require(t, http.StatusMethodNotAllowed, plain, "Method Not Allowed: DELETE /values/x; want PUT or POST")
	require.Equal(t, "PUT, POST", r.Header.Get("Allow"))
	require.Equal(t, http.StatusNotFound, n.do(t, "GET", "/values", "").StatusCode)
}

// Section 8.4: of several rules that fit, the last declared counts.
func TestHTTP_LastRuleCounts(t *testing.T) {
	t.Parallel()
	rule := func(path string) *descriptorpb.MethodOptions {
		options := &descriptorpb.MethodOptions{}
		proto.SetExtension(options, httpannotations.E_Http, &httpannotations.HttpRule{Pattern: &httpannotations.HttpRule_Get{Get: path}})
		return options
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: new("rules.proto"), Package: new("rules"), Syntax: new("proto3"), Dependency: []string{webtest.File_webtest_webtest_proto.Path()},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("Rules"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: new("First"), InputType: new(".webtest.Thing"), OutputType: new(".webtest.Thing"), Options: rule("/a/b")},
			{Name: new("Second"), InputType: new(".webtest.Thing"), OutputType: new(".webtest.Thing"), Options: rule("/a/{name}")},
			{Name: new("Third"), InputType: new(".webtest.Thing"), OutputType: new(".webtest.Thing"), Options: rule("/a/c")},
		}}},
	}
	n := start(t, frontend.Config{Handler: func(call frontend.Call) error { return call.Send([]byte(thing(call.Method().Name))) }})
	n.Publish(discovered(t, append(filesOf(webtest.File_webtest_webtest_proto), file), &protocol.Entity{EntityType: spec.Action, ServiceName: "rules.Rules"}))
	for path, want := range map[string]string{"/a/b": "Second", "/a/c": "Third", "/a/d": "Second"} {
		n.do(t, "GET", path, "").require(t, http.StatusOK, "application/json", `{"name":"`+want+`"}`)
	}
}

// Section 6: headers go both ways.
func TestHTTP_Metadata(t *testing.T) {
	t.Parallel()
	n := startKinds(t, func(call frontend.Call) error {
		got := ""
		for _, entry := range call.Metadata().GetEntries() {
			got += entry.GetKey() + "=" + entry.GetStringValue() + ";"
		}
		err := call.SetHeader(&protocol.Metadata{Entries: []*protocol.MetadataEntry{
			textEntry("ETag", "v1"), textEntry("etag", "v2"), textEntry("Content-Type", "text/html"), textEntry("Content-Length", "1"),
			textEntry("X-Break", "a\r\nb"),
			{Key: "bytes", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte("x")}},
		}})
		if err != nil {
			return err
		}
		return call.Send([]byte(thing(got)))
	})
	r := n.do(t, "GET", "/whatever/x", "", "Tenant", "acme", "tenant", "second", "Trace-Bin", "AAE=", "Te", "trailers", "Grpc-Timeout", "1S", "User-Agent", "me", "X-Hop", "one", "Connection", "x-other, X-Hop")
	r.require(t, http.StatusOK, "application/json", `{"name":"tenant=acme;tenant=second;trace-bin=AAE=;user-agent=me;"}`)
	require.Equal(t, []string{"v1", "v2"}, r.Header.Values("ETag"))
	require.Empty(t, r.Header.Get("X-Break"))
	require.Empty(t, r.Header.Get("Bytes"))
}

// A google.api.HttpBody is the request, and the response, as it is.
func TestHTTP_HttpBody(t *testing.T) {
	t.Parallel()
	n := startKinds(t, echo)
	n.do(t, "POST", "/exchange", "a,b\xff", "Content-Type", "text/csv").require(t, http.StatusOK, "text/csv", "a,b\xff")
	n.do(t, "POST", "/exchange", "a,b").require(t, http.StatusOK, "application/octet-stream", "a,b")
	n.do(t, "POST", "/store/x", "a,b", "Content-Type", "text/csv").require(t, http.StatusOK, "text/csv", "a,b")
}

// P-055, P-178, section 8.6: what has failed, with which status and text.
func TestHTTP_Outcomes(t *testing.T) {
	t.Parallel()
	failure := func(code codes.Code, text string) frontend.Handler {
		return func(frontend.Call) error { return status.Error(code, text) }
	}
	late := func(call frontend.Call) error {
		if err := call.Send([]byte(thing("a"))); err != nil {
			return err
		}
		return status.Error(codes.NotFound, "gone")
	}
	const method, nothing = "/webtest.Samples/Reply", "/webtest.Kinds/Nothing"
	tests := map[string]struct {
		handler frontend.Handler
		target  string
		code    int
		want    string
	}{
		"a failure (P-055, P-178)":         {failure(codes.Unknown, "item not in cart"), method, 500, "item not in cart"},
		"an empty failure":                 {failure(codes.Unknown, ""), method, 500, ""},
		"a failure of several lines":       {failure(codes.Unknown, "a\n<b>ü"), method, 500, "a\n<b>ü"},
		"a canceled one":                   {failure(codes.Canceled, "m"), method, 400, "m"},
		"an invalid argument":              {failure(codes.InvalidArgument, "m"), method, 400, "m"},
		"the relay timeout":                {failure(codes.DeadlineExceeded, "m"), method, 504, "m"},
		"not found":                        {failure(codes.NotFound, "m"), method, 404, "m"},
		"already there":                    {failure(codes.AlreadyExists, "m"), method, 409, "m"},
		"permission denied":                {failure(codes.PermissionDenied, "m"), method, 403, "m"},
		"unauthenticated":                  {failure(codes.Unauthenticated, "m"), method, 401, "m"},
		"resource exhausted":               {failure(codes.ResourceExhausted, "m"), method, 507, "m"},
		"a failed precondition":            {failure(codes.FailedPrecondition, "m"), method, 412, "m"},
		"aborted":                          {failure(codes.Aborted, "m"), method, 500, "m"},
		"out of range":                     {failure(codes.OutOfRange, "m"), method, 416, "m"},
		"unimplemented":                    {failure(codes.Unimplemented, "m"), method, 501, "m"},
		"internal":                         {failure(codes.Internal, "m"), method, 500, "m"},
		"unavailable":                      {failure(codes.Unavailable, "m"), method, 503, "m"},
		"data loss":                        {failure(codes.DataLoss, "m"), method, 500, "m"},
		"an unknown status":                {failure(77, "m"), method, 500, "m"},
		"another error":                    {func(frontend.Call) error { return io.ErrUnexpectedEOF }, method, 500, "unexpected EOF"},
		"a failure after the reply":        {late, method, 404, "gone"},
		"no reply":                         {replies(), method, 500, "head of empty stream"},
		"no reply, where Empty (A-19)":     {replies(), nothing, 200, "{}"},
		"several replies, of which one":    {replies(thing("a"), thing("b")), method, 200, `{"message":"a"}`},
		"a reply that is no message":       {replies("\xff"), method, 500, "webtest.Samples.Reply: the reply is no webtest.Response: cannot parse invalid wire-format data"},
		"one that only looks like it":      {replies("\x08\x01"), method, 200, `{"message":""}`},
		"a panic":                          {func(frontend.Call) error { panic("secret") }, method, 500, "the proxy failed to handle the call"}, //nolint:forbidigo // the subject of the test
		"a request and a reply of streams": {replies(thing("a"), thing("b")), "/webtest.Kinds/In", 200, `{"name":"a"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startKinds(t, tt.handler).post(t, tt.target, "{}")
			require.Equal(t, tt.want, r.body)
			require.Equal(t, tt.code, r.StatusCode)
			if tt.code != http.StatusOK {
				require.Equal(t, plain, r.Header.Get("Content-Type"))
				require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
			}
		})
	}
}

// P-187, P-188: what is no call gets a response all the same.
func TestHTTP_Probes(t *testing.T) {
	t.Parallel()
	n := startShop(t, unused)
	n.do(t, "GET", "/", "").require(t, http.StatusNotFound, plain, "Not Found: no method has an HTTP rule for GET /, and none has that name")
	n.do(t, "GET", "/", "", "K-Network-Probe", "queue").require(t, http.StatusOK, plain, "queue")
	n.do(t, "GET", "/", "", "K-Network-Probe", "x").require(t, http.StatusBadRequest, plain, "unexpected probe header value: x")
	n.do(t, "DELETE", "/carts/u1", "", "K-Network-Probe", "queue").require(t, http.StatusOK, plain, "queue")
	require.Equal(t, http.StatusNotFound, n.do(t, "OPTIONS", "/", "", "Origin", "https://example.com", "Access-Control-Request-Method", "POST").StatusCode)
}

// Clients of HTTP/2 that do not speak gRPC get an answer from its server.
func TestHTTP_Version2IsForGRPC(t *testing.T) {
	t.Parallel()
	n := startKinds(t, unused)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return n.listener.DialContext(ctx) }}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://proxy/whatever/x", http.NoBody)
	require.NoError(t, err)
	r, err := (&http.Client{Transport: transport}).Do(request)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.GreaterOrEqual(t, r.StatusCode, 400)
}
