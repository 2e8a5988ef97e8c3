package cart_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
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

func shirts(quantity int32) *domain.LineItem {
	return &domain.LineItem{ProductId: "shirt", Name: "T-shirt", Quantity: quantity}
}

func TestAddItem_AddsUp(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	kit.Given(testkit.Events("shopping-cart", "jo", &domain.ItemAdded{Item: shirts(4)}))
	carts := pb.NewShoppingCartClient(kit)
	_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Name: "T-shirt", Quantity: 2})
	require.NoError(t, err)
	_, err = carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Name: "Hat", Quantity: 1})
	require.NoError(t, err)
	requireCart(t, carts,
		&pb.LineItem{ProductId: "hat", Name: "Hat", Quantity: 1},
		&pb.LineItem{ProductId: "shirt", Name: "T-shirt", Quantity: 6})
}

//snippet:failure

func TestAddItem_RefusesAQuantityThatIsNotPositive(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt"})
	require.Error(t, err)
	kit.Last("shopping-cart", "jo").RequireFailure(codes.InvalidArgument, `the quantity of "shirt" must be positive, got 0`)
	kit.Last("shopping-cart", "jo").RequireUnchanged()
}

//snippet:end

//snippet:given

func TestRemoveItem_TakesTheProductOut(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	kit.Given(testkit.Events("shopping-cart", "jo", &domain.ItemAdded{Item: shirts(2)}))
	remove := &pb.RemoveLineItem{UserId: "jo", ProductId: "shirt"}
	_, err := pb.NewShoppingCartClient(kit).RemoveItem(t.Context(), remove)
	require.NoError(t, err)
	kit.Last("shopping-cart", "jo").RequireEvents(&domain.ItemRemoved{ProductId: "shirt"})

	_, err = pb.NewShoppingCartClient(kit).RemoveItem(t.Context(), remove)
	require.Error(t, err)
	kit.Last("shopping-cart", "jo").RequireFailure(codes.NotFound, `no product "shirt"`)
}

//snippet:end

//snippet:snapshot

// A cart with many events comes back from its snapshot.
func TestCart_ComesBackFromItsSnapshot(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	kit.Given(
		testkit.Snapshot("shopping-cart", "jo", 100, &domain.Cart{Items: []*domain.LineItem{shirts(300)}}),
		testkit.Events("shopping-cart", "jo", &domain.ItemAdded{Item: shirts(2)}),
	)
	requireCart(t, pb.NewShoppingCartClient(kit), &pb.LineItem{ProductId: "shirt", Name: "T-shirt", Quantity: 302})
}

//snippet:end

//snippet:time

// A cart leaves memory when nobody has used it for 30 seconds. In a bubble of testing/synctest
// they take no time.
func TestCart_LeavesMemoryWhenItIsIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := testkit.New(t, cart.Entity)
		kit.Given(testkit.Events("shopping-cart", "jo", &domain.ItemAdded{Item: shirts(2)}))
		for range 3 {
			requireCart(t, pb.NewShoppingCartClient(kit), &pb.LineItem{ProductId: "shirt", Name: "T-shirt", Quantity: 2})
			<-time.After(31 * time.Second) // of virtual time
		}
		require.Equal(t, 3, kit.Activations("shopping-cart", "jo"))
	})
}

//snippet:end

//snippet:fault

// What the store has not taken, the client knows of, and the cart does not have.
func TestAddItem_FailsWithTheStore(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	kit.Inject(testkit.WriteFails)
	carts := pb.NewShoppingCartClient(kit)
	_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: 2})
	require.Error(t, err)
	requireCart(t, carts)
}

//snippet:end

//snippet:golden

// The files in testdata are what this version and earlier ones have stored. All must be read.
func TestCart_ReadsWhatItHasEverStored(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, "testdata/*.json", shop, cart.Entity)
}

// shop stores all that a cart can store, and ends with a look at it.
func shop(t *testing.T, kit *testkit.Kit) {
	t.Helper()
	carts := pb.NewShoppingCartClient(kit)
	for _, product := range []string{"hat", "shirt", "shirt"} {
		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: product, Name: "a " + product, Quantity: 2})
		require.NoError(t, err)
	}
	_, err := carts.RemoveItem(t.Context(), &pb.RemoveLineItem{UserId: "jo", ProductId: "hat"})
	require.NoError(t, err)
	_, err = carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
	require.NoError(t, err)
}

//snippet:end
