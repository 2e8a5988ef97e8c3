package frontend_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// P-184: what is unknown is named.
func TestRoute_UnknownMethods(t *testing.T) {
	t.Parallel()
	conn := startShop(t, unused).dial(t)
	for path, want := range map[string]string{
		"/test.Other/Call":                     "unknown service test.Other",
		"/test.Streams/Other":                  "unknown method Other of service test.Streams",
		"/Streams/Unary":                       "unknown service Streams",
		"/test.Text/Unary":                     "unknown service test.Text",
		"/test.Streams/":                       "unknown method  of service test.Streams",
		"/cloudstate.EntityDiscovery/discover": "unknown service cloudstate.EntityDiscovery",
		"/grpc.health.v1.Health/Other":         "unknown service grpc.health.v1.Health",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			var reply []byte
			requireStatus(t, conn.Invoke(t.Context(), path, []byte{}, &reply, raw()), codes.Unimplemented, want)
		})
	}
}

// P-017: before the services are known, no call succeeds.
func TestRoute_BeforePublish(t *testing.T) {
	t.Parallel()
	n := start(t, frontend.Config{Handler: echo})
	conn := n.dial(t)
	var reply []byte
	err := conn.Invoke(t.Context(), "/test.Streams/Unary", []byte{}, &reply, raw())
	requireStatus(t, err, codes.Unavailable, "the proxy does not know the services of its user function yet; try again later")
	n.Publish(shop(t))
	require.NoError(t, conn.Invoke(t.Context(), "/test.Streams/Unary", []byte{}, &reply, raw()))
}

// Services can be replaced while calls are running.
func TestRoute_FollowsWhatIsPublished(t *testing.T) {
	t.Parallel()
	n := startShop(t, echo)
	conn := n.dial(t)
	stream, err := conn.NewStream(t.Context(), bidi, "/test.Streams/Both", raw())
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg([]byte("a")))
	var reply []byte
	require.NoError(t, stream.RecvMsg(&reply))

	n.Publish(discovered(t, filesOf(shoppingcartpb.File_shoppingcart_shoppingcart_proto), cartEntity()))
	requireStatus(t, conn.Invoke(t.Context(), "/test.Streams/Unary", []byte{}, &reply, raw()), codes.Unimplemented, "unknown service test.Streams")
	require.NoError(t, conn.Invoke(t.Context(), "/com.example.shoppingcart.ShoppingCart/GetCart", []byte{}, &reply, raw()))

	require.NoError(t, stream.SendMsg([]byte("b")))
	require.NoError(t, stream.CloseSend())
	got, err := receiveAll(stream)
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, got)
}

// Section 8.1: only protobuf is gRPC here.
func TestRoute_ContentTypes(t *testing.T) {
	t.Parallel()
	conn := startShop(t, echo).dial(t)
	var reply []byte
	require.NoError(t, conn.Invoke(t.Context(), "/test.Streams/Unary", []byte{}, &reply, raw(), grpc.CallContentSubtype("proto")))
	require.NoError(t, conn.Invoke(t.Context(), "/test.Streams/Unary", []byte{}, &reply, grpc.ForceCodecV2(rawCodec{""})))
	err := conn.Invoke(t.Context(), "/test.Streams/Unary", []byte{}, &reply, grpc.ForceCodecV2(rawCodec{"json"}))
	requireStatus(t, err, codes.Unimplemented, `content type "application/grpc+json" is not supported; send application/grpc or application/grpc+proto`)
}

// A panic costs one call: the client gets a fixed text, the log gets the rest, once.
func TestRoute_SurvivesPanics(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	n := start(t, frontend.Config{
		Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		Handler: func(call frontend.Call) error {
			if request, err := call.Recv(); err != nil || string(request) == "panic" {
				panic("secret") //nolint:forbidigo // the subject of the test
			}
			return call.Send([]byte("fine"))
		},
	})
	n.Publish(shop(t))
	conn := n.dial(t)
	var reply []byte
	err := conn.Invoke(t.Context(), "/test.Streams/Unary", []byte("panic"), &reply, raw())
	requireStatus(t, err, codes.Internal, "the proxy failed to handle the call")
	require.NoError(t, conn.Invoke(t.Context(), "/test.Streams/Unary", []byte("work"), &reply, raw()))
	require.Equal(t, "fine", string(reply))

	written := log.String()
	require.Equal(t, 1, strings.Count(written, "\n"))
	for _, part := range []string{`"level":"ERROR"`, `"method":"/test.Streams/Unary"`, `"panic":"secret"`, "route_test.go"} {
		require.Contains(t, written, part)
	}
}

// A lockedBuffer is a log that another goroutine writes.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
