package testkit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/cloudstate-go/cloudstate/testkit"
)

func itemAdded(product string, quantity int32) *domain.ItemAdded {
	return &domain.ItemAdded{Item: &domain.LineItem{ProductId: product, Quantity: quantity}}
}

func quantities(t *testing.T, kit *testkit.Kit) map[string]int32 {
	t.Helper()
	got, err := pb.NewShoppingCartClient(kit).GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
	require.NoError(t, err)
	found := map[string]int32{}
	for _, item := range got.GetItems() {
		found[item.GetProductId()] = item.GetQuantity()
	}
	return found
}

func TestGiven_PutsEventsInPlace(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, cart.Entity)
	kit.Given(testkit.Events("shopping-cart", "jo", itemAdded("shirt", 2), itemAdded("hat", 1), &domain.ItemRemoved{ProductId: "hat"}))
	require.Equal(t, map[string]int32{"shirt": 2}, quantities(t, kit))

	// More of them, while the cart is in memory.
	stored, err := anypb.New(itemAdded("sock", 3))
	require.NoError(t, err)
	kit.Given(testkit.Events("shopping-cart", "jo", stored), testkit.Events("shopping-cart", "al", itemAdded("shirt", 5)))
	require.Equal(t, map[string]int32{"shirt": 2, "sock": 3}, quantities(t, kit))
	require.Equal(t, 2, kit.Activations("shopping-cart", "jo"))
	require.Len(t, kit.Events("shopping-cart", "jo"), 4)
}

func TestGiven_PutsASnapshotWithEventsInPlace(t *testing.T) {
	t.Parallel()
	entity := *cart.Entity
	entity.SnapshotEvery = 1000
	kit := testkit.New(t, &entity)
	kit.Given(
		testkit.Snapshot("shopping-cart", "jo", 998, &domain.Cart{Items: []*domain.LineItem{{ProductId: "shirt", Quantity: 7}}}),
		testkit.Events("shopping-cart", "jo", itemAdded("hat", 1)),
	)
	require.Equal(t, map[string]int32{"shirt": 7, "hat": 1}, quantities(t, kit))
	kit.RequireEvents("shopping-cart", "jo", itemAdded("hat", 1))

	// The next event is number 1000, which makes a snapshot due.
	_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: 1})
	require.NoError(t, err)
	kit.Last("shopping-cart", "jo").RequireSnapshot(&domain.Cart{Items: []*domain.LineItem{{ProductId: "hat", Quantity: 1}, {ProductId: "shirt", Quantity: 8}}})
	kit.Passivate("shopping-cart", "jo")
	require.Equal(t, map[string]int32{"shirt": 8, "hat": 1}, quantities(t, kit))
}

func TestGiven_PutsAStateInPlace(t *testing.T) {
	t.Parallel()
	kit, client := counterKit(t)
	add := func() {
		_, err := client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: "a", Quantity: 1})
		require.NoError(t, err)
	}
	kit.Given(testkit.State("ShoppingCart", "u1", counts{By: map[string]int32{"a": 41}}))
	add()
	kit.RequireState("ShoppingCart", "u1", counts{By: map[string]int32{"a": 42}})
	kit.Given(testkit.State("ShoppingCart", "u1", counts{By: map[string]int32{"a": 1}}))
	add()
	kit.RequireState("ShoppingCart", "u1", counts{By: map[string]int32{"a": 2}})
	kit.Given(testkit.State("ShoppingCart", "u1", kit.State("ShoppingCart", "u1")))
	add()
	kit.RequireState("ShoppingCart", "u1", counts{By: map[string]int32{"a": 3}})
}

func TestGiven_SaysWhatItCannotPutInPlace(t *testing.T) {
	t.Parallel()
	noSnapshots := *cart.Entity
	noSnapshots.Snapshot = eventsourced.Snapshot[*cart.Cart]{}
	for want, given := range map[string][]testkit.Stored{
		`given for shopping-cart "jo": event 2: it is a *domain.Cart, and the declaration has no handler for that; declared are: *domain.ItemAdded, *domain.ItemRemoved`: {
			testkit.Events("shopping-cart", "jo", itemAdded("a", 1), &domain.Cart{}),
		},
		`given for shopping-cart "jo": event 1: encode type.googleapis.com/com.example.shoppingcart.persistence.ItemAdded: `: {
			testkit.Events("shopping-cart", "jo", itemAdded("\xff", 1)),
		},
		`given for shopping-cart "jo": there are no events`: {
			testkit.Events("shopping-cart", "jo"),
		},
		`given for shopping-cart "jo": snapshot: it is a *domain.ItemAdded, want a *domain.Cart`: {
			testkit.Snapshot("shopping-cart", "jo", 1, itemAdded("a", 1)),
		},
		`given for shopping-cart "jo": the sequence number of the snapshot is 0, want at least 1`: {
			testkit.Snapshot("shopping-cart", "jo", 0, &domain.Cart{}),
		},
		`given for shopping-cart "jo": there are 1 events already; give the snapshot before them`: {
			testkit.Events("shopping-cart", "jo", itemAdded("a", 1)), testkit.Snapshot("shopping-cart", "jo", 1, &domain.Cart{}),
		},
		`no component has the persistence id "carts"; there is shopping-cart`: {
			testkit.Events("carts", "jo", itemAdded("a", 1)),
		},
		`"shopping-cart" is a cloudstate.eventsourced.EventSourced, want a cloudstate.valueentity.ValueEntity`: {
			testkit.State("shopping-cart", "jo", &domain.Cart{}),
		},
	} {
		require.Contains(t, record(t, func(tb testing.TB) {
			tb.Helper()
			testkit.New(tb, cart.Entity).Given(given...)
		}), want)
	}
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		testkit.New(tb, &noSnapshots).Given(testkit.Snapshot("shopping-cart", "jo", 1, &domain.Cart{}))
	}), "the declaration has no snapshots; set the field Snapshot")
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		kit, _ := counterKit(tb)
		kit.Given(testkit.State("ShoppingCart", "u1", &domain.Cart{}))
	}), "the state is a *domain.Cart, want a testkit_test.counts")
}

// A store of the test's own may have something before the test begins.
func TestStart_KnowsWhatAStoreHas(t *testing.T) {
	t.Parallel()
	stored := memory.New()
	start := func(tb testing.TB) *testkit.Kit {
		tb.Helper()
		return testkit.Start(tb, &cloudstate.Service{Components: []cloudstate.Component{cart.Entity}}, func(p *proxy.Proxy) { p.Journal = stored })
	}
	require.Empty(t, record(t, func(tb testing.TB) {
		tb.Helper()
		start(tb).Given(testkit.Events("shopping-cart", "jo", itemAdded("shirt", 2)))
	}))
	kit := start(t)
	kit.RequireEvents("shopping-cart", "jo", itemAdded("shirt", 2))
	kit.Given(testkit.Events("shopping-cart", "jo", itemAdded("hat", 1)))
	require.Equal(t, map[string]int32{"shirt": 2, "hat": 1}, quantities(t, kit))
}

func snapshotOf(product string, quantity int32) *domain.Cart {
	return &domain.Cart{Items: []*domain.LineItem{{ProductId: product, Quantity: quantity}}}
}
