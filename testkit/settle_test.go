package testkit_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/examples/popular/projection"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// Events lead to others, and Settle waits for the last of them.
func TestSettle_WaitsForTheLastEvent(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity, projection.Projection, projection.Products, projection.Bestsellers)
	kit.Settle() // there is nothing to wait for
	const events = 50
	for range events {
		_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 1})
		require.NoError(t, err)
	}
	kit.Settle()
	require.Len(t, kit.Published("popularity"), events)
	hat := &popularpb.Popularity{List: projection.BestsellerList, ProductId: "hat", Items: events}
	kit.RequireState("bestsellers", projection.BestsellerList, &popularpb.BestsellerList{Products: []*popularpb.Popularity{hat}})
}

// An event that nobody can handle never settles.
func TestSettle_SaysWhoHasSomethingToDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := record(t, func(tb testing.TB) {
			tb.Helper()
			kit := testkit.New(tb, cart.Entity, projection.Projection, projection.Products, projection.Bestsellers)
			_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", Quantity: 1})
			require.NoError(t, err)
			defer kit.Faults()
			kit.Settle()
		})
		require.Contains(t, got, `testkit: events are not handled within 10s: com.example.popular.Projection of event_log "shopping-cart" has come to offset 0, and has tried the next event `)
	})
}
