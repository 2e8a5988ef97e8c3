package testkit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/examples/popular/projection"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// A client that waits too long gets its error at the time that is set, by the proxy or by
// itself, and the command is carried out nevertheless. None of it takes real time.
func TestKit_WaitsInVirtualTime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		deadline time.Duration // of the client; zero for none
		want     time.Duration
	}{
		"for an answer, by default a minute": {0, time.Minute},
		"until the deadline of the client":   {time.Hour, time.Minute},
		"or until an earlier one":            {5 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				proceed := make(chan struct{})
				kit := testkit.New(t, plant(wrong{add: func(c *planted, add *pb.AddLineItem) error {
					<-proceed
					c.Emit(itemAdded(add.GetProductId(), 1))
					return nil
				}}))
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				began := time.Now()
				_, err := pb.NewShoppingCartClient(kit).AddItem(ctx, &pb.AddLineItem{UserId: "u1", ProductId: "slow"})
				require.Equal(t, codes.DeadlineExceeded, status.Code(err))
				require.Equal(t, tt.want, time.Since(began))
				close(proceed)
				require.Equal(t, "u1", kit.Await(pb.ShoppingCart_AddItem_FullMethodName).EntityID)
				synctest.Wait()
				kit.RequireEvents("cart", "u1", itemAdded("slow", 1))
			})
		})
	}
}

// The proxy asks a store again that does not know what has become of a write, after pauses.
func TestKit_FindsOutWhatBecameOfAWriteInVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := testkit.New(t, plant(wrong{}))
		kit.Inject(testkit.WriteUnknown, testkit.ResolveFails, testkit.ResolveFails, testkit.ResolveFails)
		began := time.Now()
		require.NoError(t, add(t, kit, "a", ""))
		require.Equal(t, (10+20+40)*time.Millisecond, time.Since(began))
		kit.RequireEvents("cart", "u1", itemAdded("a", 0))
	})
}

// An event that a consumer has not got, or has not answered, is delivered again after a pause.
func TestKit_DeliversEventsAgainInVirtualTime(t *testing.T) {
	t.Parallel()
	for _, fault := range []testkit.Fault{testkit.CommandLost, testkit.ReplyLost, testkit.WriteFails} {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kit := testkit.New(t, projection.Bestsellers)
				kit.Inject(fault)
				hat := &popularpb.Popularity{List: "l", ProductId: "hat", Items: 1}
				kit.Publish("popularity", hat)
				synctest.Wait()
				kit.RequireNoState("bestsellers", "l")
				time.Sleep(time.Minute) //nolint:forbidigo // virtual time
				kit.RequireState("bestsellers", "l", &popularpb.BestsellerList{Products: []*popularpb.Popularity{hat}})
				require.Empty(t, kit.Faults())
			})
		})
	}
}
