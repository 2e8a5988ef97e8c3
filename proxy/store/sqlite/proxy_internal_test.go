package sqlite

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/conformance/models"
	shoppingcart "github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// serve serves an entity with a journal until the test ends.
func serve(tb testing.TB, journal store.Journal, component cloudstate.Component) (*proxy.Proxy, *grpc.ClientConn) {
	tb.Helper()
	logger := slog.New(slog.DiscardHandler)
	p := &proxy.Proxy{Journal: journal, Logger: logger, UserFunction: proxy.Embed(&cloudstate.Service{
		Name: "test", Components: []cloudstate.Component{component}, Logger: logger,
	})}
	lis := bufconn.Listen(1 << 20)
	ctx, stop := context.WithCancel(tb.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, lis) }()
	conn, err := grpc.NewClient("passthrough:///proxy", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	require.NoError(tb, err)
	tb.Cleanup(func() {
		require.NoError(tb, conn.Close())
		stop()
		require.NoError(tb, <-served)
	})
	<-p.Ready()
	return p, conn
}

// emit returns a command that emits events.
func emit(texts ...string) *eventsourcedmodel.Request {
	request := &eventsourcedmodel.Request{Id: "e1"}
	for _, text := range texts {
		emit := &eventsourcedmodel.Emit{Value: text}
		request.Actions = append(request.Actions, &eventsourcedmodel.RequestAction{Action: &eventsourcedmodel.RequestAction_Emit{Emit: emit}})
	}
	return request
}

// A client learns that its command could not be stored, and the entity has forgotten it.
func TestStore_LetsAProxySurviveAFullDisk(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, conn := serve(t, f.Store, models.EventSourced)
	client := eventsourcedmodel.NewEventSourcedTckModelClient(conn)
	_, err := client.Process(t.Context(), emit("a", "b"))
	require.NoError(t, err)

	f.limit(0)
	large := string(bytes.Repeat([]byte("x"), 100_000))
	_, err = client.Process(t.Context(), emit("lost", large))
	require.Error(t, err)
	reply, err := client.Process(t.Context(), emit())
	require.NoError(t, err, "reading goes on")
	require.Equal(t, "ab", reply.GetMessage())

	f.limit(1000)
	reply, err = client.Process(t.Context(), emit("c", large))
	require.NoError(t, err)
	require.Equal(t, "abc"+large, reply.GetMessage())
}

// What it takes until an entity that has 10,000 events, and no snapshot, answers a command.
// Most of it is the protocol, as a store in memory shows.
func BenchmarkStore_Activate(b *testing.B) {
	const events = 10_000
	data, err := anypb.New(&domain.ItemAdded{Item: &domain.LineItem{ProductId: "socks", Name: strings.Repeat("warm ", 40), Quantity: 1}})
	require.NoError(b, err)
	event, err := proto.Marshal(data)
	require.NoError(b, err)
	a := store.Append{Key: cart, Events: slices.Repeat([][]byte{event}, events), OpID: store.OpID{1}}
	stored, err := Open(b.Context(), filepath.Join(b.TempDir(), "test.db"))
	require.NoError(b, err)
	defer func() { require.NoError(b, stored.Close()) }()

	for name, journal := range map[string]store.Journal{"sqlite": stored, "memory": memory.New()} {
		_, err := journal.Append(b.Context(), a)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			p, conn := serve(b, journal, shoppingcart.Entity)
			client := shoppingcartpb.NewShoppingCartClient(conn)
			b.ReportAllocs()
			for b.Loop() {
				reply, err := client.GetCart(b.Context(), &shoppingcartpb.GetShoppingCart{UserId: cart.ID})
				require.NoError(b, err)
				require.Equal(b, int32(events), reply.GetItems()[0].GetQuantity())
				require.NoError(b, p.Passivate(b.Context(), cart.Type, cart.ID))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}
