package frontend_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// A generated client works, and metadata goes both ways.
func TestCall_OfAGeneratedClient(t *testing.T) {
	t.Parallel()
	n := startShop(t, func(call frontend.Call) error {
		if call.Method().Path() != "/com.example.shoppingcart.ShoppingCart/GetCart" {
			return status.Error(codes.Internal, call.Method().Path())
		}
		request, err := call.Recv()
		if err != nil {
			return err
		}
		if _, err = call.Recv(); err != io.EOF { //nolint:errorlint // as the contract says
			return status.Errorf(codes.Internal, "a second request: %v", err)
		}
		key, err := call.Method().EntityKey(request)
		if err != nil {
			return err
		}
		if err := call.SetHeader(&protocol.Metadata{Entries: append(call.Metadata().GetEntries(), textEntry("key", key))}); err != nil {
			return err
		}
		return call.Send([]byte("\x0a\x03\x0a\x01p")) // one item, of product p
	})
	var header metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), "who", "me")
	cart, err := shoppingcartpb.NewShoppingCartClient(n.dial(t)).GetCart(ctx, &shoppingcartpb.GetShoppingCart{UserId: "u1"}, grpc.Header(&header))
	require.NoError(t, err)
	require.Equal(t, "p", cart.GetItems()[0].GetProductId())
	require.Equal(t, []string{"u1"}, header.Get("key"))
	require.Equal(t, []string{"me"}, header.Get("who"))
}

// P-165: bytes pass unmodified, whatever they are.
func TestCall_PassesBytesUnmodified(t *testing.T) {
	t.Parallel()
	n := startShop(t, echo)
	conn := n.dial(t)
	for name, payload := range map[string][]byte{
		"empty":          {},
		"unknown fields": []byte("\x0a\x01a\xfa\xff\x03\x01x\x0a\x01b"),
		"no protobuf":    {0xff, 0xff},
		"large":          bytes.Repeat([]byte{7}, 3<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var reply []byte
			require.NoError(t, conn.Invoke(t.Context(), "/test.Streams/Unary", payload, &reply, raw()))
			require.True(t, bytes.Equal(payload, reply))
		})
	}
}

// A request belongs to the handler, also after the next one has come.
func TestCall_RequestsOutliveTheNext(t *testing.T) {
	t.Parallel()
	n := startShop(t, func(call frontend.Call) error {
		var all [][]byte
		for {
			request, err := call.Recv()
			if err != nil {
				if ignoreEOF(err) != nil {
					return err
				}
				return call.Send(bytes.Join(all, nil))
			}
			all = append(all, request)
		}
	})
	stream, err := n.dial(t).NewStream(t.Context(), bidi, "/test.Streams/In", raw())
	require.NoError(t, err)
	want := ""
	for i := range 20 {
		request := strings.Repeat(string(rune('a'+i)), 2000)
		want += request
		require.NoError(t, stream.SendMsg([]byte(request)))
	}
	require.NoError(t, stream.CloseSend())
	got, err := receiveAll(stream)
	require.NoError(t, err)
	require.Equal(t, []string{want}, got)
}

// P-186: compressed requests are accepted, and answered in kind.
func TestCall_AcceptsGzip(t *testing.T) {
	t.Parallel()
	n := startShop(t, echo)
	payload, reply := bytes.Repeat([]byte("a"), 100_000), []byte(nil)
	require.NoError(t, n.dial(t).Invoke(t.Context(), "/test.Streams/Unary", payload, &reply, raw(), grpc.UseCompressor(gzip.Name)))
	require.Equal(t, payload, reply)
}

// The four kinds of methods, in the order of requests and replies.
func TestCall_Streams(t *testing.T) {
	t.Parallel()
	conn := startShop(t, echo).dial(t)
	tests := map[string]struct {
		method         string
		requests, want []string
	}{
		"out":             {"/test.Streams/Out", []string{"a"}, []string{"a"}},
		"both":            {"/test.Streams/Both", []string{"a", "b", "c"}, []string{"a", "b", "c"}},
		"both, nothing":   {"/test.Streams/Both", nil, nil},
		"in, first reply": {"/test.Streams/In", []string{"a", "b"}, []string{"a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream, err := conn.NewStream(t.Context(), bidi, tt.method, raw())
			require.NoError(t, err)
			for _, request := range tt.requests {
				require.NoError(t, stream.SendMsg([]byte(request)))
			}
			require.NoError(t, stream.CloseSend())
			got, err := receiveAll(stream)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// A method whose requests are not streamed has exactly one; the handler never sees
// another number.
func TestCall_Cardinality(t *testing.T) {
	t.Parallel()
	conn := startShop(t, unused).dial(t)
	for _, method := range []string{"/test.Streams/Unary", "/test.Streams/Out"} {
		for requests, want := range map[int]string{
			0: "cardinality violation: received no request message from non-client-streaming RPC",
			2: "cardinality violation: received multiple request messages for non-client-streaming RPC",
		} {
			t.Run(want+method, func(t *testing.T) {
				t.Parallel()
				stream, err := conn.NewStream(t.Context(), bidi, method, raw())
				require.NoError(t, err)
				for range requests {
					if err := stream.SendMsg([]byte("a")); err != nil {
						require.ErrorIs(t, err, io.EOF) // the call has failed already
					}
				}
				require.NoError(t, stream.CloseSend())
				_, err = receiveAll(stream)
				requireStatus(t, err, codes.Internal, want)
			})
		}
	}
}

// Section 8.2: how replies and status of the handler reach the client.
func TestCall_Outcomes(t *testing.T) {
	t.Parallel()
	const cart = "/com.example.shoppingcart.ShoppingCart/"
	tests := map[string]struct {
		handler frontend.Handler
		method  string
		want    []string
		code    codes.Code
		message string
	}{
		"a reply":                      {replies("a"), "/test.Streams/Unary", []string{"a"}, codes.OK, ""},
		"several, of which one":        {replies("a", "b"), "/test.Streams/Unary", []string{"a"}, codes.OK, ""},
		"several":                      {replies("a", "b"), "/test.Streams/Out", []string{"a", "b"}, codes.OK, ""},
		"none, where Empty":            {replies(), cart + "AddItem", []string{""}, codes.OK, ""},
		"an empty one, where Empty":    {replies(""), cart + "AddItem", []string{""}, codes.OK, ""},
		"none, where more":             {replies(), cart + "GetCart", nil, codes.Internal, "no reply"},
		"none to a stream of requests": {replies(), "/test.Streams/In", nil, codes.Internal, "no reply"},
		"none in a stream":             {replies(), "/test.Streams/Out", nil, codes.OK, ""},
		"a failure": {
			func(frontend.Call) error { return status.Error(codes.Unknown, "item not in cart") },
			cart + "AddItem", nil, codes.Unknown, "item not in cart",
		},
		"a failure after a reply": {
			func(call frontend.Call) error {
				if err := call.Send([]byte("a")); err != nil {
					return err
				}
				return status.Error(codes.NotFound, "gone")
			},
			"/test.Streams/Out",
			[]string{"a"},
			codes.NotFound, "gone",
		},
		"another error": {func(frontend.Call) error { return io.ErrUnexpectedEOF }, cart + "AddItem", nil, codes.Unknown, "unexpected EOF"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream, err := startShop(t, tt.handler).dial(t).NewStream(t.Context(), bidi, tt.method, raw())
			require.NoError(t, err)
			require.NoError(t, stream.SendMsg([]byte(nil)))
			require.NoError(t, stream.CloseSend())
			got, err := receiveAll(stream)
			requireStatus(t, err, tt.code, tt.message)
			require.Equal(t, tt.want, got)
		})
	}
}

// The context of a call ends when its client gives up.
func TestCall_EndsWithItsClient(t *testing.T) {
	t.Parallel()
	running, ended := make(chan struct{}), make(chan error, 1)
	n := startShop(t, func(call frontend.Call) error {
		close(running)
		<-call.Context().Done()
		_, err := call.Recv()
		ended <- err
		return err
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := n.dial(t).NewStream(ctx, bidi, "/test.Streams/Both", raw())
	require.NoError(t, err)
	<-running
	cancel()
	require.Equal(t, codes.Canceled, status.Code(<-ended))
}

// A message that is too large fails the call and nothing else.
func TestCall_LimitsMessages(t *testing.T) {
	t.Parallel()
	n := start(t, frontend.Config{Handler: echo, MaxMessageSize: 10})
	n.Publish(shop(t))
	conn := n.dial(t)
	var reply []byte
	err := conn.Invoke(t.Context(), "/test.Streams/Unary", bytes.Repeat([]byte("a"), 11), &reply, raw())
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.NoError(t, conn.Invoke(t.Context(), "/test.Streams/Unary", bytes.Repeat([]byte("a"), 10), &reply, raw()))
}

func BenchmarkCall_Unary(b *testing.B) {
	conn := startShop(b, func(call frontend.Call) error {
		request, err := call.Recv()
		if err != nil {
			return err
		}
		if _, err := call.Method().EntityKey(request); err != nil {
			return err
		}
		return call.Send(request)
	}).dial(b)
	request, option := []byte("\x0a\x09user-0001\x12\x0aproduct-17\x1a\x03Hat\x20\x03"), raw()
	b.ReportAllocs()
	for b.Loop() {
		var reply []byte
		if err := conn.Invoke(b.Context(), "/com.example.shoppingcart.ShoppingCart/AddItem", request, &reply, option); err != nil {
			b.Fatal(err)
		}
	}
}
