package cart_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/examples/pricing"
	"github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/examples/valuecart/cart"
	"github.com/cloudstate-go/cloudstate/testkit"
)

//snippet:start

// start starts the cart, with a stub in place of prices.
func start(t *testing.T) (*testkit.Kit, pb.ShoppingCartClient, *testkit.Stub) {
	t.Helper()
	prices := testkit.NewStub(&pricingpb.Pricing_ServiceDesc)
	kit := testkit.New(t, cart.Entity, prices)
	return kit, pb.NewShoppingCartClient(kit), prices
}

//snippet:end

func state(items ...*domain.LineItem) *domain.Cart { return &domain.Cart{Items: items} }

//snippet:outcome

func TestAddItem_AddsUp(t *testing.T) {
	t.Parallel()
	kit, carts, _ := start(t)
	kit.Given(testkit.State("shopping-cart", "jo", state(&domain.LineItem{ProductId: "shirt", Name: "T-shirt", Quantity: 2})))
	_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Name: "T-shirt", Quantity: 2})
	require.NoError(t, err)
	added := kit.Last("shopping-cart", "jo")
	added.RequireState(state(&domain.LineItem{ProductId: "shirt", Name: "T-shirt", Quantity: 4}))
	added.RequireSideEffects(testkit.Call{
		Method:  pricingpb.Pricing_Asked_FullMethodName,
		Request: &pricingpb.Product{ProductId: "shirt", Quantity: 2},
	})
}

//snippet:end

// What a call refuses, the command does too, and changes nothing.
func TestAddItem_RefusesProductsWithoutAPrice(t *testing.T) {
	t.Parallel()
	kit, carts, prices := start(t)
	prices.Fail(pricingpb.Pricing_Quote_FullMethodName, status.Error(codes.NotFound, "no such product"))
	_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "car", Name: "Car", Quantity: 1})
	require.Equal(t, codes.NotFound, status.Code(err))
	kit.Last("shopping-cart", "jo").RequireUnchanged()

	_, err = carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat"})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	kit.Last("shopping-cart", "jo").RequireUnchanged()
}

func TestRemoveItem_DeletesAnEmptyCart(t *testing.T) {
	t.Parallel()
	kit, carts, _ := start(t)
	hat := &domain.LineItem{ProductId: "hat", Quantity: 1}
	kit.Given(testkit.State("shopping-cart", "jo", state(&domain.LineItem{ProductId: "shirt", Quantity: 1}, hat)))
	remove := func(product string) error {
		_, err := carts.RemoveItem(t.Context(), &pb.RemoveLineItem{UserId: "jo", ProductId: product})
		return err
	}
	require.NoError(t, remove("shirt"))
	kit.RequireState("shopping-cart", "jo", state(hat))
	require.Equal(t, codes.NotFound, status.Code(remove("shirt")))
	require.NoError(t, remove("hat"))
	kit.RequireNoState("shopping-cart", "jo")
	kit.Passivate("shopping-cart", "jo")
	require.Equal(t, codes.NotFound, status.Code(remove("hat")))
}

// With the real prices: a call, a side effect, and a forward whose reply is that of the cart.
func TestCart_WithPrices(t *testing.T) {
	t.Parallel()
	action, prices := pricing.NewAction()
	kit := testkit.New(t, cart.Entity, action)
	carts := pb.NewShoppingCartClient(kit)
	_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Name: "T-shirt", Quantity: 4})
	require.NoError(t, err)
	kit.Passivate("shopping-cart", "jo")
	got, err := carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
	require.NoError(t, err)
	want := &pb.Cart{Items: []*pb.LineItem{{ProductId: "shirt", Name: "T-shirt, 80.00", Quantity: 4}}}
	require.True(t, proto.Equal(want, got), "%v", got)

	kit.Await(pricingpb.Pricing_Asked_FullMethodName) // the side effect, which is carried out after the reply
	require.Equal(t, int64(1), prices.AskedFor())
}
