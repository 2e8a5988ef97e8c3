// Command server is a complete stateful service: a shopping cart for each user.
//
// By default it runs together with its proxy, keeps the carts in a file, and clients find it at
// port 9000. Behind another proxy it is started with -behind-proxy, and listens on HOST and
// PORT for it.
//
// It is a module of its own, because the library does not depend on SQLite.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store/sqlite"
)

func main() {
	behindProxy := flag.Bool("behind-proxy", false, "serve the protocol on HOST and PORT (127.0.0.1 and 8080) for another proxy")
	addr := flag.String("addr", "127.0.0.1:9000", "where clients find the service; not with -behind-proxy")
	file := flag.String("store", cmp.Or(os.Getenv("CART_STORE"), "cart.db"), "file that keeps the carts; CART_STORE sets it as well")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "server: it takes no arguments, found %q; see -help\n", flag.Args())
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return withProxy(ctx, *addr, *file, slog.Default()) }
	if *behindProxy {
		run = func() error { return alone(ctx) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
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
func alone(ctx context.Context) error {
	return service.Run(ctx)
}

//snippet:end

//snippet:proxy

// withProxy runs the service and its proxy in one process, and keeps the carts in a file.
func withProxy(ctx context.Context, addr, file string, logger *slog.Logger) (err error) {
	stored, err := sqlite.Open(ctx, file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	p := &proxy.Proxy{
		UserFunction: proxy.Embed(service),
		Addr:         addr,
		Journal:      stored,
		Logger:       logger,
	}
	go greet(ctx, p, addr, file)
	return p.Run(ctx)
}

//snippet:end

// greet says what to try as soon as the proxy answers.
func greet(ctx context.Context, p *proxy.Proxy, addr, file string) {
	select {
	case <-p.Ready():
	case <-ctx.Done():
		return
	}
	fmt.Printf(`
The shopping cart is served at %[1]s. In another terminal, try:

  curl -H 'Content-Type: application/json' -d '{"productId": "shirt", "name": "T-shirt", "quantity": 2}' %[1]s/cart/jo/items/add
  curl %[1]s/carts/jo

  go run ./examples/shoppingcart/client -addr %[1]s get jo

The carts are kept in %[2]s: stop this program with Ctrl-C and start it again, and they are
there.

`, addr, file)
}
