package testkit_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	"github.com/cloudstate-go/cloudstate/examples/pricing"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	valuecart "github.com/cloudstate-go/cloudstate/examples/valuecart/cart"
	"github.com/cloudstate-go/cloudstate/examples/watchedcart"
	"github.com/cloudstate-go/cloudstate/examples/watchedcart/watchedcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// tally is an entity that adds up what it was told. How it reads what it has stored differs
// from test to test.
type tally struct {
	eventsourced.Base
	pb.UnimplementedShoppingCartServer

	sum   int32
	event func(n int32) any
}

// added is an event, and its successors.
type (
	added   struct{ N int32 }
	counted struct{ N int32 }
	summed  struct{ By int32 }
)

func (c *tally) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	c.Emit(c.event(add.GetQuantity()))
	return &emptypb.Empty{}, nil
}

func (c *tally) GetCart(context.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	return &pb.Cart{Items: []*pb.LineItem{{Quantity: c.sum}}}, nil
}

func tallyEntity(event func(n int32) any, on eventsourced.Event[*tally]) *eventsourced.Entity[*tally] {
	return &eventsourced.Entity[*tally]{
		Service:       &pb.ShoppingCart_ServiceDesc,
		PersistenceID: "tally",
		New:           func(string) *tally { return &tally{event: event} },
		Events:        []eventsourced.Event[*tally]{on},
	}
}

func newAdded(n int32) any { return added{n} }

func firstVersion() *eventsourced.Entity[*tally] {
	return tallyEntity(newAdded, eventsourced.On(func(c *tally, e added) { c.sum += e.N }, entity.JSON("added")))
}

// shop adds to two carts, and looks at one of them.
func shop(t *testing.T, kit *testkit.Kit) {
	t.Helper()
	carts := pb.NewShoppingCartClient(kit)
	for _, user := range []string{"jo", "jo", "bo"} {
		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: user, ProductId: "shirt", Quantity: 2})
		require.NoError(t, err)
	}
	_, err := carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
	require.NoError(t, err)
}

// recorded returns the pattern of golden files that components have recorded.
func recorded(t *testing.T, script func(t *testing.T, kit *testkit.Kit), components ...cloudstate.Component) string {
	t.Helper()
	pattern := filepath.Join(t.TempDir(), "deep", "v*.json")
	problems := testkit.GoldenProblems(t, false, pattern, script, components...)
	require.Len(t, problems, 1)
	require.Contains(t, problems[0], "has what this version stores. Run go test with -testkit.update to record it")
	for range 2 { // the second time, there is nothing to record
		require.Empty(t, testkit.GoldenProblems(t, true, pattern, script, components...))
		requireFiles(t, pattern, "v1.json")
	}
	require.Empty(t, testkit.GoldenProblems(t, false, pattern, script, components...))
	return pattern
}

func requireFiles(t *testing.T, pattern string, want ...string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	require.Equal(t, want, names)
}

func TestGolden_RecordsAllKinds(t *testing.T) {
	t.Parallel()
	action, _ := pricing.NewAction()
	watch := func(t *testing.T, kit *testkit.Kit) {
		t.Helper()
		carts := watchedcartpb.NewWatchedCartClient(kit)
		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: 2})
		require.NoError(t, err)
		_, err = carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "jo"})
		require.NoError(t, err)
	}
	for name, tt := range map[string]struct {
		script     func(t *testing.T, kit *testkit.Kit)
		components []cloudstate.Component
		want       string
	}{
		"event sourced": {shop, []cloudstate.Component{cart.Entity}, `"snapshot": {`},
		"value":         {shop, []cloudstate.Component{valuecart.Entity, action}, `"name": ", 80.00"`},
		"CRDT":          {watch, []cloudstate.Component{watchedcart.Entity}, `"crdt": {`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pattern := recorded(t, tt.script, tt.components...)
			data, err := os.ReadFile(filepath.Join(filepath.Dir(pattern), "v1.json"))
			require.NoError(t, err)
			require.Contains(t, string(data), tt.want)
		})
	}
}

// A version that stores something else is recorded beside the former ones, which stay.
func TestGolden_KeepsWhatFormerVersionsHaveStored(t *testing.T) {
	t.Parallel()
	pattern := recorded(t, shop, firstVersion())
	second := tallyEntity(func(n int32) any { return summed{n} },
		eventsourced.On(func(c *tally, e summed) { c.sum += e.By }, entity.JSON("summed"),
			entity.Upcast(func(e added) summed { return summed{By: e.N} }, entity.JSON("added"))))
	require.Len(t, testkit.GoldenProblems(t, false, pattern, shop, second), 1, "it is not recorded")
	require.Empty(t, testkit.GoldenProblems(t, true, pattern, shop, second))
	requireFiles(t, pattern, "v1.json", "v2.json")
	require.Empty(t, testkit.GoldenProblems(t, false, pattern, shop, second))
}

func TestGolden_SaysWhatWouldBeLost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		changed *eventsourced.Entity[*tally]
		want    []string
	}{
		"a renamed event": {
			tallyEntity(func(n int32) any { return counted{n} }, eventsourced.On(func(c *tally, e counted) { c.sum += e.N }, entity.JSON("counted"))),
			[]string{"what an earlier version has stored would be lost", "json.cloudstate.io/added, which is event 1", "entity.Alias is for what was renamed, entity.Upcast"},
		},
		"an event of another shape": {
			tallyEntity(func(n int32) any { return summed{n} }, eventsourced.On(func(c *tally, e summed) { c.sum += e.By }, entity.JSON("added"))),
			[]string{"is read as something else, from its events", `"quantity": 4`, "and now it is", "entity.Upcast"},
		},
		"another persistence id": {
			func() *eventsourced.Entity[*tally] {
				e := firstVersion()
				e.PersistenceID = "counter"
				return e
			}(),
			[]string{`no component has the persistence id "tally"; there is counter`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pattern := recorded(t, shop, firstVersion())
			problems := testkit.GoldenProblems(t, false, pattern, shop, tt.changed)
			require.NotEmpty(t, problems)
			for _, want := range tt.want {
				require.Contains(t, problems[0], want)
			}
		})
	}
}

// A snapshot is read instead of the events before it.
func TestGolden_ReadsSnapshots(t *testing.T) {
	t.Parallel()
	v1 := firstVersion()
	v1.Snapshot = eventsourced.SnapshotOf(func(c *tally) int32 { return c.sum }, func(c *tally, sum int32) { c.sum = sum })
	pattern := recorded(t, shop, v1)
	v2 := firstVersion()
	v2.Snapshot = eventsourced.SnapshotOf(func(c *tally) int64 { return int64(c.sum) }, func(c *tally, sum int64) { c.sum = int32(sum) })
	problems := testkit.GoldenProblems(t, false, pattern, shop, v2)
	require.NotEmpty(t, problems)
	require.Contains(t, problems[0], "p.cloudstate.io/int32")
}

// The replies in a file may change with the API, what is stored may not.
func TestGolden_UpdatesReplies(t *testing.T) {
	t.Parallel()
	pattern := recorded(t, shop, firstVersion())
	doubled := tallyEntity(newAdded, eventsourced.On(func(c *tally, e added) { c.sum += 2 * e.N }, entity.JSON("added")))
	require.Len(t, testkit.GoldenProblems(t, false, pattern, shop, doubled), 1)
	require.Empty(t, testkit.GoldenProblems(t, true, pattern, shop, doubled))
	require.Empty(t, testkit.GoldenProblems(t, false, pattern, shop, doubled))
	requireFiles(t, pattern, "v1.json")
}

// What is stored by chance is compared by its types.
func TestGolden_AcceptsChance(t *testing.T) {
	t.Parallel()
	lucky := tallyEntity(func(int32) any { return added{rand.Int32()} }, eventsourced.On(func(c *tally, e added) { c.sum += e.N }, entity.JSON("added")))
	pattern := filepath.Join(t.TempDir(), "*.json")
	require.Empty(t, testkit.GoldenProblems(t, true, pattern, shop, lucky))
	require.Empty(t, testkit.GoldenProblems(t, false, pattern, shop, lucky))
}

func TestGolden_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	blind := func(t *testing.T, kit *testkit.Kit) {
		t.Helper()
		require.NoError(t, add(t, kit, "shirt", ""))
	}
	for i, content := range []string{"{", "{}", `{"entities": [], "more": 1}`} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "broken"+strconv.Itoa(i)+".json"), []byte(content), 0o600))
	}
	for want, tt := range map[string]struct {
		pattern string
		script  func(t *testing.T, kit *testkit.Kit)
	}{
		`the pattern "testdata/x.json" has no asterisk`:                {"testdata/x.json", shop},
		`the pattern "[*.json": syntax error`:                          {"[*.json", shop},
		"broken0.json: it is no golden file: unexpected EOF":           {dir + "/broken0*.json", shop},
		"broken1.json: it is no golden file: it has no entities":       {dir + "/broken1*.json", shop},
		`broken2.json: it is no golden file: json: unknown field`:      {dir + "/broken2*.json", shop},
		"the script does not end with a command that shows what is st": {dir + "/none*.json", blind},
		"broken0.json: not a directory":                                {dir + "/broken0.json/*.json", shop},
	} {
		problems := testkit.GoldenProblems(t, true, tt.pattern, tt.script, firstVersion())
		require.Len(t, problems, 1)
		require.Contains(t, problems[0], want)
	}
}
