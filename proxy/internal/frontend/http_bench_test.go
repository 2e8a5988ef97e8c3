package frontend_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

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
	client := n.web(b)
	for name, request := range map[string][3]string{
		"POST": {http.MethodPost, "/cart/user-0001/items/add", `{"productId":"product-17","name":"Hat","quantity":3}`},
		"GET":  {http.MethodGet, "/carts/user-0001", ""},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), request[0], "http://proxy"+request[1], strings.NewReader(request[2]))
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
