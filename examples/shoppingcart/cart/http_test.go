package cart_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/proxy"
)

// The cart over HTTP, by the rules in its .proto file, as curl would call it.
func TestHTTP_Cart(t *testing.T) {
	t.Parallel()
	service := &cloudstate.Service{Components: []cloudstate.Component{cart.Entity}, Logger: slog.New(slog.DiscardHandler)}
	p := &proxy.Proxy{UserFunction: proxy.Embed(service), Logger: slog.New(slog.DiscardHandler)}
	lis := bufconn.Listen(1 << 20)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, lis) }()
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return lis.DialContext(ctx) },
		DisableKeepAlives: true, // bufconn may take a deadline for passed that was lifted
	}
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served)
	})
	client := &http.Client{Transport: transport}

	for _, step := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/carts/jo", "", 200, `{"items":[]}`},
		{"GET", "/carts/jo/items", "", 200, `[]`},
		{"POST", "/cart/jo/items/add", `{"productId":"shirt","name":"T-shirt","quantity":2}`, 200, `{}`},
		{"POST", "/cart/jo/items/add", `{"product_id":"shirt","quantity":1,"user_id":"somebody else"}`, 200, `{}`},
		{"POST", "/cart/jo/items/add", `{"product_id":"hat","quantity":-1}`, 400, `the quantity of "hat" must be positive, got -1`},
		{"GET", "/carts/jo", "", 200, `{"items":[{"productId":"shirt","name":"T-shirt","quantity":3}]}`},
		{"GET", "/carts/jo/items", "", 200, `[{"productId":"shirt","name":"T-shirt","quantity":3}]`},
		{"GET", "/carts/somebody%20else", "", 200, `{"items":[]}`},
		{"POST", "/cart/jo/items/shirt/remove", "", 200, `{}`},
		{"GET", "/carts/jo", "", 200, `{"items":[]}`},
		{"GET", "/carts/", "", 400, "entity key must not be empty"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), step.method, "http://cart"+step.path, strings.NewReader(step.body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, step.want, string(text), "%s %s", step.method, step.path)
		require.Equal(t, step.code, response.StatusCode)
	}
}
