// Command shoppingcart is a complete stateful service: a shopping cart for each user.
//
// By default it runs together with its proxy, and clients find it at port 9000. Behind
// another proxy it is started with -behind-proxy, and listens on HOST and PORT for it.
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
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/proxy"
)

func main() {
	behindProxy := flag.Bool("behind-proxy", false, "serve the protocol on HOST and PORT (127.0.0.1 and 8080) for another proxy")
	addr := flag.String("addr", "127.0.0.1:9000", "where clients find the service; not with -behind-proxy")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "shoppingcart: it takes no arguments, found %q; see -help\n", flag.Args())
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := withProxy
	if *behindProxy {
		run = alone
	}
	if err := run(ctx, *addr); err != nil {
		fmt.Fprintln(os.Stderr, "shoppingcart:", err)
		os.Exit(1)
	}
}

//snippet:service

// service is the user function: everything that is particular to this program.
var service = &cloudstate.Service{
	Name:       "shopping-cart",
	Components: []cloudstate.Component{cart.Entity},
}

//snippet:end

//snippet:alone

// alone serves the protocol for a proxy that runs elsewhere.
func alone(ctx context.Context, _ string) error {
	return service.Run(ctx)
}

//snippet:end

//snippet:proxy

// withProxy runs the service and its proxy in one process.
func withProxy(ctx context.Context, addr string) error {
	p := &proxy.Proxy{
		UserFunction: proxy.Embed(service),
		Addr:         addr,
		Logger:       slog.Default(),
	}
	go greet(ctx, p, addr)
	return p.Run(ctx)
}

//snippet:end

// greet says what to try as soon as the proxy answers.
func greet(ctx context.Context, p *proxy.Proxy, addr string) {
	select {
	case <-p.Ready():
	case <-ctx.Done():
		return
	}
	fmt.Printf(`
The shopping cart is served at %[1]s. In another terminal, try:

  go run ./examples/shoppingcart/client -addr %[1]s add jo shirt "T-shirt" 2
  go run ./examples/shoppingcart/client -addr %[1]s get jo

The cart leaves memory when it has been idle for 30 seconds. Its next command brings it
back from its events, which are kept until this program ends. Ctrl-C stops it.

`, addr)
}
