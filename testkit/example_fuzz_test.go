package testkit_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/pricing"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	valuecart "github.com/cloudstate-go/cloudstate/examples/valuecart/cart"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// One line makes up commands for an entity, and holds it to the laws.
func ExampleFuzz() {
	fuzzCart := func(f *testing.F) {
		f.Helper()
		testkit.Fuzz(f, cart.Entity)
	}
	fmt.Printf("%T\n", fuzzCart) // go test runs functions of this type whose names begin with Fuzz
	// Output: func(*testing.F)
}

// Examples tell a fuzzer which values mean something to an entity: only what has a price can be
// put into this cart.
func ExampleFuzzer() {
	fuzzCart := func(f *testing.F) {
		f.Helper()
		prices, _ := pricing.NewAction()
		testkit.Fuzzer{
			Service:  &cloudstate.Service{Components: []cloudstate.Component{valuecart.Entity, prices}},
			Examples: []proto.Message{&pb.AddLineItem{ProductId: "shirt"}, &pb.RemoveLineItem{ProductId: "shirt"}},
		}.Fuzz(f)
	}
	fmt.Printf("%T\n", fuzzCart)
	// Output: func(*testing.F)
}
