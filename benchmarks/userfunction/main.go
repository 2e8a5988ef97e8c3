// Command userfunction serves what the load driver of the benchmark needs, written with
// the public API. It listens on HOST and PORT.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/cloudstate-go/cloudstate"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	service := &cloudstate.Service{
		Name:       "cloudstate-go-benchmark",
		Components: []cloudstate.Component{shoppingCart, valueShoppingCart, echoAction, counterEntity, setEntity, mapEntity},
	}
	if err := service.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
