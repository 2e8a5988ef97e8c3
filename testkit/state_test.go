package testkit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// Side effects are carried out after the reply, so a test waits for them.
const (
	waitFor = 10 * time.Second
	tick    = time.Millisecond
)

// counts is the state of a counter, as JSON.
type counts struct {
	By map[string]int32 `json:"by"`
}

// counter counts products, and fails for some after it has changed its state in place.
type counter struct {
	valueentity.Base[counts]
	pb.UnimplementedShoppingCartServer
}

func (c *counter) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	state := c.State()
	if state.By == nil {
		state.By = map[string]int32{}
	}
	state.By[add.GetProductId()] += add.GetQuantity()
	if add.GetProductId() == "fail" {
		return nil, errors.New("changed my mind")
	}
	c.Update(state)
	return &emptypb.Empty{}, nil
}

func (c *counter) RemoveItem(context.Context, *pb.RemoveLineItem) (*emptypb.Empty, error) {
	c.Delete()
	return &emptypb.Empty{}, nil
}

func counterKit(tb testing.TB) (*testkit.Kit, pb.ShoppingCartClient) {
	tb.Helper()
	kit := testkit.New(tb, &valueentity.Entity[*counter]{
		Service: &pb.ShoppingCart_ServiceDesc,
		New:     func(string) *counter { return &counter{} },
		State:   []entity.CodecOption{entity.JSON("counts")},
	})
	return kit, pb.NewShoppingCartClient(kit)
}

// P-071, P-073, P-075, P-079: what is stored, what is undone and what is deleted.
func TestRequireState_FollowsTheEntity(t *testing.T) {
	t.Parallel()
	kit, client := counterKit(t)
	kit.RequireNoState("ShoppingCart", "u1")
	add := func(product string, quantity int32) error {
		_, err := client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: product, Quantity: quantity})
		return err
	}
	require.NoError(t, add("a", 1))
	require.ErrorContains(t, add("fail", 1), "changed my mind")
	require.NoError(t, add("a", 2))
	kit.RequireState("ShoppingCart", "u1", counts{By: map[string]int32{"a": 3}})
	require.Equal(t, "json.cloudstate.io/counts", kit.State("ShoppingCart", "u1").GetTypeUrl())

	kit.Passivate("ShoppingCart", "u1")
	require.NoError(t, add("b", 1))
	kit.RequireState("ShoppingCart", "u1", counts{By: map[string]int32{"a": 3, "b": 1}})

	_, err := client.RemoveItem(t.Context(), &pb.RemoveLineItem{UserId: "u1"})
	require.NoError(t, err)
	kit.RequireNoState("ShoppingCart", "u1")
	kit.Passivate("ShoppingCart", "u1")
	require.NoError(t, add("c", 1))
	kit.RequireState("ShoppingCart", "u1", counts{By: map[string]int32{"c": 1}})
}

func TestRequireState_ShowsTheDifference(t *testing.T) {
	t.Parallel()
	got := record(t, func(tb testing.TB) {
		tb.Helper()
		kit, client := counterKit(tb)
		_, err := client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: "a", Quantity: 1})
		require.NoError(t, err)
		kit.RequireState("ShoppingCart", "u1", counts{By: map[string]int32{"a": 2}})
	})
	for _, want := range []string{`the state of ShoppingCart "u1" differs`, `-    "a": 2`, `+    "a": 1`} {
		require.Contains(t, got, want)
	}
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		kit, _ := counterKit(tb)
		kit.RequireState("carts", "u1", counts{})
	}), `no component has the persistence id "carts"`)
}
