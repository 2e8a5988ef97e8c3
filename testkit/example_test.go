package testkit_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/crdt"
	"github.com/cloudstate-go/cloudstate/examples/presence"
	"github.com/cloudstate-go/cloudstate/examples/pricing"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	valuecart "github.com/cloudstate-go/cloudstate/examples/valuecart/cart"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// runTest stands in for go test, which calls functions like this one, with a *testing.T, if
// their names begin with Test.
func runTest(test func(t *exampleTest)) {
	t := &exampleTest{}
	defer func() {
		for _, cleanup := range slices.Backward(t.cleanups) {
			cleanup()
		}
	}()
	test(t)
}

// exampleTest is a test whose errors are the output of an example.
type exampleTest struct {
	testing.TB

	cleanups []func()
}

func (t *exampleTest) Helper()                  {}
func (t *exampleTest) Context() context.Context { return context.Background() }
func (t *exampleTest) Cleanup(f func())         { t.cleanups = append(t.cleanups, f) }
func (t *exampleTest) Log(...any)               {}
func (t *exampleTest) FailNow()                 { panic("the test has failed") } //nolint:forbidigo // ends the example
func (t *exampleTest) Errorf(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stdout, format+"\n", args...)
}

func (t *exampleTest) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	t.FailNow()
}

// A test calls the entity as its clients do, and looks into the journal.
func ExampleNew() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, cart.Entity)
		carts := pb.NewShoppingCartClient(kit)

		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 2})
		require.NoError(t, err)
		kit.RequireEvents("shopping-cart", "jo", &domain.ItemAdded{Item: &domain.LineItem{ProductId: "hat", Quantity: 2}})

		kit.Passivate("shopping-cart", "jo") // the next command brings the cart back
		got, err := carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
		require.NoError(t, err)
		fmt.Println(got.GetItems()[0].GetQuantity())
	})
	// Output: 2
}

// A service, and a proxy, with settings of their own.
func ExampleStart() {
	runTest(func(t *exampleTest) {
		service := &cloudstate.Service{Name: "shop", Components: []cloudstate.Component{cart.Entity}}
		kit := testkit.Start(t, service, func(p *proxy.Proxy) { p.EntityMetadata = true })
		_, err := pb.NewShoppingCartClient(kit).GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
		fmt.Println(err)
	})
	// Output: <nil>
}

// A cart that has been in use for long.
func ExampleKit_Given() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, cart.Entity)
		kit.Given(
			testkit.Snapshot("shopping-cart", "jo", 100, &domain.Cart{Items: []*domain.LineItem{{ProductId: "hat", Quantity: 7}}}),
			testkit.Events("shopping-cart", "jo", &domain.ItemRemoved{ProductId: "hat"}),
		)
		_, err := pb.NewShoppingCartClient(kit).RemoveItem(t.Context(), &pb.RemoveLineItem{UserId: "jo", ProductId: "hat"})
		fmt.Println(err)
	})
	// Output: rpc error: code = NotFound desc = the cart has no product "hat"
}

// An event as the entity emits it.
func ExampleEvents() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, cart.Entity)
		kit.Given(testkit.Events("shopping-cart", "jo", &domain.ItemAdded{Item: &domain.LineItem{ProductId: "hat", Quantity: 2}}))
		got, err := pb.NewShoppingCartClient(kit).GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
		require.NoError(t, err)
		fmt.Println(got.GetItems()[0].GetQuantity())
	})
	// Output: 2
}

// A snapshot as the entity takes it, of its first 100 events.
func ExampleSnapshot() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, cart.Entity)
		kit.Given(testkit.Snapshot("shopping-cart", "jo", 100, &domain.Cart{Items: []*domain.LineItem{{ProductId: "hat", Quantity: 7}}}))
		got, err := pb.NewShoppingCartClient(kit).GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
		require.NoError(t, err)
		fmt.Println(got.GetItems()[0].GetQuantity())
	})
	// Output: 7
}

// The state of a value entity, before a command and after it.
func ExampleState() {
	runTest(func(t *exampleTest) {
		action, _ := pricing.NewAction()
		kit := testkit.New(t, valuecart.Entity, action)
		kit.Given(testkit.State("shopping-cart", "jo", &domain.Cart{Items: []*domain.LineItem{{ProductId: "hat", Quantity: 7}}}))
		_, err := pb.NewShoppingCartClient(kit).RemoveItem(t.Context(), &pb.RemoveLineItem{UserId: "jo", ProductId: "hat"})
		require.NoError(t, err)
		kit.RequireNoState("shopping-cart", "jo")
		fmt.Println(kit.Last("shopping-cart", "jo").Deleted)
	})
	// Output: true
}

// A value that arrives while a client watches.
func ExampleCRDT() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, presence.Entity)
		online := crdt.NewVote()
		online.Set(true)
		kit.Given(testkit.CRDT("Presence", "jo", online))
		kit.RequireCRDT("Presence", "jo", online)
		fmt.Println(kit.CRDT("Presence", "jo").GetVote().GetVotesFor())
	})
	// Output: 1
}

// A change that a new value cannot express: a vote that is taken back.
func ExampleDelta() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, presence.Entity)
		vote := func(online bool) testkit.Stored {
			return testkit.Delta("Presence", "jo", &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: online}}})
		}
		kit.Given(vote(true), vote(false))
		fmt.Println(kit.CRDT("Presence", "jo").GetVote().GetVotesFor())
	})
	// Output: 0
}
