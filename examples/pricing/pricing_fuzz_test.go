package pricing_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/pricing"
	pb "github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

func FuzzPricing(f *testing.F) {
	action, _ := pricing.NewAction()
	testkit.Fuzzer{
		Service:  &cloudstate.Service{Components: []cloudstate.Component{action}},
		Examples: []proto.Message{&pb.Product{ProductId: "shirt"}, &pb.Product{ProductId: "hat", Quantity: 10}},
	}.Fuzz(f)
}
