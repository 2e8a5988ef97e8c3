package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// basket emits an event of each kind of payload for the product that is added.
type basket struct {
	eventsourced.Base
	pb.UnimplementedShoppingCartServer

	products []string
}

type renamed struct {
	To string `json:"to"`
}

func (c *basket) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	switch add.GetProductId() {
	case "panic":
		panic("boom") //nolint:forbidigo // what a test is about
	case "fail":
		c.Emit("never stored")
		return nil, errors.New("changed my mind")
	}
	c.Emit(&domain.ItemRemoved{ProductId: add.GetProductId()}, add.GetProductId(), renamed{To: add.GetName()})
	return &emptypb.Empty{}, nil
}

func (c *basket) GetCart(context.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	reply := &pb.Cart{}
	for _, p := range c.products {
		reply.Items = append(reply.Items, &pb.LineItem{ProductId: p})
	}
	return reply, nil
}

func basketEntity() *eventsourced.Entity[*basket] {
	return &eventsourced.Entity[*basket]{
		Service:       &pb.ShoppingCart_ServiceDesc,
		PersistenceID: "cart",
		New:           func(string) *basket { return &basket{} },
		Events: []eventsourced.Event[*basket]{
			eventsourced.On(func(c *basket, e *domain.ItemRemoved) { c.products = append(c.products, e.GetProductId()) }),
			eventsourced.On(func(*basket, string) {}),
			eventsourced.On(func(*basket, renamed) {}, entity.JSON("renamed")),
		},
	}
}

func add(tb testing.TB, kit *testkit.Kit, product, name string) error {
	tb.Helper()
	_, err := pb.NewShoppingCartClient(kit).AddItem(tb.Context(), &pb.AddLineItem{UserId: "u1", ProductId: product, Name: name})
	return err
}

func products(tb testing.TB, kit *testkit.Kit) []string {
	tb.Helper()
	got, err := pb.NewShoppingCartClient(kit).GetCart(tb.Context(), &pb.GetShoppingCart{UserId: "u1"})
	require.NoError(tb, err)
	names := make([]string, 0, len(got.GetItems()))
	for _, item := range got.GetItems() {
		names = append(names, item.GetProductId())
	}
	return names
}

// recorder is a test that fails without failing this one.
type recorder struct {
	testing.TB

	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

// failed is what FailNow panics with, to leave the code under test.
type failed struct{}

func (r *recorder) Helper()          {}
func (r *recorder) Log(...any)       {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) FailNow()         { panic(failed{}) } //nolint:forbidigo // leaves the code under test
func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	r.FailNow()
}

// record runs a test and returns its errors, those at its end included.
func record(tb testing.TB, test func(tb testing.TB)) string {
	tb.Helper()
	r := &recorder{TB: tb}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(failed{}) {
				panic(p) //nolint:forbidigo // not ours
			}
		}()
		test(r)
	}()
	for _, cleanup := range slices.Backward(r.cleanups) {
		cleanup()
	}
	return strings.Join(r.errors, "\n")
}

func TestRequireEvents_ComparesEveryKindOfEvent(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, basketEntity())
	kit.RequireEvents("cart", "u1")
	require.NoError(t, add(t, kit, "a", "shirt"))
	kit.RequireEvents("cart", "u1", &domain.ItemRemoved{ProductId: "a"}, "a", renamed{To: "shirt"})
	kit.RequireEvents("cart", "u1", kit.Events("cart", "u1")[0], kit.Events("cart", "u1")[1], kit.Events("cart", "u1")[2])
}

func TestRequireEvents_ShowsTheDifference(t *testing.T) {
	t.Parallel()
	kinds := []any{[]byte{1}, int32(1), int64(1), float32(1), 1.5, true}
	got := record(t, func(tb testing.TB) {
		tb.Helper()
		kit := testkit.New(tb, basketEntity())
		require.NoError(t, add(t, kit, "a", "shirt"))
		kit.RequireEvents("cart", "u1", append(kinds, &domain.ItemRemoved{ProductId: "b"}, "a", renamed{To: "shirt"})...)
	})
	for _, want := range []string{
		`the journal of cart "u1" differs`,
		"com.example.shoppingcart.persistence.ItemRemoved {",
		`productId`, `-7: com.example`, `+1: com.example`, `+2: string "a"`, `double 1.5`, `"to": "shirt"`,
	} {
		require.Contains(t, got, want)
	}
}

func TestRequireEvents_SaysWhatCannotBeCompared(t *testing.T) {
	t.Parallel()
	for want, event := range map[string]any{
		"func() is neither a protobuf message nor a primitive": func() {},
		"decode type.googleapis.com/nobody.Knows":              &anypb.Any{TypeUrl: "type.googleapis.com/nobody.Knows"},
		"p.cloudstate.io/uint8 is no primitive":                &anypb.Any{TypeUrl: "p.cloudstate.io/uint8"},
		"it has no JSON document":                              &anypb.Any{TypeUrl: "json.cloudstate.io/x"},
		"JSON: invalid character":                              &anypb.Any{TypeUrl: "json.cloudstate.io/x", Value: []byte("\x0a\x01x")},
		"was it stored as another primitive?":                  &anypb.Any{TypeUrl: "p.cloudstate.io/bool", Value: []byte("\x0a\x01x")},
	} {
		require.Contains(t, record(t, func(tb testing.TB) {
			tb.Helper()
			testkit.New(tb, basketEntity()).RequireEvents("cart", "u1", event)
		}), want)
	}
}

func TestPassivate_BringsTheEntityBackFromItsJournal(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, basketEntity())
	require.NoError(t, add(t, kit, "a", ""))
	require.NoError(t, add(t, kit, "b", ""))
	kit.Passivate("cart", "u1")
	kit.Passivate("cart", "u1")
	kit.Passivate("cart", "never used")
	require.Equal(t, []string{"a", "b"}, products(t, kit))
	require.Equal(t, 2, kit.Activations("cart", "u1"))
}

func TestPassivate_RefusesWhatNoEntityHas(t *testing.T) {
	t.Parallel()
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		testkit.New(tb, basketEntity()).RequireEvents("carts", "u1")
	}), `no component has the persistence id "carts"; there is cart`)
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		testkit.New(tb, basketEntity()).Passivate("carts", "u1")
	}), `no component has the persistence id "carts"; there is cart`)
}

// P-049, P-050: what a failed command emitted is gone.
func TestKit_UndoesFailedCommands(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, basketEntity())
	require.NoError(t, add(t, kit, "a", "x"))
	err := add(t, kit, "fail", "x")
	require.Equal(t, codes.Unknown, status.Code(err))
	require.Equal(t, "changed my mind", status.Convert(err).Message())
	require.NoError(t, add(t, kit, "b", "x"))
	require.Equal(t, []string{"a", "b"}, products(t, kit))
	require.Empty(t, kit.Faults())
}

// P-056: the client gets a fixed text, and the next command activates the entity again.
func TestFaults_AreThoseTheProxyFinds(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, basketEntity())
	require.NoError(t, add(t, kit, "a", "x"))
	err := add(t, kit, "panic", "x")
	require.Equal(t, "Unexpected entity failure", status.Convert(err).Message())
	require.Equal(t, []string{"a"}, products(t, kit))
	faults := kit.Faults()
	require.Len(t, faults, 1)
	require.Contains(t, faults[0], "Unexpected failure: boom")
	require.Empty(t, kit.Faults())
}

func TestFaults_FailTheTestThatDoesNotAskForThem(t *testing.T) {
	t.Parallel()
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		require.Error(t, add(t, testkit.New(tb, basketEntity()), "panic", "x"))
	}), "the proxy found a fault of the service")
}

func TestNew_FailsForComponentsThatAreNotValid(t *testing.T) {
	t.Parallel()
	require.Contains(t, record(t, func(tb testing.TB) {
		tb.Helper()
		testkit.New(tb, &eventsourced.Entity[*basket]{})
	}), "the field Service is nil")
}

func TestStart_UsesTheSettingsOfTheService(t *testing.T) {
	t.Parallel()
	kit := testkit.Start(t, &cloudstate.Service{
		Components: []cloudstate.Component{basketEntity()},
		UnaryInterceptors: []grpc.UnaryServerInterceptor{
			func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
				return nil, status.Error(codes.PermissionDenied, "not you")
			},
		},
	})
	require.Equal(t, codes.PermissionDenied, status.Code(add(t, kit, "a", "x")))
}

// P-023: in a bubble passivation takes no time, and a bubble ends only when every goroutine
// has: nothing leaks.
func TestKit_PassivatesIdleEntitiesInVirtualTime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after, idle time.Duration
		want        int
	}{
		"by default after 30 seconds":    {0, 30*time.Second + time.Millisecond, 2},
		"by default not before":          {0, 29 * time.Second, 1},
		"when the declaration says so":   {100 * time.Millisecond, 101 * time.Millisecond, 2},
		"not before the declaration has": {time.Hour, time.Hour - time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := basketEntity()
				e.PassivateAfter = tt.after
				kit := testkit.New(t, e)
				require.NoError(t, add(t, kit, "a", ""))
				time.Sleep(tt.idle) //nolint:forbidigo // virtual time
				require.Equal(t, []string{"a"}, products(t, kit))
				require.Equal(t, tt.want, kit.Activations("cart", "u1"))
			})
		})
	}
}
