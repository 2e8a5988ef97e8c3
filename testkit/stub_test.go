package testkit_test

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/examples/pricing"
	"github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/examples/valuecart/cart"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// A cart calls, asks and forwards to a service of which there is only a stub.
func TestStub_AnswersForAServiceThatIsNotThere(t *testing.T) {
	t.Parallel()
	prices := testkit.NewStub(&pricingpb.Pricing_ServiceDesc)
	prices.Reply(pricingpb.Pricing_Label_FullMethodName, &pb.Cart{Items: []*pb.LineItem{{Name: "labelled"}}})
	kit := testkit.New(t, cart.Entity, prices)
	carts := pb.NewShoppingCartClient(kit)

	_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "car", Quantity: 1})
	require.NoError(t, err, "a stub replies with empty messages")
	product := &pricingpb.Product{ProductId: "car", Quantity: 1}
	kit.Last("shopping-cart", "jo").RequireSideEffects(testkit.Call{Method: pricingpb.Pricing_Asked_FullMethodName, Request: product})
	require.True(t, proto.Equal(product, kit.Await(pricingpb.Pricing_Asked_FullMethodName).Request))
	require.True(t, proto.Equal(product, kit.LastOf(pricingpb.Pricing_Quote_FullMethodName).Request))

	labelled, err := carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
	require.NoError(t, err)
	require.Equal(t, "labelled", labelled.GetItems()[0].GetName())
	kit.Last("shopping-cart", "jo").RequireForward(testkit.Call{
		Method:  pricingpb.Pricing_Label_FullMethodName,
		Request: &pb.Cart{Items: []*pb.LineItem{{ProductId: "car", Quantity: 1}}},
	})

	prices.Fail(pricingpb.Pricing_Quote_FullMethodName, status.Error(codes.NotFound, "no such product"))
	_, err = carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "bus", Quantity: 1})
	require.Equal(t, codes.NotFound, status.Code(err))
	kit.LastOf(pricingpb.Pricing_Quote_FullMethodName).RequireFailure(codes.NotFound, "no such product")
	kit.RequireState("shopping-cart", "jo", &domain.Cart{Items: []*domain.LineItem{{ProductId: "car", Quantity: 1}}})
}

func TestStub_Streams(t *testing.T) {
	t.Parallel()
	prices := testkit.NewStub(&pricingpb.Pricing_ServiceDesc).
		Reply(pricingpb.Pricing_Discounts_FullMethodName, &pricingpb.Price{Cents: 1}, &pricingpb.Price{Cents: 2}).
		Reply(pricingpb.Pricing_QuoteEach_FullMethodName).
		Reply(pricingpb.Pricing_Total_FullMethodName, &pricingpb.Price{Cents: 3})
	kit := testkit.New(t, prices)
	client := pricingpb.NewPricingClient(kit)
	discounts, err := client.Discounts(t.Context(), &pricingpb.Product{ProductId: "a"})
	require.NoError(t, err)
	for _, want := range []int64{1, 2} {
		price, err := discounts.Recv()
		require.NoError(t, err)
		require.Equal(t, want, price.GetCents())
	}
	_, err = discounts.Recv()
	require.ErrorIs(t, err, io.EOF)

	total, err := client.Total(t.Context())
	require.NoError(t, err)
	require.NoError(t, errors.Join(total.Send(&pricingpb.Product{ProductId: "a"}), total.Send(&pricingpb.Product{ProductId: "b"})))
	price, err := total.CloseAndRecv()
	require.NoError(t, err)
	require.Equal(t, int64(3), price.GetCents())
	did := kit.LastOf(pricingpb.Pricing_Total_FullMethodName)
	did.RequireReplies(&pricingpb.Price{Cents: 3})
	require.True(t, proto.Equal(&pricingpb.Product{ProductId: "b"}, did.Request), "the last one")

	each, err := client.QuoteEach(t.Context())
	require.NoError(t, err)
	require.NoError(t, each.CloseSend())
	_, err = each.Recv()
	require.ErrorIs(t, err, io.EOF)
	kit.Await(pricingpb.Pricing_QuoteEach_FullMethodName).RequireReplies()
}

func TestStub_RefusesWhatItsServiceCannotDo(t *testing.T) {
	t.Parallel()
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		testkit.New(tb, testkit.NewStub(&pricingpb.Pricing_ServiceDesc).
			Reply("Quote", &pricingpb.Price{}).
			Reply(pricingpb.Pricing_Label_FullMethodName).
			Reply(pb.ShoppingCart_AddItem_FullMethodName, &pricingpb.Price{}))
	}), "the stub of com.example.pricing.Pricing was told 0 replies of Label, want one, because it does not stream\n"+
		"the stub of com.example.pricing.Pricing was told what /com.example.shoppingcart.ShoppingCart/AddItem does, which is none of its methods\n"+
		"the stub of com.example.pricing.Pricing was told what Quote does, which is none of its methods")
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		prices := testkit.NewStub(&pricingpb.Pricing_ServiceDesc)
		kit := testkit.New(tb, prices)
		prices.Reply(pricingpb.Pricing_Quote_FullMethodName, &pb.Cart{})
		_, err := pricingpb.NewPricingClient(kit).Quote(t.Context(), &pricingpb.Product{})
		require.ErrorContains(t, err, "replied with com.example.shoppingcart.Cart, want com.example.pricing.Price")
		prices.Reply("late", &pb.Cart{})
	}), "was told what late does, which is none of its methods")
}

// Actions have outcomes as well, streamed ones while they go on.
func TestOutcome_OfAnAction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		action, _ := pricing.NewAction()
		kit := testkit.New(t, action)
		client := pricingpb.NewPricingClient(kit)
		_, err := client.Quote(t.Context(), &pricingpb.Product{ProductId: "hat", Quantity: 1})
		require.NoError(t, err)
		kit.LastOf(pricingpb.Pricing_Quote_FullMethodName).RequireReplies(&pricingpb.Price{ProductId: "hat", Quantity: 1, Cents: 1500})
		_, err = client.Quote(t.Context(), &pricingpb.Product{ProductId: "car"})
		require.Error(t, err)
		kit.LastOf(pricingpb.Pricing_Quote_FullMethodName).RequireFailure(codes.NotFound, "car")

		stream, err := client.QuoteEach(t.Context())
		require.NoError(t, err)
		require.NoError(t, stream.Send(&pricingpb.Product{ProductId: "hat"}))
		synctest.Wait()
		price := &pricingpb.Price{ProductId: "hat", Quantity: 1, Cents: 1500}
		kit.LastOf(pricingpb.Pricing_QuoteEach_FullMethodName).RequireReplies(price)
		require.NoError(t, stream.Send(&pricingpb.Product{ProductId: "hat"}))
		synctest.Wait()
		kit.LastOf(pricingpb.Pricing_QuoteEach_FullMethodName).RequireReplies(price, price)
		require.NoError(t, stream.CloseSend())
	})
}
