package testkit_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// busy does all that a command of an event sourced entity can do.
type busy struct {
	eventsourced.Base
	pb.UnimplementedShoppingCartServer
}

func (b *busy) AddItem(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	switch add.GetProductId() {
	case "refused":
		return nil, status.Error(codes.FailedPrecondition, "the cart is closed")
	case "panic":
		panic("boom") //nolint:forbidigo // what a test is about
	case "other":
		return &emptypb.Empty{}, nil
	}
	with := metadata.AppendToOutgoingContext(ctx, "k", "v")
	other := &pb.RemoveLineItem{UserId: "other", ProductId: "x"}
	if _, err := pb.NewShoppingCartClient(entity.SideEffect(ctx)).AddItem(with, &pb.AddLineItem{UserId: "other", ProductId: "other"}); err != nil {
		return nil, err
	}
	if _, err := pb.NewShoppingCartClient(entity.SideEffect(ctx, entity.Synchronous())).RemoveItem(ctx, other); err != nil {
		return nil, err
	}
	b.Emit(&domain.ItemRemoved{ProductId: add.GetProductId()})
	return pb.NewShoppingCartClient(entity.Forward(ctx)).RemoveItem(ctx, other)
}

func (b *busy) RemoveItem(ctx context.Context, _ *pb.RemoveLineItem) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, grpc.SetHeader(ctx, metadata.Pairs("who", "b", "who", "a"))
}

func busyKit(tb testing.TB) (*testkit.Kit, pb.ShoppingCartClient) {
	tb.Helper()
	kit := testkit.New(tb, &eventsourced.Entity[*busy]{
		Service:       &pb.ShoppingCart_ServiceDesc,
		PersistenceID: "busy",
		New:           func(string) *busy { return &busy{} },
		Events:        []eventsourced.Event[*busy]{eventsourced.On(func(*busy, *domain.ItemRemoved) {})},
		Snapshot:      eventsourced.SnapshotOf(func(*busy) string { return "all" }, func(*busy, string) {}),
		SnapshotEvery: 1,
	})
	return kit, pb.NewShoppingCartClient(kit)
}

func TestOutcome_HasAllThatACommandDid(t *testing.T) {
	t.Parallel()
	kit, client := busyKit(t)
	request := &pb.AddLineItem{UserId: "u1", ProductId: "a"}
	_, err := client.AddItem(t.Context(), request)
	require.NoError(t, err)
	did := kit.Last("busy", "u1")
	require.Equal(t, pb.ShoppingCart_AddItem_FullMethodName, did.Method)
	require.Equal(t, "u1", did.EntityID)
	require.True(t, proto.Equal(request, did.Request))
	require.NoError(t, did.Err)
	did.RequireReplies()
	did.RequireEvents(&domain.ItemRemoved{ProductId: "a"})
	did.RequireSnapshot("all")
	forward := testkit.Call{Method: pb.ShoppingCart_RemoveItem_FullMethodName, Request: &pb.RemoveLineItem{UserId: "other", ProductId: "x"}}
	did.RequireForward(forward)
	effect := forward
	effect.Synchronous = true
	did.RequireSideEffects(testkit.Call{
		Method:   pb.ShoppingCart_AddItem_FullMethodName,
		Request:  &pb.AddLineItem{UserId: "other", ProductId: "other"},
		Metadata: metadata.Pairs("k", "v"),
	}, effect)

	// What they have led to.
	require.Equal(t, "u1", kit.Await(pb.ShoppingCart_AddItem_FullMethodName).EntityID)
	require.Equal(t, "other", kit.Await(pb.ShoppingCart_AddItem_FullMethodName).EntityID)
	kit.LastOf(pb.ShoppingCart_AddItem_FullMethodName).RequireUnchanged()
	for range 2 { // one by the synchronous effect, one by the forward
		removed := kit.Await(pb.ShoppingCart_RemoveItem_FullMethodName)
		removed.RequireReplies(&emptypb.Empty{})
		removed.RequireHeader("who", "b", "a")
	}
	require.Len(t, kit.Outcomes("busy", "other"), 3)
	require.Len(t, kit.OutcomesOf(pb.ShoppingCart_AddItem_FullMethodName), 2)
}

func TestOutcome_HasFailuresAndFaults(t *testing.T) {
	t.Parallel()
	kit, client := busyKit(t)
	_, err := client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: "refused"})
	require.Error(t, err)
	refused := kit.Last("busy", "u1")
	refused.RequireFailure(codes.FailedPrecondition, "closed")
	refused.RequireUnchanged()
	require.Equal(t, status.Convert(err).Message(), status.Convert(refused.Err).Message())

	_, err = client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: "panic"})
	require.Error(t, err)
	panicked := kit.Last("busy", "u1")
	require.Equal(t, "Unexpected failure: boom", panicked.Fault)
	require.NoError(t, panicked.Err)
	require.Len(t, kit.Faults(), 1)
}

// A value entity, with all that it can do to its state.
func TestOutcome_HasChangesOfStates(t *testing.T) {
	t.Parallel()
	kit, client := counterKit(t)
	_, err := client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: "a", Quantity: 1})
	require.NoError(t, err)
	kit.Last("ShoppingCart", "u1").RequireState(counts{By: map[string]int32{"a": 1}})
	_, err = client.RemoveItem(t.Context(), &pb.RemoveLineItem{UserId: "u1"})
	require.NoError(t, err)
	kit.Last("ShoppingCart", "u1").RequireDeleted()
	_, err = client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: "fail", Quantity: 1})
	require.Error(t, err)
	kit.Last("ShoppingCart", "u1").RequireFailure(codes.Unknown, "changed my mind")
	kit.Last("ShoppingCart", "u1").RequireUnchanged()
}

func TestOutcome_ShowsTheDifference(t *testing.T) {
	t.Parallel()
	remove := testkit.Call{Method: pb.ShoppingCart_RemoveItem_FullMethodName, Request: &pb.RemoveLineItem{UserId: "u2"}}
	tests := map[string]struct {
		check func(did *testkit.Outcome)
		want  []string
	}{
		"events": {
			func(did *testkit.Outcome) { did.RequireEvents(&domain.ItemRemoved{ProductId: "b"}) },
			[]string{`what was emitted by busy "u1": AddItem differs`, `"b"`, `"a"`},
		},
		"no events": {
			func(did *testkit.Outcome) { did.RequireUnchanged() },
			[]string{`what was emitted by busy "u1": AddItem differs`, "-nothing"},
		},
		"a reply": {
			func(did *testkit.Outcome) { did.RequireReplies(&emptypb.Empty{}) },
			[]string{`the reply of busy "u1": AddItem differs`, "-1: google.protobuf.Empty", "+nothing"},
		},
		"a snapshot": {
			func(did *testkit.Outcome) { did.RequireSnapshot("some") },
			[]string{`the snapshot after busy "u1": AddItem differs`, `-1: string "some"`, `+1: string "all"`},
		},
		"a state": {
			func(did *testkit.Outcome) { did.RequireState("some") },
			[]string{`the update by busy "u1": AddItem differs`, `-1: string "some"`},
		},
		"a deletion": {
			func(did *testkit.Outcome) { did.RequireDeleted() },
			[]string{`busy "u1": AddItem has not deleted its state`},
		},
		"a forward": {
			func(did *testkit.Outcome) { did.RequireForward(remove) },
			[]string{`the forward of busy "u1": AddItem differs`, `"u2"`, `"other"`},
		},
		"side effects": {
			func(did *testkit.Outcome) { did.RequireSideEffects(remove) },
			[]string{
				`the side effects of busy "u1": AddItem differs`, "+1: /com.example.shoppingcart.ShoppingCart/AddItem", `+k: ["v"]`,
				"-1: /com.example.shoppingcart.ShoppingCart/RemoveItem", "+2: /com.example.shoppingcart.ShoppingCart/RemoveItem (synchronous)",
			},
		},
		"a header": {
			func(did *testkit.Outcome) { did.RequireHeader("who", "me") },
			[]string{`the header who of busy "u1": AddItem differs`},
		},
		"a failure": {
			func(did *testkit.Outcome) { did.RequireFailure(codes.NotFound, "none") },
			[]string{`busy "u1": AddItem, want it to fail with NotFound and "none"; it has not failed`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := record(t, func(tb testing.TB) {
				tb.Helper()
				kit, client := busyKit(tb)
				_, err := client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: "a"})
				require.NoError(t, err)
				tt.check(kit.Last("busy", "u1"))
			})
			for _, want := range tt.want {
				require.Contains(t, got, want)
			}
		})
	}
}

func TestRequireFailure_SaysWhatItFound(t *testing.T) {
	t.Parallel()
	for product, want := range map[string]string{
		"refused": `want it to fail with NotFound and "none"; found FailedPrecondition and "the cart is closed"`,
		"panic":   `want it to fail with NotFound and "none"; it has lost its entity: Unexpected failure: boom`,
	} {
		require.Contains(t, record(t, func(tb testing.TB) {
			tb.Helper()
			kit, client := busyKit(tb)
			_, err := client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: product})
			require.Error(t, err)
			kit.Faults()
			kit.Last("busy", "u1").RequireFailure(codes.NotFound, "none")
		}), want)
	}
}

func TestLast_SaysWhatThereIs(t *testing.T) {
	t.Parallel()
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		kit, _ := busyKit(tb)
		kit.Last("busy", "u1")
	}), `busy "u1" has had no command; there were no calls at all`)
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		kit, client := busyKit(tb)
		for range 2 {
			_, err := client.RemoveItem(t.Context(), &pb.RemoveLineItem{UserId: "u2"})
			require.NoError(t, err)
		}
		kit.LastOf(pb.ShoppingCart_AddItem_FullMethodName)
	}), `/com.example.shoppingcart.ShoppingCart/AddItem has not been called; there were 2 of /com.example.shoppingcart.ShoppingCart/RemoveItem u2`)
}

func TestAwait_GivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		require.Contains(t, record(t, func(tb testing.TB) {
			tb.Helper()
			kit, _ := busyKit(tb)
			kit.Await(pb.ShoppingCart_AddItem_FullMethodName)
		}), `/com.example.shoppingcart.ShoppingCart/AddItem has not been called within 10s; there were no calls at all`)
	})
}

// In a benchmark, the kit does not look, and checks nothing.
func TestNew_DoesNotLookInABenchmark(t *testing.T) {
	t.Parallel()
	e := plant(wrong{get: func(c *planted) { c.visits++ }})
	ran := testing.Benchmark(func(b *testing.B) {
		b.Helper()
		kit := testkit.New(b, e)
		if _, err := pb.NewShoppingCartClient(kit).GetCart(b.Context(), &pb.GetShoppingCart{UserId: "u1"}); err != nil {
			b.Fatal(err)
		}
	})
	require.Positive(t, ran.N)
	failed := testing.Benchmark(func(b *testing.B) {
		b.Helper()
		testkit.New(b, e).Last("cart", "u1")
	})
	require.Zero(t, failed.N, "it says that there are no outcomes")
}

func TestOutcome_HasFaultsOfEveryKind(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, &valueentity.Entity[*panel]{
		Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "panel", State: []entity.CodecOption{entity.JSON("settings")},
		New: func(string) *panel { return &panel{add: func(*panel, string) error { panic("boom") }} }, //nolint:forbidigo // what a test is about
	}, shelfEntity(func(*shelf, *domain.LineItem) error { panic("boom") }, nil)) //nolint:forbidigo // what a test is about
	_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "p1"})
	require.Error(t, err)
	require.Equal(t, "Value entity unexpected failure: boom", kit.Last("panel", "p1").Fault)
	require.Error(t, addTo(t, kit, "a"))
	require.Equal(t, "Unexpected failure: boom", kit.Last("shelf", "s1").Fault)
	require.Len(t, kit.Faults(), 2)
}
