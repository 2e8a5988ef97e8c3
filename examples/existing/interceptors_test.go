package existing_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/validator"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/pricing"
	"github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	escart "github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	valuecart "github.com/cloudstate-go/cloudstate/examples/valuecart/cart"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// logBuffer is a log that several calls write to.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// log is the adapter that the logging interceptor documents for slog.
func (l *logBuffer) log() logging.Logger {
	logger := slog.New(slog.NewTextHandler(l, nil))
	return logging.LoggerFunc(func(ctx context.Context, level logging.Level, msg string, fields ...any) {
		logger.Log(ctx, slog.Level(level), msg, fields...)
	})
}

// start runs components with a logging and a validation interceptor of the gRPC ecosystem.
func start(t *testing.T, components ...cloudstate.Component) (*testkit.Kit, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	return testkit.Start(t, &cloudstate.Service{
		Components:         components,
		UnaryInterceptors:  []grpc.UnaryServerInterceptor{logging.UnaryServerInterceptor(log.log()), validator.UnaryServerInterceptor()},
		StreamInterceptors: []grpc.StreamServerInterceptor{logging.StreamServerInterceptor(log.log()), validator.StreamServerInterceptor()},
	}), log
}

func TestInterceptors_RunAroundEntities(t *testing.T) {
	t.Parallel()
	prices, _ := pricing.NewAction()
	for name, components := range map[string][]cloudstate.Component{
		"event sourced": {escart.Entity},
		"value":         {valuecart.Entity, prices},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit, log := start(t, components...)
			carts := shoppingcartpb.NewShoppingCartClient(kit)
			_, err := carts.AddItem(t.Context(), &shoppingcartpb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 1})
			require.NoError(t, err)
			_, err = carts.AddItem(t.Context(), &shoppingcartpb.AddLineItem{UserId: "jo", Quantity: 1})
			require.Equal(t, codes.InvalidArgument, status.Code(err))
			require.Contains(t, status.Convert(err).Message(), "product_id is empty")
			require.Contains(t, log.String(), "grpc.service=com.example.shoppingcart.ShoppingCart grpc.method=AddItem")
			require.Contains(t, log.String(), "grpc.code=OK")
			require.Contains(t, log.String(), "grpc.code=InvalidArgument")
		})
	}
}

func TestInterceptors_RunAroundActions(t *testing.T) {
	t.Parallel()
	action, _ := pricing.NewAction()
	kit, log := start(t, action)
	prices := pricingpb.NewPricingClient(kit)

	_, err := prices.Quote(t.Context(), &pricingpb.Product{})
	require.Equal(t, codes.InvalidArgument, status.Code(err))

	total, err := prices.Total(t.Context())
	require.NoError(t, err)
	require.NoError(t, total.Send(&pricingpb.Product{ProductId: "hat"}))
	require.NoError(t, total.Send(&pricingpb.Product{}))
	_, err = total.CloseAndRecv()
	require.Equal(t, codes.InvalidArgument, status.Code(err))

	discounts, err := prices.Discounts(t.Context(), &pricingpb.Product{ProductId: "hat"})
	require.NoError(t, err)
	for err == nil {
		_, err = discounts.Recv()
	}
	require.ErrorIs(t, err, io.EOF)

	each, err := prices.QuoteEach(t.Context())
	require.NoError(t, err)
	require.NoError(t, each.Send(&pricingpb.Product{}))
	_, err = each.Recv()
	require.Equal(t, codes.InvalidArgument, status.Code(err))

	for _, method := range []string{"Quote", "Total", "Discounts", "QuoteEach"} {
		require.Contains(t, log.String(), "grpc.service=com.example.pricing.Pricing grpc.method="+method)
	}
}
