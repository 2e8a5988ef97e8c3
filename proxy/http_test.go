package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// A webCall is a request over HTTP that a client has made.
type webCall struct {
	f    *fixture
	done chan struct{}
	code int
	body string
	err  error
}

// post posts JSON to a method of a service, and does not wait.
func (f *fixture) post(ctx context.Context, service, method, body string) *webCall {
	f.t.Helper()
	c := &webCall{f: f, done: make(chan struct{})}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://proxy/"+service+"/"+method, strings.NewReader(body))
	require.NoError(f.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Tenant", "acme")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return f.dial(ctx) }}
	go func() {
		defer close(c.done)
		defer transport.CloseIdleConnections()
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			c.err = err
			return
		}
		data, err := io.ReadAll(response.Body)
		c.code, c.body, c.err = response.StatusCode, string(data), errors.Join(err, response.Body.Close())
	}()
	return c
}

func (c *webCall) require(code int, body string) {
	c.f.t.Helper()
	<-c.done
	require.NoError(c.f.t, c.err)
	require.Equal(c.f.t, body, c.body)
	require.Equal(c.f.t, code, c.code)
}

// P-055, P-177, P-178: commands of an entity over HTTP; it continues after a failure.
func TestHTTP_Entities(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		c := f.post(t.Context(), scripted.First, "Ask", `{"id":"u1","text":"hello"}`)
		stream := f.Accept()
		stream.RequireInit("u1")
		command := stream.RequireCommand(1, "Ask")
		require.Equal(t, scripted.Question("u1", "hello").GetValue(), command.GetPayload().GetValue())
		require.Equal(t, scripted.QuestionURL, command.GetPayload().GetTypeUrl())
		require.Nil(t, command.GetMetadata())
		stream.Reply(command, scripted.Answer("hi"))
		c.require(http.StatusOK, `{"text":"hi"}`)

		c = f.post(t.Context(), scripted.First, "Ask", `{"id":"u1"}`)
		stream.Fail(stream.RequireCommand(2, "Ask"), &protocol.Failure{Description: "item not in cart"})
		c.require(http.StatusInternalServerError, "item not in cart")

		c = f.post(t.Context(), scripted.First, "Ask", `{"id":"u1"}`)
		stream.Fail(stream.RequireCommand(3, "Ask"), &protocol.Failure{Description: "no such item", GrpcStatusCode: uint32(codes.NotFound)})
		c.require(http.StatusNotFound, "no such item")

		c = f.post(t.Context(), scripted.First, "Tell", `{"id":"u1"}`)
		stream.Reply(stream.RequireCommand(4, "Tell"), scripted.Nothing())
		c.require(http.StatusOK, `{}`)
		f.post(t.Context(), scripted.First, "Ask", `{"text":"to nobody"}`).require(http.StatusBadRequest, "entity key must not be empty")
		f.requireNoFaults()
	})
}

// Section 3.6: a client does not wait for ever.
func TestHTTP_RelayTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		began := time.Now()
		c := f.post(t.Context(), scripted.First, "Ask", `{"id":"u1"}`)
		f.Accept().RequireInit("u1")
		<-c.done
		require.Equal(t, http.StatusGatewayTimeout, c.code)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

// Section 8.6: a user function that is gone makes the service unavailable.
func TestHTTP_WithoutUserFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		f.Crash()
		c := f.post(t.Context(), scripted.Action, "Ask", `{"id":"u1"}`)
		<-c.done
		require.Equal(t, http.StatusServiceUnavailable, c.code)
	})
}

// Section 6.2: headers reach actions. A client that leaves ends its call.
func TestHTTP_Actions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		ctx, leave := contextWithCancel(t)
		c := f.post(ctx, scripted.Action, "Out", `{"id":"u1"}`)
		call := f.AcceptCall()
		command := call.RequireHeader("HandleStreamedOut", "Out")
		metadata := map[string]string{}
		for _, entry := range command.GetMetadata().GetEntries() {
			metadata[entry.GetKey()] = entry.GetStringValue()
		}
		require.Equal(t, "acme", metadata["tenant"])
		require.NotContains(t, metadata, "content-type")
		call.Reply(scripted.Answer("first"))
		leave()
		<-c.done
		call.Cancelled()
		f.requireNoFaults()
	})
}

// P-166: a reply of another type is delivered, as far as it can be read, and reported.
func TestHTTP_ReplyOfAnotherType(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		c := f.post(t.Context(), scripted.Action, "Ask", `{"id":"u1"}`)
		f.AcceptCall().Reply(scripted.Question("looks", "like it"))
		c.require(http.StatusOK, `{"text":"looks"}`)
		require.Contains(t, f.Report(), "Expected reply type_url to be [type.googleapis.com/scripted.Answer] but was [type.googleapis.com/scripted.Question].")
	})
}

// A reply that is no message of its type has no JSON, which is a fault of the user function.
func TestHTTP_ReplyThatIsNoMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		c := f.post(t.Context(), scripted.Action, "Ask", `{"id":"u1"}`)
		answer := scripted.Answer("x")
		answer.Value = []byte{0xff}
		f.AcceptCall().Reply(answer)
		const text = "scripted.Action.Ask: the reply is no scripted.Answer: cannot parse invalid wire-format data"
		c.require(http.StatusInternalServerError, text)
		require.Len(t, f.faults, 1)
		require.Equal(t, "scripted.Action: Ask: "+text, f.faults[0].String())
	})
}

// A proxy that stops lets requests finish, and aborts them after the grace period.
func TestHTTP_StopsLikeGRPC(t *testing.T) {
	t.Parallel()
	for name, finishes := range map[string]bool{"finished": true, "aborted": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t).ready()
				c := f.post(t.Context(), scripted.Action, "Ask", `{"id":"u1"}`)
				call := f.AcceptCall()
				stopped := time.Now()
				f.stop()
				synctest.Wait()
				if finishes {
					call.Reply(scripted.Answer("done"))
					c.require(http.StatusOK, `{"text":"done"}`)
					require.NoError(t, <-f.done)
					require.Less(t, time.Since(stopped), 10*time.Second)
					return
				}
				<-c.done
				require.Error(t, c.err)
				require.NoError(t, <-f.done)
				require.Equal(t, 10*time.Second, time.Since(stopped))
			})
		})
	}
}

// Settings that cannot be meant are refused before anything starts.
func TestHTTP_Settings(t *testing.T) {
	t.Parallel()
	p := &proxy.Proxy{UserFunction: proxy.Dial("127.0.0.1:1"), HTTP: proxy.HTTP{
		Origins: []string{"*", "https://shop.example.com", "http://localhost:8080", "https://shop.example.com/", "shop.example.com", "", "https://"},
	}}
	require.EqualError(t, p.Serve(t.Context(), bufconn.Listen(1)), `proxy: HTTP.Origins has "https://shop.example.com/", want a scheme and a host, such as https://shop.example.com, or *
proxy: HTTP.Origins has "shop.example.com", want a scheme and a host, such as https://shop.example.com, or *
proxy: HTTP.Origins has "", want a scheme and a host, such as https://shop.example.com, or *
proxy: HTTP.Origins has "https://", want a scheme and a host, such as https://shop.example.com, or *`)
}

// The settings reach the front end.
func TestHTTP_SettingsCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) {
			f.proxy.MaxMessageSize = 1000
			f.proxy.HTTP = proxy.HTTP{Origins: []string{"https://shop.example.com"}, ReadTimeout: 5 * time.Second}
		}).ready()
		f.post(t.Context(), scripted.Action, "Ask", strings.Repeat(" ", 1001)).
			require(http.StatusRequestEntityTooLarge, "Request Entity Too Large: the body has more than 1000 bytes")

		conn, err := f.dial(t.Context())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "POST /scripted.Action/Ask HTTP/1.1\r\nHost: a\r\nOrigin: https://shop.example.com\r\nContent-Length: 9\r\n\r\n{")
		require.NoError(t, err)
		began := time.Now()
		response, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Contains(t, string(response), "408 Request Timeout")
		require.Contains(t, string(response), "Access-Control-Allow-Origin: https://shop.example.com")
		require.Equal(t, 5*time.Second, time.Since(began).Truncate(time.Second))
		require.NoError(t, conn.Close())
	})
}
