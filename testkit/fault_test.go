package testkit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// The client learns of every fault that it has to know of, nothing is there that it does not
// know of, and the entity goes on after it.
func TestInject_LetsAnEventSourcedEntityFail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault   testkit.Fault
		failure string // of the command; empty if the client notices nothing
		stored  bool
	}{
		"a write that fails":                      {testkit.WriteFails, "Unexpected entity failure", false},
		"a write after another one":               {testkit.WriteConflicts, "Unexpected entity failure", false},
		"a write of which nobody knows":           {testkit.WriteUnknown, "", true},
		"a write that is lost, and nobody knows":  {testkit.WriteLost, "Unexpected entity failure", false},
		"a journal that cannot be read":           {testkit.ReadFails, "Error recovering event log", false},
		"a journal in which an event is missing":  {testkit.ReadIncomplete, "Error recovering event log", false},
		"a journal without the newest events":     {testkit.ReadStale, "Unexpected entity failure", false},
		"a service that dies before the command":  {testkit.CommandLost, "Unexpected entity termination", false},
		"a service that dies with the reply":      {testkit.ReplyLost, "Unexpected entity termination", false},
		"a fault that there is not, for contrast": {0, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kit := testkit.New(t, cart.Entity)
				add := func(product string) error {
					_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: product, Quantity: 1})
					return err
				}
				require.NoError(t, add("a"))
				require.NoError(t, add("b"))
				kit.Passivate("shopping-cart", "jo")
				want := map[string]int32{"a": 1, "b": 1, "d": 1}
				if tt.fault != 0 {
					kit.Inject(tt.fault)
				}
				err := add("c")
				if tt.failure == "" {
					require.NoError(t, err)
				} else {
					require.Equal(t, tt.failure, status.Convert(err).Message())
				}
				if tt.stored {
					want["c"] = 1
				}
				require.NoError(t, add("d"))
				require.Equal(t, want, quantities(t, kit))
				require.Len(t, kit.Events("shopping-cart", "jo"), len(want))
				require.Empty(t, kit.Faults())
			})
		})
	}
}

func TestInject_LetsAValueEntityFail(t *testing.T) {
	t.Parallel()
	for fault, failure := range map[testkit.Fault]string{
		testkit.WriteFails:     "Unexpected Value entity failure",
		testkit.WriteConflicts: "Unexpected Value entity failure",
		testkit.WriteUnknown:   "",
		testkit.WriteLost:      "Unexpected Value entity failure",
		testkit.ReadFails:      "Unexpected Value entity failure",
		testkit.CommandLost:    "Unexpected Value entity termination",
		testkit.ReplyLost:      "Unexpected Value entity termination",
	} {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kit, client := counterKit(t)
				add := func() error {
					_, err := client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: "a", Quantity: 1})
					return err
				}
				require.NoError(t, add())
				kit.Passivate("ShoppingCart", "u1")
				kit.Inject(fault)
				want := int32(2)
				if err := add(); failure == "" {
					require.NoError(t, err)
					want++
				} else {
					require.Equal(t, failure, status.Convert(err).Message())
				}
				require.NoError(t, add())
				kit.RequireState("ShoppingCart", "u1", counts{By: map[string]int32{"a": want}})

				// A deletion is a write as well.
				kit.Inject(testkit.WriteLost, testkit.ResolveFails)
				remove := func() error {
					_, err := client.RemoveItem(t.Context(), &pb.RemoveLineItem{UserId: "u1"})
					return err
				}
				require.Error(t, remove())
				kit.RequireState("ShoppingCart", "u1", counts{By: map[string]int32{"a": want}})
				require.NoError(t, remove())
				kit.RequireNoState("ShoppingCart", "u1")
			})
		})
	}
}

// A journal that lags behind is seen as it is, until something is written.
func TestInject_AStaleJournalIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	kit.Given(
		testkit.Snapshot("shopping-cart", "jo", 10, snapshotOf("a", 1)),
		testkit.Events("shopping-cart", "jo", itemAdded("b", 1)),
		testkit.Events("shopping-cart", "jo", itemAdded("c", 1)),
	)
	kit.Inject(testkit.ReadStale)
	require.Equal(t, map[string]int32{"a": 1, "b": 1}, quantities(t, kit))
	_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "d", Quantity: 1})
	require.Error(t, err)
	require.Equal(t, map[string]int32{"a": 1, "b": 1, "c": 1}, quantities(t, kit))
}

func TestInject_FailsATestInWhichTheFaultDoesNotHappen(t *testing.T) {
	t.Parallel()
	require.Equal(t, "testkit: the fault WriteConflicts was injected, but has not happened: there was no occasion\n"+
		"testkit: the fault Fault(99) was injected, but has not happened: there was no occasion", record(t, func(tb testing.TB) {
		tb.Helper()
		kit := testkit.New(tb, cart.Entity)
		kit.Inject(testkit.WriteConflicts, 99)
	}))
}

// Between commands, nobody notices.
func TestRestart_BetweenCommands(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	kit.Restart() // of nothing
	add := func(user string) {
		_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: user, ProductId: "a", Quantity: 1})
		require.NoError(t, err)
	}
	for i := range 20 {
		add("jo")
		add("al")
		if i%2 == 0 {
			kit.Restart()
		} else {
			kit.Break("shopping-cart", "jo")
		}
	}
	require.Equal(t, map[string]int32{"a": 20}, quantities(t, kit))
	require.Equal(t, 21, kit.Activations("shopping-cart", "jo"))
	require.Equal(t, 11, kit.Activations("shopping-cart", "al"), "it has lost its stream with the others only")
}

// A command that is under way is lost, and what its handler does after that as well.
func TestRestart_DuringACommand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		kit := testkit.New(t, plant(wrong{add: func(c *planted, add *pb.AddLineItem) error {
			if add.GetProductId() == "slow" {
				<-proceed
			}
			c.Emit(itemAdded(add.GetProductId(), 1))
			return nil
		}}))
		failed := make(chan error, 1)
		go func() { failed <- add(t, kit, "slow", "") }()
		synctest.Wait()
		kit.Restart()
		require.Equal(t, "Unexpected entity termination", status.Convert(<-failed).Message())
		require.NoError(t, add(t, kit, "quick", ""))
		close(proceed)
		synctest.Wait()
		require.NoError(t, add(t, kit, "quick", ""))
		kit.RequireEvents("cart", "u1", itemAdded("quick", 1), itemAdded("quick", 1))
		require.Len(t, kit.Outcomes("cart", "u1"), 2)
		require.Empty(t, kit.Faults())
	})
}

// The clients of open streams are told, and those that come after find the value that is
// replicated.
func TestRestart_EndsStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := testkit.New(t, shelfEntity(nil, nil))
		require.NoError(t, addTo(t, kit, "a"))
		watching, err := watchedWatch(t, kit)
		require.NoError(t, err)
		kit.Restart()
		_, err = watching.Recv()
		require.Equal(t, "Entity terminating", status.Convert(err).Message())
		require.NoError(t, addTo(t, kit, "b"))
		require.Len(t, kit.CRDT("shelf", "s1").GetOrset().GetAdded(), 2)
		require.Empty(t, kit.Faults())
	})
}

// slowPrices waits for the end of its calls.
type slowPrices struct {
	pricingpb.UnimplementedPricingServer
}

func (slowPrices) Quote(ctx context.Context, _ *pricingpb.Product) (*pricingpb.Price, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (slowPrices) Discounts(_ *pricingpb.Product, stream pricingpb.Pricing_DiscountsServer) error {
	return errors.Join(stream.Send(&pricingpb.Price{}), wait(stream.Context()))
}

func wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestRestart_EndsCallsOfActions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := testkit.New(t, cloudstate.Component(&action.Action{Service: &pricingpb.Pricing_ServiceDesc, Server: slowPrices{}}))
		client := pricingpb.NewPricingClient(kit)
		failed := make(chan error, 1)
		go func() {
			_, err := client.Quote(t.Context(), &pricingpb.Product{})
			failed <- err
		}()
		stream, err := client.Discounts(t.Context(), &pricingpb.Product{})
		require.NoError(t, err)
		_, err = stream.Recv()
		require.NoError(t, err)
		synctest.Wait()
		kit.Restart()
		require.Error(t, <-failed)
		_, err = stream.Recv()
		require.Error(t, err)
		require.NotEqual(t, codes.OK, status.Code(err))
		require.Empty(t, kit.OutcomesOf(pricingpb.Pricing_Quote_FullMethodName))
	})
}
