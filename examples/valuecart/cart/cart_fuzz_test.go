package cart_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/pricing"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/examples/valuecart/cart"
	"github.com/cloudstate-go/cloudstate/testkit"
)

//snippet:fuzz

func FuzzCart(f *testing.F) {
	action, _ := pricing.NewAction()
	testkit.Fuzzer{
		Service: &cloudstate.Service{Components: []cloudstate.Component{cart.Entity, action}},
		Examples: []proto.Message{ // only what has a price can be bought
			&pb.AddLineItem{ProductId: "shirt"}, &pb.AddLineItem{ProductId: "hat"}, &pb.RemoveLineItem{ProductId: "hat"},
		},
	}.Fuzz(f)
}

//snippet:end
