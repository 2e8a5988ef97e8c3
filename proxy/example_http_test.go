package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/proxy"
)

// Clients also speak HTTP, by the google.api.http rules in the .proto file: that of GetCart
// is get: "/carts/{user_id}".
func ExampleHTTP() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	p := &proxy.Proxy{
		UserFunction: proxy.Embed(carts{}),
		HTTP:         proxy.HTTP{Origins: []string{"https://shop.example.com"}}, // its pages may call
	}
	listener := bufconn.Listen(1 << 20) // p.Run(ctx) would listen at 127.0.0.1:9000
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, listener) }()

	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return listener.DialContext(ctx) },
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:9000/carts/u1", http.NoBody)
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := client.Do(request) // waits until the proxy is ready
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, string(body), err, response.Body.Close())
	stop()
	fmt.Println(<-served)
	// Output:
	// 200 {"items":[{"productId":"socks","name":"","quantity":2}]} <nil> <nil>
	// <nil>
}
