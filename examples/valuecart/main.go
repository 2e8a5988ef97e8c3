// Command valuecart is the shopping cart as a value entity, with a pricing action that it
// uses, and their proxy. The client of examples/shoppingcart works with it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/pricing"
	"github.com/cloudstate-go/cloudstate/examples/valuecart/cart"
	"github.com/cloudstate-go/cloudstate/proxy"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9000", "where clients find the service")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	p := newProxy(*addr)
	fmt.Printf("Try: go run ./examples/shoppingcart/client -addr %s add jo shirt \"T-shirt\" 2\n", *addr)
	if err := p.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "valuecart:", err)
		os.Exit(1)
	}
}

// newProxy returns a proxy in front of the cart and the prices.
func newProxy(addr string) *proxy.Proxy {
	prices, _ := pricing.NewAction()
	return &proxy.Proxy{
		UserFunction: proxy.Embed(&cloudstate.Service{
			Name:       "value-cart",
			Components: []cloudstate.Component{cart.Entity, prices},
		}),
		Addr:   addr,
		Logger: slog.Default(),
	}
}
