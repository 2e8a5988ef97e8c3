package testkit_test

import (
	"fmt"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	valuecart "github.com/cloudstate-go/cloudstate/examples/valuecart/cart"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// What a command did, besides its reply.
func ExampleKit_Last() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, cart.Entity)
		carts := pb.NewShoppingCartClient(kit)
		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 2})
		require.NoError(t, err)
		kit.Last("shopping-cart", "jo").RequireEvents(&domain.ItemAdded{Item: &domain.LineItem{ProductId: "hat", Quantity: 2}})

		_, err = carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat"})
		kit.Last("shopping-cart", "jo").RequireFailure(codes.InvalidArgument, "must be positive")
		kit.Last("shopping-cart", "jo").RequireUnchanged()
		fmt.Println(status.Code(err))
	})
	// Output: InvalidArgument
}

// A service that is not under test, what it was called with, and what it answers.
func ExampleNewStub() {
	runTest(func(t *exampleTest) {
		prices := testkit.NewStub(&pricingpb.Pricing_ServiceDesc)
		kit := testkit.New(t, valuecart.Entity, prices)
		carts := pb.NewShoppingCartClient(kit)

		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 2})
		require.NoError(t, err)
		kit.Last("shopping-cart", "jo").RequireSideEffects(testkit.Call{
			Method:  pricingpb.Pricing_Asked_FullMethodName,
			Request: &pricingpb.Product{ProductId: "hat", Quantity: 2},
		})
		prices.Fail(pricingpb.Pricing_Quote_FullMethodName, status.Error(codes.NotFound, "sold out"))
		_, err = carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 2})
		fmt.Println(err)
	})
	// Output: rpc error: code = NotFound desc = sold out
}

// A side effect is carried out after the reply, so a test waits for it.
func ExampleKit_Await() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, valuecart.Entity, testkit.NewStub(&pricingpb.Pricing_ServiceDesc))
		_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 2})
		require.NoError(t, err)
		fmt.Println(kit.Await(pricingpb.Pricing_Asked_FullMethodName).EntityID == "")
	})
	// Output: true
}

// What a call did that another service has made.
func ExampleKit_LastOf() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, valuecart.Entity, testkit.NewStub(&pricingpb.Pricing_ServiceDesc))
		_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 2})
		require.NoError(t, err)
		quoted := kit.LastOf(pricingpb.Pricing_Quote_FullMethodName)
		quoted.RequireReplies(&pricingpb.Price{})
		fmt.Println(proto.Equal(&pricingpb.Product{ProductId: "hat", Quantity: 2}, quoted.Request))
	})
	// Output: true
}

// A stream that breaks, while the entity is idle. Its next command brings it back.
func ExampleKit_Break() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, cart.Entity)
		kit.Given(testkit.Events("shopping-cart", "jo", &domain.ItemAdded{Item: &domain.LineItem{ProductId: "hat", Quantity: 2}}))
		for range 2 {
			got, err := pb.NewShoppingCartClient(kit).GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
			require.NoError(t, err)
			fmt.Println(got.GetItems()[0].GetQuantity())
			kit.Break("shopping-cart", "jo")
		}
	})
	// Output:
	// 2
	// 2
}

// An entity that keeps what is no state, without a tag that says so.
func ExampleKit_WithoutLaws() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, plant(wrong{get: func(c *planted) { c.visits++ }})).WithoutLaws(testkit.LawReplay)
		_, err := pb.NewShoppingCartClient(kit).GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
		fmt.Println(err)
	})
	// Output: <nil>
}

// A query that counts: what it counts is lost sooner or later.
func ExampleLaw() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, plant(wrong{get: func(c *planted) { c.visits++ }}))
		_, err := pb.NewShoppingCartClient(kit).GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
		require.NoError(t, err)
	})
	// Output:
	// testkit: cart "jo": GetCart changed the state without an event: visits is 1 in memory, but 0 in a replay of the journal. The change is lost when the entity leaves memory. Emit an event, and change the state in its handler. A field that is no state has the tag `cloudstate:"-"`. (testkit.LawReplay)
}

// A store that fails once. The client learns of it, and nothing is there that it does not know.
func ExampleKit_Inject() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, cart.Entity)
		kit.Inject(testkit.WriteFails)
		_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 2})
		fmt.Println(err)
		kit.RequireEvents("shopping-cart", "jo")
	})
	// Output: rpc error: code = Unknown desc = Unexpected entity failure
}

// A service that restarts, or is replaced by a new version.
func ExampleKit_Restart() {
	runTest(func(t *exampleTest) {
		kit := testkit.New(t, cart.Entity)
		carts := pb.NewShoppingCartClient(kit)
		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 2})
		require.NoError(t, err)
		kit.Restart()
		got, err := carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
		require.NoError(t, err)
		fmt.Println(got.GetItems()[0].GetQuantity(), kit.Activations("shopping-cart", "jo"))
	})
	// Output: 2 2
}

// Two sides of a partition that go on, and agree after it.
func ExampleNewCluster() {
	runTest(func(t *exampleTest) {
		cluster := testkit.NewCluster(t, 3, consistentShelf())
		cluster.Partition([]int{0}, []int{1, 2})
		cluster.Node(0).Given(testkit.CRDT("shelf", "s1", itemsOf("hat")))
		cluster.Node(1).Given(testkit.CRDT("shelf", "s1", itemsOf("shirt")))
		fmt.Println(len(cluster.Node(0).CRDT("shelf", "s1").GetOrset().GetAdded()))

		cluster.Heal()
		cluster.Converge()
		fmt.Println(len(cluster.Node(0).CRDT("shelf", "s1").GetOrset().GetAdded()))
	})
	// Output:
	// 1
	// 2
}
