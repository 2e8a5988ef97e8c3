package projection_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate"
	pb "github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/examples/popular/projection"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

var components = []cloudstate.Component{cart.Entity, projection.Projection, projection.Products, projection.Bestsellers}

func add(t *testing.T, kit *testkit.Kit, user, product string, quantity int32) {
	t.Helper()
	_, err := cartpb.NewShoppingCartClient(kit).AddItem(t.Context(), &cartpb.AddLineItem{UserId: user, ProductId: product, Name: "a " + product, Quantity: quantity})
	require.NoError(t, err)
}

func popularity(product string, items int64) *pb.Popularity {
	return &pb.Popularity{List: projection.BestsellerList, ProductId: product, Name: "a " + product, Items: items}
}

func requireBestsellers(t *testing.T, kit *testkit.Kit, want ...string) {
	t.Helper()
	list, err := pb.NewBestsellersClient(kit).Get(t.Context(), &pb.GetBestsellers{List: projection.BestsellerList})
	require.NoError(t, err)
	got := make([]string, 0, len(want))
	for _, p := range list.GetProducts() {
		got = append(got, p.GetProductId())
	}
	require.Equal(t, want, got)
}

//snippet:test

// P-200, P-201, P-208: the events of all carts are counted, published, and ranked.
func TestProjection_FollowsTheCarts(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, components...)
	add(t, kit, "jo", "shirt", 2)
	add(t, kit, "bo", "hat", 3)
	add(t, kit, "jo", "shirt", 2)
	kit.Settle() // until everything that follows has happened

	kit.RequirePublished("popularity", popularity("shirt", 2), popularity("hat", 3), popularity("shirt", 4))
	kit.RequireState("products", "shirt", &pb.Counted{Items: 4, Offset: 3})
	requireBestsellers(t, kit, "shirt", "hat")
}

//snippet:end

// The subject of a published event is the product.
func TestProjection_PublishesWithASubject(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, components...)
	add(t, kit, "jo", "shirt", 2)
	kit.Settle()
	event := kit.Published("popularity")[0]
	require.Equal(t, "shirt", event.Subject)
	require.Equal(t, "com.example.popular.Projection", event.Source)
	require.Equal(t, "com.example.popular.Popularity", event.Type)
}

// Events that were stored before are followed as well, and a list is no longer than it may be.
func TestProjection_BeginsWithTheFirstEvent(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, components...)
	item := func(product string, quantity int32) *domain.ItemAdded {
		return &domain.ItemAdded{Item: &domain.LineItem{ProductId: product, Quantity: quantity}}
	}
	kit.Given(testkit.Events("shopping-cart", "jo", item("a", 1), item("b", 4), &domain.ItemRemoved{ProductId: "a"}, item("c", 3), item("d", 2)))
	kit.Settle()
	requireBestsellers(t, kit, "b", "c", "d")
}

// A product that an event was counted for, and whose answer got lost, does not count it again.
func TestProduct_CountsAnEventOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lose := true
		kit := testkit.Start(t, &cloudstate.Service{
			Components: components,
			UnaryInterceptors: []grpc.UnaryServerInterceptor{func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
				reply, err := handler(ctx, request)
				if info.FullMethod == pb.Projection_ItemAdded_FullMethodName && lose {
					lose = false
					return nil, errors.New("lost")
				}
				return reply, err
			}},
		})
		add(t, kit, "jo", "shirt", 2)
		time.Sleep(4 * time.Second) //nolint:forbidigo // virtual time: the event comes again
		kit.RequireState("products", "shirt", &pb.Counted{Items: 2, Offset: 1})
		kit.RequirePublished("popularity", popularity("shirt", 2))
		require.Len(t, kit.Faults(), 1)
	})
}

// A topic has other publishers.
func TestBestsellers_RankWhatOthersPublish(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, components...)
	kit.Publish("popularity", popularity("hat", 7))
	kit.Settle()
	requireBestsellers(t, kit, "hat")
}

// A call that is no event is refused. A client that sends the attributes as headers is another
// publisher.
func TestProjection_WantsAnEvent(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, components...)
	_, err := pb.NewProjectionClient(kit).ItemAdded(t.Context(), &domain.ItemAdded{})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.ErrorContains(t, err, "the metadata is not that of a CloudEvent")
}
