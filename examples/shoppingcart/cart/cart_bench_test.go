package cart_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// One command with one event, from the client through the embedded proxy and back.
func BenchmarkCart_AddItem(b *testing.B) {
	carts := pb.NewShoppingCartClient(testkit.New(b, cart.Entity))
	add := &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Name: "T-shirt", Quantity: 1}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := carts.AddItem(b.Context(), add); err != nil {
			b.Fatal(err)
		}
	}
}

// The activation of a cart with 10,000 events and without a snapshot, through the embedded
// proxy.
func BenchmarkCart_Replay10k(b *testing.B) {
	const events = 10_000
	entity := *cart.Entity
	entity.SnapshotEvery = -1
	kit := testkit.New(b, &entity)
	carts := pb.NewShoppingCartClient(kit)
	for range events {
		_, err := carts.AddItem(b.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Name: "T-shirt", Quantity: 1})
		require.NoError(b, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		kit.Passivate("shopping-cart", "jo")
		got, err := carts.GetCart(b.Context(), &pb.GetShoppingCart{UserId: "jo"})
		if err != nil || got.GetItems()[0].GetQuantity() != events {
			b.Fatal(got, err)
		}
	}
}
