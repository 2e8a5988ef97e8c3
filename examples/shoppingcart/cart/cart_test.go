package cart_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

//snippet:test

func TestAddItem_SurvivesPassivation(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	carts := pb.NewShoppingCartClient(kit) // the ordinary generated client

	_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Name: "T-shirt", Quantity: 2})
	require.NoError(t, err)
	kit.RequireEvents("shopping-cart", "jo", &domain.ItemAdded{
		Item: &domain.LineItem{ProductId: "shirt", Name: "T-shirt", Quantity: 2},
	})

	kit.Passivate("shopping-cart", "jo") // the next command brings the cart back
	requireCart(t, carts, &pb.LineItem{ProductId: "shirt", Name: "T-shirt", Quantity: 2})
}

//snippet:end

func requireCart(t *testing.T, carts pb.ShoppingCartClient, items ...*pb.LineItem) {
	t.Helper()
	got, err := carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
	require.NoError(t, err)
	require.True(t, proto.Equal(&pb.Cart{Items: items}, got), "%v", got)
}

func TestAddItem_AddsUp(t *testing.T) {
	t.Parallel()
	carts := pb.NewShoppingCartClient(testkit.New(t, cart.Entity))
	for range 3 {
		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Name: "T-shirt", Quantity: 2})
		require.NoError(t, err)
	}
	_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Name: "Hat", Quantity: 1})
	require.NoError(t, err)
	requireCart(t, carts,
		&pb.LineItem{ProductId: "hat", Name: "Hat", Quantity: 1},
		&pb.LineItem{ProductId: "shirt", Name: "T-shirt", Quantity: 6})
}

func TestAddItem_RefusesAQuantityThatIsNotPositive(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt"})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.Equal(t, `the quantity of "shirt" must be positive, got 0`, status.Convert(err).Message())
	kit.RequireEvents("shopping-cart", "jo")
}

func TestRemoveItem_TakesTheProductOut(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	carts := pb.NewShoppingCartClient(kit)
	_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: 2})
	require.NoError(t, err)
	remove := &pb.RemoveLineItem{UserId: "jo", ProductId: "shirt"}
	_, err = carts.RemoveItem(t.Context(), remove)
	require.NoError(t, err)
	_, err = carts.RemoveItem(t.Context(), remove)
	require.Equal(t, codes.NotFound, status.Code(err))

	kit.Passivate("shopping-cart", "jo")
	requireCart(t, carts)
	kit.RequireEvents("shopping-cart", "jo",
		&domain.ItemAdded{Item: &domain.LineItem{ProductId: "shirt", Quantity: 2}},
		&domain.ItemRemoved{ProductId: "shirt"})
}

// A cart with more events than a snapshot has comes back from its snapshot.
func TestCart_ComesBackFromItsSnapshot(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	carts := pb.NewShoppingCartClient(kit)
	for range 150 {
		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Name: "T-shirt", Quantity: 2})
		require.NoError(t, err)
	}
	kit.Passivate("shopping-cart", "jo")
	requireCart(t, carts, &pb.LineItem{ProductId: "shirt", Name: "T-shirt", Quantity: 300})
	require.Len(t, kit.Events("shopping-cart", "jo"), 150)
}
