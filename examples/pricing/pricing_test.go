package pricing_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/examples/pricing"
	pb "github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

func client(t *testing.T) pb.PricingClient {
	t.Helper()
	action, _ := pricing.NewAction()
	return pb.NewPricingClient(testkit.New(t, action))
}

func requireEqual(t *testing.T, want, got proto.Message) {
	t.Helper()
	require.True(t, proto.Equal(want, got), "want %v\ngot  %v", want, got)
}

func TestQuote(t *testing.T) {
	t.Parallel()
	prices := client(t)
	price, err := prices.Quote(t.Context(), &pb.Product{ProductId: "shirt", Quantity: 10})
	require.NoError(t, err)
	requireEqual(t, &pb.Price{ProductId: "shirt", Quantity: 10, Cents: 18000}, price)

	_, err = prices.Quote(t.Context(), &pb.Product{ProductId: "car"})
	require.Equal(t, codes.NotFound, status.Code(err))
}

func TestTotal(t *testing.T) {
	t.Parallel()
	stream, err := client(t).Total(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&pb.Product{ProductId: "shirt", Quantity: 2}))
	require.NoError(t, stream.Send(&pb.Product{ProductId: "hat"}))
	total, err := stream.CloseAndRecv()
	require.NoError(t, err)
	requireEqual(t, &pb.Price{Quantity: 3, Cents: 5500}, total)
}

func TestDiscounts(t *testing.T) {
	t.Parallel()
	stream, err := client(t).Discounts(t.Context(), &pb.Product{ProductId: "hat"})
	require.NoError(t, err)
	for _, want := range []*pb.Price{
		{ProductId: "hat", Quantity: 1, Cents: 1500},
		{ProductId: "hat", Quantity: 10, Cents: 13500},
		{ProductId: "hat", Quantity: 100, Cents: 135000},
	} {
		got, err := stream.Recv()
		require.NoError(t, err)
		requireEqual(t, want, got)
	}
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
}

func TestQuoteEach(t *testing.T) {
	t.Parallel()
	stream, err := client(t).QuoteEach(t.Context())
	require.NoError(t, err)
	for range 3 { // a reply to each request, before the next one
		require.NoError(t, stream.Send(&pb.Product{ProductId: "socks"}))
		price, err := stream.Recv()
		require.NoError(t, err)
		require.Equal(t, int64(500), price.GetCents())
	}
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
}

// A failure as an element ends the client's stream with its code.
func TestQuoteEach_FailsForAProductWithoutAPrice(t *testing.T) {
	t.Parallel()
	stream, err := client(t).QuoteEach(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&pb.Product{ProductId: "car"}))
	_, err = stream.Recv()
	require.Equal(t, codes.NotFound, status.Code(err))
	require.Equal(t, `there is no price for "car"`, status.Convert(err).Message())
}

// A client that goes away leaves nothing behind: the kit would not stop otherwise.
func TestQuoteEach_EndsWithItsClient(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client(t).QuoteEach(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(&pb.Product{ProductId: "hat"}))
	_, err = stream.Recv()
	require.NoError(t, err)
	cancel()
	_, err = stream.Recv()
	require.True(t, errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled, "%v", err)
}
