package command

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
)

func pricingContext() *Context {
	c := &Context{Context: nil, Service: "com.example.pricing.Pricing", Name: "Quote"}
	c.Effects.Targets = Targets{}
	c.Effects.Targets.Add(pricingpb.File_pricing_pricing_proto.Services().ByName("Pricing"), false)
	return c
}

// A generated client of a method that streams its requests works as it is meant to be used.
func TestForward_ToAMethodThatStreamsItsRequests(t *testing.T) {
	t.Parallel()
	c := pricingContext()
	stream, err := pricingpb.NewPricingClient(c.ForwardConn()).Total(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&pricingpb.Product{ProductId: "hat"}))
	require.ErrorContains(t, stream.Send(&pricingpb.Product{}), "carries one request")
	reply, err := stream.CloseAndRecv()
	require.NoError(t, err)
	forward, err := c.Effects.TakeForward(reply)
	require.NoError(t, err)
	require.Equal(t, "Total", forward.GetCommandName())

	own := pricingContext()
	stream, err = pricingpb.NewPricingClient(own.ForwardConn()).Total(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&pricingpb.Product{}))
	_, err = stream.CloseAndRecv()
	require.NoError(t, err)
	_, err = own.Effects.TakeForward(&pricingpb.Price{})
	require.ErrorIs(t, err, errBoth)
}

// What was never sent cannot be carried out, and is not lost silently.
func TestSideEffect_NeedsARequest(t *testing.T) {
	t.Parallel()
	c := pricingContext()
	stream, err := pricingpb.NewPricingClient(c.SideEffectConn(false)).Total(t.Context())
	require.NoError(t, err)
	_, err = stream.CloseAndRecv()
	require.ErrorContains(t, err, "it was given no request")
	require.ErrorContains(t, c.Effects.End(), "it was given no request")
}

// Replies of another type would be decoded as what they are not.
func TestForward_RefusesRepliesThatDoNotFit(t *testing.T) {
	t.Parallel()
	c := pricingContext()
	conn := c.ForwardConn()
	_, err := pricingpb.NewPricingClient(conn).Asked(t.Context(), &pricingpb.Product{})
	require.ErrorContains(t, err, "it replies with google.protobuf.Empty, but com.example.pricing.Pricing.Quote with com.example.pricing.Price")
	_, err = pricingpb.NewPricingClient(conn).Discounts(t.Context(), &pricingpb.Product{})
	require.ErrorContains(t, err, "it streams its replies, but com.example.pricing.Pricing.Quote has one")
	require.Error(t, c.Effects.End())
	forward, err := c.Effects.TakeForward(&emptypb.Empty{})
	require.NoError(t, err)
	require.Nil(t, forward)
}
