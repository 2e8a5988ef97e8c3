package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate"
	pb "github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/examples/popular/projection"
	shoppingcart "github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// Events, topics and positions are there after a restart: consumers go on where they have left
// off. One life comes after the other, so it is not parallel.
func TestStore_KeepsConsumersGoing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	for _, life := range []struct {
		name string
		want int64 // shirts, at the end
	}{{"before", 2}, {"after", 4}} {
		t.Run(life.name, func(t *testing.T) {
			s := open(t, path)
			service := &cloudstate.Service{Components: []cloudstate.Component{shoppingcart.Entity, projection.Projection, projection.Products, projection.Bestsellers}}
			kit := testkit.Start(t, service, func(p *proxy.Proxy) { p.Journal, p.Values = s, s })
			_, err := cartpb.NewShoppingCartClient(kit).AddItem(t.Context(), &cartpb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: 2})
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				list, err := pb.NewBestsellersClient(kit).Get(t.Context(), &pb.GetBestsellers{List: projection.BestsellerList})
				return err == nil && len(list.GetProducts()) == 1 && list.GetProducts()[0].GetItems() == life.want
			}, 10*time.Second, time.Millisecond)
			require.Len(t, kit.Published("popularity"), int(life.want/2), "no event was handled twice")
		})
	}
	position, err := open(t, path).LoadPosition(t.Context(), store.Consumer{
		Kind: store.EventLogSource, Source: "shopping-cart", Service: "com.example.popular.Projection", Group: "com.example.popular.Projection",
	})
	require.NoError(t, err)
	require.Positive(t, position.Offset)
}
