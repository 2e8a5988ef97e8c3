package frontend_test

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// framed is a message of gRPC-Web.
func framed(flags byte, message string) string {
	var header [5]byte
	header[0] = flags
	binary.BigEndian.PutUint32(header[1:], uint32(len(message)))
	return string(header[:]) + message
}

func message(text string) string { return framed(0, text) }

func trailers(text string) string { return framed(0x80, text) }

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// decoded decodes base64, parts of which may have their own padding.
func decoded(tb testing.TB, text string) string {
	tb.Helper()
	data := ""
	for ; text != ""; text = text[4:] {
		part, err := base64.StdEncoding.DecodeString(text[:4])
		require.NoError(tb, err)
		data += string(part)
	}
	return data
}

const (
	web     = "application/grpc-web"
	webText = "application/grpc-web-text"
	ok      = "grpc-status: 0\r\n"
)

// gRPC-Web works over HTTP/1.1, with messages as they are.
func TestWeb_Calls(t *testing.T) {
	t.Parallel()
	n := startKinds(t, echo)
	tests := map[string]struct{ method, request, want string }{
		"unary":             {"Echo", message("\xfa\xff\x03\x01x"), message("\xfa\xff\x03\x01x") + trailers(ok)}, // P-165
		"empty":             {"Echo", message(""), message("") + trailers(ok)},
		"out":               {"Out", message(thing("a")), message(thing("a")) + trailers(ok)},
		"in":                {"In", message(thing("a")) + message(thing("b")), message(thing("a")) + trailers(ok)},
		"both":              {"Both", message(thing("a")) + message(thing("b")), message(thing("a")) + message(thing("b")) + trailers(ok)},
		"both, nothing":     {"Both", "", trailers(ok)},
		"trailers, ignored": {"Echo", message("") + trailers("a: b\r\n"), message("") + trailers(ok)},
		"compressed":        {"Echo", framed(1, zipped(t, thing("a"))), message(thing("a")) + trailers(ok)},
		"none":              {"Echo", "", trailers("grpc-status: 13\r\ngrpc-message: cardinality violation: received no request message from non-client-streaming RPC\r\n")},
		"two":               {"Echo", message("") + message(""), trailers("grpc-status: 13\r\ngrpc-message: cardinality violation: received multiple request messages for non-client-streaming RPC\r\n")},
		"unknown (P-184)":   {"Other", message(""), trailers("grpc-status: 12\r\ngrpc-message: unknown method Other of service webtest.Kinds\r\n")},
		"half a header":     {"Echo", "\x00\x00", trailers("grpc-status: 3\r\ngrpc-message: the body ends with 2 bytes, want flags and length of a message\r\n")},
		"half a message":    {"Echo", message("ab")[:6], trailers("grpc-status: 3\r\ngrpc-message: the body ends within a message of 2 bytes\r\n")},
		"badly compressed":  {"Echo", framed(1, "ab"), trailers("grpc-status: 3\r\ngrpc-message: decompress a message: unexpected EOF\r\n")},
		"a forged size":     {"Echo", "\x00\xff\xff\xff\xff", trailers("grpc-status: 3\r\ngrpc-message: the body ends within a message of 4294967295 bytes\r\n")},
	}
	for name, tt := range tests {
		for contentType, text := range map[string]bool{web: false, web + "+proto": false, webText: true, webText + "+proto; charset=x": true} {
			t.Run(name+" as "+contentType, func(t *testing.T) {
				t.Parallel()
				request, wantType := tt.request, web+"+proto"
				if text {
					request, wantType = base64Of(request), webText+"+proto"
				}
				r := n.do(t, "POST", "/webtest.Kinds/"+tt.method, request, "Content-Type", contentType, "Grpc-Encoding", "gzip")
				got := r.body
				if text {
					got = decoded(t, r.body)
				}
				require.Equal(t, tt.want, got)
				require.Equal(t, http.StatusOK, r.StatusCode)
				require.Equal(t, wantType, r.Header.Get("Content-Type"))
			})
		}
	}
}

// Section 8.1: the encoding of a response is the one that the client accepts.
func TestWeb_Accept(t *testing.T) {
	t.Parallel()
	n := startKinds(t, echo)
	for accept, want := range map[string]string{web: web + "+proto", webText: webText + "+proto", "*/*": web + "+proto", webText + "+proto": webText + "+proto"} {
		r := n.do(t, "POST", "/webtest.Kinds/Echo", message(""), "Content-Type", web, "Accept", accept)
		require.Equal(t, want, r.Header.Get("Content-Type"))
	}
	r := n.do(t, "POST", "/webtest.Kinds/Echo", base64Of(message("")), "Content-Type", webText, "Accept", web)
	require.Equal(t, message("")+trailers(ok), r.body)
}

// The status of a call comes at its end, after the replies; headers come first.
func TestWeb_Outcomes(t *testing.T) {
	t.Parallel()
	n := startKinds(t, func(call frontend.Call) error {
		if err := call.SetHeader(metadataOf("etag", "v1")); err != nil {
			return err
		}
		if err := call.Send([]byte("a")); err != nil {
			return err
		}
		return status.Error(codes.NotFound, "100% ü\r\ngone")
	})
	r := n.do(t, "POST", "/webtest.Kinds/Out", message(""), "Content-Type", web)
	require.Equal(t, message("a")+trailers("grpc-status: 5\r\ngrpc-message: 100%25 %C3%BC%0D%0Agone\r\n"), r.body)
	require.Equal(t, "v1", r.Header.Get("ETag"))
}

// What is not gRPC-Web as it should be fails as a call does.
func TestWeb_BadRequests(t *testing.T) {
	t.Parallel()
	n := start(t, frontend.Config{Handler: echo, MaxMessageSize: 100})
	n.Publish(kinds(t))
	tests := map[string]struct{ method, contentType, body, want string }{
		"an encoding that is unknown": {"POST", web + "+json", "{}", "grpc-status: 12\r\ngrpc-message: content type \"application/grpc-web+json\" is not supported; send application/grpc-web+proto or application/grpc-web-text+proto\r\n"},
		"another HTTP method":         {"PUT", web, message(""), "grpc-status: 12\r\ngrpc-message: the HTTP method is PUT, want POST\r\n"},
		"an unknown compression":      {"POST", web, framed(1, "a"), "grpc-status: 3\r\ngrpc-message: a message is compressed with \"\", want gzip or none\r\n"},
		"too large a message":         {"POST", web, message(strings.Repeat("a", 101)), "grpc-status: 8\r\ngrpc-message: a message has more than 100 bytes\r\n"},
		"too large a body":            {"POST", web, strings.Repeat("a", 1000), "grpc-status: 8\r\ngrpc-message: the body has more than 264 bytes\r\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := n.do(t, tt.method, "/webtest.Kinds/Echo", tt.body, "Content-Type", tt.contentType)
			require.Equal(t, trailers(tt.want), r.body)
			require.Equal(t, http.StatusOK, r.StatusCode)
		})
	}
	r := n.do(t, "POST", "/webtest.Kinds/Echo", "*", "Content-Type", webText, "Accept", web)
	require.Equal(t, trailers("grpc-status: 3\r\ngrpc-message: the body is not in base64: illegal base64 data at input byte 0\r\n"), r.body)
	require.Equal(t, message(strings.Repeat("a", 100))+trailers(ok), n.do(t, "POST", "/webtest.Kinds/Echo", message(strings.Repeat("a", 100)), "Content-Type", web).body)
}

// Messages that are small when compressed are limited together, and not only each.
func TestWeb_CompressedMessages(t *testing.T) {
	t.Parallel()
	n := start(t, frontend.Config{Handler: echo, MaxMessageSize: 100})
	n.Publish(kinds(t))
	largest := strings.Repeat("a", 100)
	compressed := framed(1, zipped(t, largest))
	send := func(body string) response {
		return n.do(t, "POST", "/webtest.Kinds/Both", body, "Content-Type", web, "Grpc-Encoding", "gzip")
	}
	require.Equal(t, message(largest)+message(largest)+trailers(ok), send(compressed+compressed).body)
	require.Equal(t, trailers("grpc-status: 8\r\ngrpc-message: the messages have more than 264 bytes\r\n"), send(strings.Repeat(compressed, 3)).body)
}

// The client's time ends the call.
func TestWeb_Timeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := startKinds(t, func(call frontend.Call) error {
			<-call.Context().Done()
			return status.FromContextError(call.Context().Err()).Err()
		})
		began := time.Now()
		r := n.do(t, "POST", "/webtest.Kinds/Echo", message(""), "Content-Type", web, "Grpc-Timeout", "1500m")
		require.Equal(t, trailers("grpc-status: 4\r\ngrpc-message: context deadline exceeded\r\n"), r.body)
		require.Equal(t, 1500*time.Millisecond, time.Since(began))
	})
}
