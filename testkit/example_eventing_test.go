package testkit_test

import (
	"fmt"

	"github.com/stretchr/testify/require"

	popular "github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/examples/popular/projection"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// Events are handled in the background, so a test waits for all that follows from a command.
func ExampleKit_Settle() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, cart.Entity, projection.Projection, projection.Products, projection.Bestsellers)
		_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Name: "Hat", Quantity: 2})
		require.NoError(t, err)
		kit.Settle()
		kit.RequirePublished("popularity", &popular.Popularity{List: projection.BestsellerList, ProductId: "hat", Name: "Hat", Items: 2})
		fmt.Println(len(kit.Published("popularity")))
	})
	// Output: 1
}

// A topic has other publishers, for which the test stands in.
func ExampleKit_Publish() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, projection.Bestsellers)
		kit.Publish("popularity", &popular.Popularity{List: projection.BestsellerList, ProductId: "hat", Name: "Hat", Items: 7})
		kit.Settle()
		list, err := popular.NewBestsellersClient(kit).Get(t.Context(), &popular.GetBestsellers{List: projection.BestsellerList})
		require.NoError(t, err)
		fmt.Println(list.GetProducts()[0].GetName())
	})
	// Output: Hat
}
