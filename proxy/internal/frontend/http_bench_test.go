package frontend_test

import (
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

// keyed replies with the request, after having read the entity key of it.
func keyed(call frontend.Call) error {
	request, err := call.Recv()
	if err != nil {
		return err
	}
	if key, err := call.Method().EntityKey(request); err != nil || key == "" {
		return status.Errorf(codes.InvalidArgument, "key %q: %v", key, err)
	}
	return call.Send(request)
}

func BenchmarkHTTP(b *testing.B) {
	n := startShop(b, keyed)
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0") // bufconn forgets deadlines late
	require.NoError(b, err)
	served := make(chan error, 1)
	go func() { served <- n.Serve(listener) }()
	b.Cleanup(func() {
		require.NoError(b, listener.Close())
		require.ErrorIs(b, <-served, net.ErrClosed)
	})
	transport := &http.Transport{}
	b.Cleanup(transport.CloseIdleConnections)
	client, base := &http.Client{Transport: transport}, "http://"+listener.Addr().String()
	for name, request := range map[string][3]string{
		"POST": {http.MethodPost, "/cart/user-0001/items/add", `{"productId":"product-17","name":"Hat","quantity":3}`},
		"GET":  {http.MethodGet, "/carts/user-0001", ""},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), request[0], base+request[1], strings.NewReader(request[2]))
				if err != nil {
					b.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				response, err := client.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				text, err := io.ReadAll(response.Body)
				if err != nil || response.StatusCode != http.StatusOK {
					b.Fatal(response.Status, string(text), err)
				}
				if err := response.Body.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
