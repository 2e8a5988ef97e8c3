package testkit_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// relay asks for side effects on another entity of its own type.
type relay struct {
	eventsourced.Base
	pb.UnimplementedShoppingCartServer
}

func (r *relay) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	r.Emit(add.GetProductId())
	return &emptypb.Empty{}, nil
}

func (r *relay) RemoveItem(ctx context.Context, remove *pb.RemoveLineItem) (*emptypb.Empty, error) {
	for i := range 3 {
		effect := pb.NewShoppingCartClient(entity.SideEffect(ctx))
		if _, err := effect.AddItem(ctx, &pb.AddLineItem{UserId: remove.GetProductId(), ProductId: fmt.Sprint(i)}); err != nil {
			return nil, err
		}
	}
	return &emptypb.Empty{}, nil
}

// Protocol section 7.2: asynchronous effects of one command reach an entity in list order.
func TestSideEffects_KeepTheirOrder(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, &eventsourced.Entity[*relay]{
		Service: &pb.ShoppingCart_ServiceDesc,
		New:     func(string) *relay { return &relay{} },
		Events:  []eventsourced.Event[*relay]{eventsourced.On(func(*relay, string) {})},
	})
	client := pb.NewShoppingCartClient(kit)
	for round := range 50 {
		target := fmt.Sprintf("target-%d", round)
		_, err := client.RemoveItem(t.Context(), &pb.RemoveLineItem{UserId: "source", ProductId: target})
		require.NoError(t, err)
		require.Eventually(t, func() bool { return len(kit.Events("ShoppingCart", target)) == 3 }, waitFor, tick)
		kit.RequireEvents("ShoppingCart", target, "0", "1", "2")
	}
}

// Passivate waits also for an entity that is being restarted.
func TestPassivate_WaitsForARestart(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, basketEntity())
	for range 100 {
		require.Error(t, add(t, kit, "fail", "")) // after an event, so that it is restarted
		kit.Passivate("cart", "u1")
		before := kit.Activations("cart", "u1")
		require.Empty(t, products(t, kit))
		require.Equal(t, before+1, kit.Activations("cart", "u1"), "it was still in memory")
	}
}
