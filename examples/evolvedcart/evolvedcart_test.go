package evolvedcart_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/examples/evolvedcart"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

//snippet:golden

// testdata/1.json is what examples/shoppingcart has stored, 2.json what came after that.
func TestCart_ReadsWhatItHasEverStored(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, "testdata/*.json", shop, evolvedcart.Entity)
}

//snippet:end

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

func FuzzCart(f *testing.F) { testkit.Fuzz(f, evolvedcart.Entity) }
