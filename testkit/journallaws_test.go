package testkit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// planted is a cart into which a test plants a bug.
type planted struct {
	eventsourced.Base
	pb.UnimplementedShoppingCartServer
	wrong

	items   map[string]*domain.LineItem
	visits  int
	changed time.Time
	dice    uint64
	order   []string
	index   map[string]int
	scratch *domain.LineItem `cloudstate:"-"`
	cache   map[string]int32 `cloudstate:"-"` // of quantities
}

// wrong is what a planted entity does where it is wrong; what is nil does what is right.
type wrong struct {
	add      func(c *planted, add *pb.AddLineItem) error
	get      func(c *planted)
	apply    func(c *planted, item *domain.LineItem)
	snapshot func(c *planted) *domain.Cart
	restore  func(c *planted, snapshot *domain.Cart)
}

func (c *planted) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	if c.add != nil {
		return &emptypb.Empty{}, c.add(c, add)
	}
	c.Emit(&domain.ItemAdded{Item: &domain.LineItem{ProductId: add.GetProductId(), Quantity: add.GetQuantity()}})
	return &emptypb.Empty{}, nil
}

func (c *planted) GetCart(context.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	if c.get != nil {
		c.get(c)
	}
	return &pb.Cart{}, nil
}

func (c *planted) itemAdded(e *domain.ItemAdded) {
	if c.apply != nil {
		c.apply(c, e.GetItem())
		return
	}
	item := c.items[e.GetItem().GetProductId()]
	if item == nil {
		item = &domain.LineItem{ProductId: e.GetItem().GetProductId()}
		c.items[item.GetProductId()] = item
	}
	item.Quantity += e.GetItem().GetQuantity()
}

func (c *planted) takeSnapshot() *domain.Cart {
	if c.snapshot != nil {
		return c.snapshot(c)
	}
	snapshot := &domain.Cart{}
	for _, item := range c.items {
		snapshot.Items = append(snapshot.Items, item)
	}
	return snapshot
}

func (c *planted) restoreSnapshot(snapshot *domain.Cart) {
	if c.restore != nil {
		c.restore(c, snapshot)
		return
	}
	for _, item := range snapshot.GetItems() {
		c.items[item.GetProductId()] = item
	}
}

func plant(b wrong) *eventsourced.Entity[*planted] {
	return &eventsourced.Entity[*planted]{
		Service:       &pb.ShoppingCart_ServiceDesc,
		PersistenceID: "cart",
		New: func(string) *planted {
			return &planted{wrong: b, items: map[string]*domain.LineItem{}, cache: map[string]int32{}}
		},
		Events:   []eventsourced.Event[*planted]{eventsourced.On((*planted).itemAdded)},
		Snapshot: eventsourced.SnapshotOf((*planted).takeSnapshot, (*planted).restoreSnapshot),
	}
}

// use sends a planted cart some commands, and returns what the test fails with.
func use(t *testing.T, e *eventsourced.Entity[*planted], off ...testkit.Law) string {
	t.Helper()
	return record(t, func(tb testing.TB) {
		tb.Helper()
		kit := testkit.New(tb, e)
		if len(off) > 0 {
			kit.WithoutLaws(off...)
		}
		client := pb.NewShoppingCartClient(kit)
		for _, product := range []string{"a", "b", "a"} {
			_, _ = client.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: product, Quantity: 2})
			_, err := client.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "u1"})
			require.NoError(t, err)
		}
		kit.Faults()
	})
}

// Each of these passes every test that asks for replies and events, and loses something in
// production.
func TestLaws_FindWhatAnEventSourcedEntityLoses(t *testing.T) {
	t.Parallel()
	item := func(c *planted, id string) *domain.LineItem {
		if c.items[id] == nil {
			c.items[id] = &domain.LineItem{ProductId: id}
		}
		return c.items[id]
	}
	emit := func(c *planted, add *pb.AddLineItem) {
		c.Emit(&domain.ItemAdded{Item: &domain.LineItem{ProductId: add.GetProductId(), Quantity: add.GetQuantity()}})
	}
	tests := map[string]struct {
		bug  wrong
		want string
		law  testkit.Law
	}{
		"a query counts": {
			wrong{get: func(c *planted) { c.visits++ }},
			`cart "u1": GetCart changed the state without an event: visits is 1 in memory, but 0 in a replay of the journal. ` +
				"The change is lost when the entity leaves memory. Emit an event, and change the state in its handler. " +
				"A field that is no state has the tag `cloudstate:\"-\"`. (testkit.LawReplay)",
			testkit.LawReplay,
		},
		"a command changes the state itself": {
			wrong{add: func(c *planted, add *pb.AddLineItem) error {
				emit(c, add)
				item(c, add.GetProductId()).Quantity++
				return nil
			}},
			`cart "u1": after AddItem, items["a"].quantity is 3 in memory, but 2 in a replay of the journal. The difference is lost when the entity leaves memory. ` +
				"Either the state was changed outside of an event handler, or an event was changed after it was emitted, and the state shares a part with it, or a handler depends on more than its event, such as the clock.",
			testkit.LawReplay,
		},
		"an event and the state share a pointer": {
			wrong{
				add: func(c *planted, add *pb.AddLineItem) error {
					if c.scratch == nil {
						c.scratch = &domain.LineItem{}
					}
					c.scratch.ProductId, c.scratch.Quantity = add.GetProductId(), add.GetQuantity()
					c.Emit(&domain.ItemAdded{Item: c.scratch})
					return nil
				},
				apply: func(c *planted, item *domain.LineItem) { c.items[item.GetProductId()] = item },
			},
			`after AddItem, items["a"].productId is "b" in memory, but "a" in a replay of the journal`,
			testkit.LawReplay,
		},
		"a command fails after it has changed the state": {
			wrong{add: func(c *planted, add *pb.AddLineItem) error {
				item(c, add.GetProductId()).Quantity++
				return errors.New("changed my mind")
			}},
			`cart "u1": AddItem failed, but left a trace: items["a"] is {productId:"a" quantity:1} in memory, but nothing in a replay of the journal. Later commands see what never happened`,
			testkit.LawReplay,
		},
		"an event handler reads the clock": {
			wrong{apply: func(c *planted, _ *domain.LineItem) { c.changed = time.Now() }},
			`cart "u1": its journal was replayed twice, and changed was `,
			testkit.LawReplay,
		},
		"an event handler rolls dice": {
			wrong{apply: func(c *planted, _ *domain.LineItem) { c.dice = rand.Uint64() }},
			"New, an event handler or the restoring of a snapshot depends on something else than the event: the clock, a random number, the order of a map",
			testkit.LawReplay,
		},
		"a snapshot forgets a field": {
			wrong{
				apply: func(c *planted, item *domain.LineItem) { c.order = append(c.order, item.GetProductId()) },
			},
			`cart "u1": after AddItem, a snapshot was taken and restored, and order[0] was "a", and then nothing. ` +
				"It is lost when the entity leaves memory after a snapshot. Let the snapshot have the whole state, and restore all of it.",
			testkit.LawSnapshot,
		},
		"the restoring of a snapshot forgets a field": {
			wrong{restore: func(c *planted, snapshot *domain.Cart) {
				for _, i := range snapshot.GetItems() {
					item(c, i.GetProductId())
				}
			}},
			`a snapshot was taken and restored, and items["a"].quantity was 2, and then 0.`,
			testkit.LawSnapshot,
		},
		"the taking of a snapshot changes the state": {
			wrong{snapshot: func(c *planted) *domain.Cart {
				snapshot := &domain.Cart{}
				for id, i := range c.items {
					i.Name = "seen " + id
					snapshot.Items = append(snapshot.Items, i)
				}
				return snapshot
			}},
			`after AddItem, to take a snapshot changed the state: items["a"].name was "", and is "seen a" then.`,
			testkit.LawSnapshot,
		},
		"a snapshot panics": {
			wrong{snapshot: func(*planted) *domain.Cart { panic("boom") }}, //nolint:forbidigo // what a test is about
			"after AddItem, no snapshot can be taken: Unexpected failure: boom. The next one that is due fails its command.",
			testkit.LawSnapshot,
		},
		"a snapshot cannot be restored": {
			wrong{restore: func(*planted, *domain.Cart) { panic("boom") }}, //nolint:forbidigo // what a test is about
			"after AddItem, a snapshot was taken, but cannot be restored: Unexpected failure: boom.",
			testkit.LawSnapshot,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, use(t, plant(tt.bug)), tt.want)
			require.NotContains(t, use(t, plant(tt.bug), tt.law), tt.want, "the law is switched off")
		})
	}
}

// What comes after the command is refused, and reported even if nobody sees the panic.
func TestLaws_FindABaseThatIsUsedAfterItsCommand(t *testing.T) {
	t.Parallel()
	for name, passivate := range map[string]bool{"while the entity is idle": false, "when it has left memory": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := make(chan func(), 1)
			e := plant(wrong{add: func(c *planted, _ *pb.AddLineItem) error {
				kept <- func() {
					defer func() { _ = recover() }()
					c.Emit(&domain.ItemAdded{})
				}
				return nil
			}})
			require.Equal(t, `testkit: cart "u1": eventsourced: Emit was called outside of a command. Call it in a command handler, before it returns, `+
				"and not in an event handler, a constructor or another goroutine. (testkit.LawBase)", record(t, func(tb testing.TB) {
				tb.Helper()
				kit := testkit.New(tb, e)
				require.NoError(t, add(t, kit, "a", ""))
				if passivate {
					kit.Passivate("cart", "u1")
				}
				(<-kept)()
			}))
		})
	}
}

// JSON keeps what is exported, and nothing else.
func TestLaws_FindEventsThatAreStoredInPart(t *testing.T) {
	t.Parallel()
	type moved struct {
		To   string `json:"to"`
		from string
	}
	e := plant(wrong{add: func(c *planted, add *pb.AddLineItem) error {
		c.Emit(moved{To: add.GetProductId(), from: add.GetUserId()})
		return nil
	}})
	e.Events = append(e.Events, eventsourced.On(func(*planted, moved) {}, entity.JSON("moved")))
	got := use(t, e)
	require.Contains(t, got, `cart "u1": a testkit_test.moved was encoded, but decodes to something else: from was "u1", and is "" then. `+
		"It is lost whenever it is read. JSON stores exported fields only; export it, or implement json.Marshaler and json.Unmarshaler. (testkit.LawPayload)")
	require.Empty(t, use(t, e, testkit.LawPayload))
}

// unreadable is JSON that cannot be read again.
type unreadable struct{ N int }

func (unreadable) MarshalJSON() ([]byte, error) { return []byte(`"text"`), nil }

func TestLaws_FindEventsThatCannotBeReadAgain(t *testing.T) {
	t.Parallel()
	e := plant(wrong{add: func(c *planted, _ *pb.AddLineItem) error {
		c.Emit(unreadable{1})
		return nil
	}})
	e.Events = append(e.Events, eventsourced.On(func(*planted, unreadable) {}, entity.JSON("unreadable")))
	got := use(t, e)
	require.Contains(t, got, `cart "u1": a testkit_test.unreadable was encoded, but does not decode: `)
	require.Contains(t, got, `cart "u1": event 1 cannot be replayed: Unexpected failure: replay event 1 of "u1": decode json.cloudstate.io/unreadable: `)
}

// A snapshot may have been stored by a version of the entity that could read it.
func TestLaws_FindARecoveryThatDiffersFromTheJournal(t *testing.T) {
	t.Parallel()
	var updated atomic.Bool
	e := plant(wrong{restore: func(c *planted, snapshot *domain.Cart) {
		for _, item := range snapshot.GetItems() {
			if !updated.Load() || item.GetProductId() != "b" {
				c.items[item.GetProductId()] = item
			}
		}
	}})
	e.SnapshotEvery = 2
	got := record(t, func(tb testing.TB) {
		tb.Helper()
		kit := testkit.New(tb, e)
		for _, product := range []string{"a", "b", "c"} {
			require.NoError(t, add(t, kit, product, ""))
		}
		kit.Passivate("cart", "u1")
		updated.Store(true)
		require.NoError(t, add(t, kit, "d", ""))
	})
	require.Equal(t, `testkit: cart "u1": it was recovered from its snapshot, and items["b"] is nothing, but {productId:"b"} in a replay of all events. `+
		"What the events before the snapshot have led to is lost in part. Let the snapshot have the whole state, and restore all of it. "+
		"A field that is no state has the tag `cloudstate:\"-\"`. (testkit.LawSnapshot)", got)
}

// What is in a variable of the package is the state of all entities.
func TestLaws_FindAMapThatInstancesShare(t *testing.T) {
	t.Parallel()
	all := map[string]int{}
	e := plant(wrong{apply: func(c *planted, item *domain.LineItem) {
		c.items[item.GetProductId()] = item
		c.index[item.GetProductId()]++
	}})
	create := e.New
	e.New = func(id string) *planted {
		c := create(id)
		c.index = all
		return c
	}
	require.Contains(t, use(t, e), `cart "u1": index is one map that all instances share, and an event handler changes it. `+
		"So a replay of the journal, or another entity, changes the state of this one. Let New make a new map each time. (testkit.LawReplay)")
}

// In a bubble time stands still while an entity is at work, so that it shows only later whether
// a handler reads the clock.
func TestLaws_FindAHandlerThatReadsAClockWhichStandsStill(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		idle time.Duration
		want string
	}{
		"when the entity leaves memory": {
			time.Minute,
			`cart "u1": when it left memory, changed was 2000-01-01 00:00:00 +0000 UTC, but is 2000-01-01 00:01:00 +0000 UTC in a replay of the journal, so the difference is lost. `,
		},
		"at its next command": {
			time.Second,
			`cart "u1": after AddItem, changed is 2000-01-01 00:00:00 +0000 UTC in memory, but 2000-01-01 00:00:01 +0000 UTC in a replay of the journal.`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := record(t, func(tb testing.TB) {
					tb.Helper()
					e := plant(wrong{apply: func(c *planted, item *domain.LineItem) {
						if item.GetProductId() == "a" {
							c.changed = time.Now()
						}
					}})
					e.PassivateAfter = time.Minute
					kit := testkit.New(tb, e)
					require.NoError(t, add(t, kit, "a", ""))
					time.Sleep(tt.idle) //nolint:forbidigo // virtual time
					synctest.Wait()
					require.NoError(t, add(t, kit, "b", ""))
				})
				require.Contains(t, got, tt.want)
			})
		})
	}
}

// No false alarm: what is right, and what is no state.
func TestLaws_HoldForWhatIsRight(t *testing.T) {
	t.Parallel()
	require.Empty(t, use(t, plant(wrong{})))
	require.Empty(t, use(t, plant(wrong{get: func(c *planted) { c.cache["a"]++ }})), "the field has the tag")
	require.Empty(t, use(t, plant(wrong{add: func(c *planted, _ *pb.AddLineItem) error {
		c.Emit(&domain.ItemAdded{Item: &domain.LineItem{ProductId: "x"}})
		return errors.New("changed my mind, and is restarted")
	}})))
}

// Long journals are not replayed after each command, and not forgotten either.
func TestLaws_HoldOnInLongJournals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		bug  wrong
		want string
	}{
		"of an entity that is right": {wrong{}, ""},
		"of one that counts": {
			wrong{add: func(c *planted, add *pb.AddLineItem) error {
				c.Emit(&domain.ItemAdded{Item: &domain.LineItem{ProductId: add.GetProductId()}})
				if c.Sequence() == 201 {
					c.visits++
				}
				return nil
			}},
			"after AddItem, visits is 1 in memory, but 0 in a replay of the journal",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := record(t, func(tb testing.TB) {
				tb.Helper()
				kit := testkit.New(tb, plant(tt.bug))
				for range 300 {
					require.NoError(t, add(t, kit, "a", ""))
				}
			})
			require.Contains(t, got, tt.want)
			require.Equal(t, tt.want == "", got == "", "%s", got)
		})
	}
}
