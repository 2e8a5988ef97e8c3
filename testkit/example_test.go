package testkit_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// A test calls the entity as its clients do, and looks into the journal.
func ExampleNew() {
	testAddItem := func(t *testing.T) {
		t.Helper()
		kit := testkit.New(t, cart.Entity)
		carts := pb.NewShoppingCartClient(kit)

		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: "a", Quantity: 2})
		require.NoError(t, err)
		kit.RequireEvents("shopping-cart", "u1", &domain.ItemAdded{Item: &domain.LineItem{ProductId: "a", Quantity: 2}})
	}
	fmt.Printf("%T\n", testAddItem) // go test runs functions of this type whose names begin with Test
	// Output: func(*testing.T)
}
