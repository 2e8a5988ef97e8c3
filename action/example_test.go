package action_test

import (
	"context"
	"fmt"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
)

// greeter is an ordinary gRPC server.
type greeter struct{ echopb.UnimplementedEchoServer }

func (greeter) Unary(_ context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
	return &echopb.EchoReply{Text: "Hello, " + in.GetText()}, nil
}

// Any gRPC server is an action.
func ExampleAction() {
	service := &cloudstate.Service{
		Name:       "greeter",
		Components: []cloudstate.Component{&action.Action{Service: &echopb.Echo_ServiceDesc, Server: greeter{}}},
	}
	fmt.Println(service.Validate())
	// Output: <nil>
}
