package guide_test

import (
	"testing"

	pb "google.golang.org/grpc/examples/route_guide/routeguide"

	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// An existing gRPC service is fuzzed as an action, in all four kinds of calls.
func FuzzGuide(f *testing.F) {
	testkit.Fuzz(f, &action.Action{Service: &pb.RouteGuide_ServiceDesc, Server: newServer()})
}
