package conformance_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cloudstate-go/cloudstate/conformance"
	"github.com/cloudstate-go/cloudstate/conformance/models"
)

// Without go test, the report says whether all is well.
func ExampleCheckUserFunction() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	lis, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	service := models.Service()
	service.Logger = slog.New(slog.DiscardHandler)
	served := make(chan error)
	go func() { served <- service.Serve(ctx, lis) }()

	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	report := conformance.CheckUserFunction(ctx, conformance.UserFunction{Conn: conn, Timeout: busyMachine})
	fmt.Println(len(report.Failed()), "assertions do not hold")
	stop()
	fmt.Println(conn.Close(), <-served)
	// Output:
	// 0 assertions do not hold
	// <nil> <nil>
}
