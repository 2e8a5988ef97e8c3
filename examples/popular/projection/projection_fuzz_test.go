package projection_test

import (
	"testing"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/popular/projection"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// No command makes an event that the projection cannot handle.
func FuzzProjection(f *testing.F) {
	testkit.Fuzzer{Service: &cloudstate.Service{
		Components:        components,
		UnaryInterceptors: []grpc.UnaryServerInterceptor{projection.Validate},
	}}.Fuzz(f)
}
