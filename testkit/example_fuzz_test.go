package testkit_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
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

// What versions of an entity have stored is recorded in files, which each later version must
// read. A new version is recorded with go test -testkit.update.
func ExampleGolden() {
	shop := func(t *testing.T, kit *testkit.Kit) { // stores all there is to store, and looks at it
		t.Helper()
		carts := pb.NewShoppingCartClient(kit)
		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: 2})
		require.NoError(t, err)
		_, err = carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
		require.NoError(t, err)
	}
	testCart := func(t *testing.T) {
		t.Helper()
		testkit.Golden(t, "testdata/*.json", shop, cart.Entity)
	}
	fmt.Printf("%T\n", testCart)
	// Output: func(*testing.T)
}
