package cart_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/examples/pricing"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/examples/valuecart/cart"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// Side effects are carried out after the reply, so a test waits for them.
const (
	waitFor = 10 * time.Second
	tick    = time.Millisecond
)

func start(t *testing.T) (*testkit.Kit, pb.ShoppingCartClient, *pricing.Server) {
	t.Helper()
	action, prices := pricing.NewAction()
	kit := testkit.New(t, cart.Entity, action)
	return kit, pb.NewShoppingCartClient(kit), prices
}

func requireCart(t *testing.T, carts pb.ShoppingCartClient, items ...*pb.LineItem) {
	t.Helper()
	got, err := carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
	require.NoError(t, err)
	require.True(t, proto.Equal(&pb.Cart{Items: items}, got), "%v", got)
}

func TestAddItem_SurvivesPassivation(t *testing.T) {
	t.Parallel()
	kit, carts, prices := start(t)
	requireCart(t, carts)
	for range 2 {
		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Name: "T-shirt", Quantity: 2})
		require.NoError(t, err)
	}
	kit.RequireState("shopping-cart", "jo", &domain.Cart{Items: []*domain.LineItem{{ProductId: "shirt", Name: "T-shirt", Quantity: 4}}})
	kit.Passivate("shopping-cart", "jo")
	// The prices come from the action that GetCart forwards to.
	requireCart(t, carts, &pb.LineItem{ProductId: "shirt", Name: "T-shirt, 80.00", Quantity: 4})
	require.Eventually(t, func() bool { return prices.AskedFor() == 2 }, waitFor, tick, "side effects")
}

// What a call refuses, the command does too, and leaves no side effect.
func TestAddItem_RefusesProductsWithoutAPrice(t *testing.T) {
	t.Parallel()
	_, carts, prices := start(t)
	_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "car", Name: "Car", Quantity: 1})
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat"})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	requireCart(t, carts)
	require.Zero(t, prices.AskedFor())
}

func TestRemoveItem_DeletesAnEmptyCart(t *testing.T) {
	t.Parallel()
	kit, carts, _ := start(t)
	for _, product := range []string{"shirt", "hat"} {
		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: product, Name: product, Quantity: 1})
		require.NoError(t, err)
	}
	remove := func(product string) error {
		_, err := carts.RemoveItem(t.Context(), &pb.RemoveLineItem{UserId: "jo", ProductId: product})
		return err
	}
	require.NoError(t, remove("shirt"))
	require.Equal(t, codes.NotFound, status.Code(remove("shirt")))
	requireCart(t, carts, &pb.LineItem{ProductId: "hat", Name: "hat, 15.00", Quantity: 1})
	require.NoError(t, remove("hat"))
	kit.RequireNoState("shopping-cart", "jo")
	kit.Passivate("shopping-cart", "jo")
	requireCart(t, carts)
}
