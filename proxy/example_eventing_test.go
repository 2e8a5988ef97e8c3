package proxy_test

import (
	"context"
	"fmt"
	"log/slog"

	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/popular/projection"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
)

//snippet:redeliver

// redeliver delivers all dead letters once more, and returns how many are left.
func redeliver(ctx context.Context, p *proxy.Proxy) (int, error) {
	left := 0
	for after := uint64(0); ; {
		letters, err := p.DeadLetters(ctx, after, 100)
		if err != nil || len(letters) == 0 {
			return left, err
		}
		for _, letter := range letters {
			after = letter.ID
			if err := p.Redeliver(ctx, letter.ID); err != nil { // it stays
				fmt.Println(letter.Event.ID, "was given up again:", err)
				left++
			}
		}
	}
}

//snippet:end

// An event that no method can handle becomes a dead letter, which can be delivered again when
// the service has been mended, or discarded.
func ExampleProxy_Redeliver() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	faults := make(chan proxy.Fault, 1)
	service := &cloudstate.Service{
		Name:       "bestsellers", // has a method that consumes the topic popularity
		Components: []cloudstate.Component{projection.Bestsellers},
		Logger:     slog.New(slog.DiscardHandler),
	}
	p := &proxy.Proxy{
		UserFunction: proxy.Embed(service),
		Logger:       service.Logger,
		Eventing:     proxy.Eventing{MaxAttempts: 1},
		OnFault:      func(fault proxy.Fault) { faults <- fault },
	}
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, bufconn.Listen(1<<20)) }()
	<-p.Ready()

	err := p.Publish(ctx, "popularity", eventing.Event{ID: "e1", Source: "/example", DataContentType: "text/plain", Data: []byte("a hat")})
	fmt.Println(err)
	<-faults // it was given up

	left, err := redeliver(ctx, p)
	fmt.Println(left, err)
	fmt.Println(p.Discard(ctx, 1))
	stop()
	fmt.Println(<-served)
	// Output:
	// <nil>
	// e1 was given up again: proxy: dead letter 1 was not handled: No method can be found to handle protobuf type of [p.cloudstate.io/string] on input topic "popularity". Add one, or one that takes google.protobuf.Any.
	// 1 <nil>
	// <nil>
	// <nil>
}
