// Command userfunction serves the models of the official conformance kit (TCK) on HOST and
// PORT, which are 127.0.0.1 and 8080 by default.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/cloudstate-go/cloudstate/conformance/models"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintf(os.Stderr, "userfunction: it takes no arguments, found %q; set HOST and PORT\n", os.Args[1:])
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := models.Service().Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "userfunction:", err)
		os.Exit(1)
	}
}
