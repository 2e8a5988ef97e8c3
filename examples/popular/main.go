// Command popular is the shopping cart with a projection that follows it, and their proxy. The
// client of examples/shoppingcart works with it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/popular/projection"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/proxy"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9000", "where clients find the service")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	//snippet:settings
	p := &proxy.Proxy{
		UserFunction: proxy.Embed(&cloudstate.Service{
			Name:       "popular",
			Components: []cloudstate.Component{cart.Entity, projection.Projection, projection.Products, projection.Bestsellers},
			// An event without a product would come again and again, because nothing can be done about it.
			UnaryInterceptors: []grpc.UnaryServerInterceptor{projection.Validate},
		}),
		Addr:   *addr,
		Logger: slog.Default(),
		// Products tell an event that they have counted by its offset, so none may come late.
		Eventing: proxy.Eventing{MaxAttempts: -1},
	}
	//snippet:end
	fmt.Printf(`Try:
  go run ./examples/shoppingcart/client -addr %[1]s add jo shirt "T-shirt" 2
  curl -d '{"list": "bestsellers"}' -H 'Content-Type: application/json' %[1]s/com.example.popular.Bestsellers/Get
`, *addr)
	if err := p.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "popular:", err)
		os.Exit(1)
	}
}
