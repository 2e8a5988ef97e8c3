package testkit_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/crdt"
	"github.com/cloudstate-go/cloudstate/examples/presence"
	"github.com/cloudstate-go/cloudstate/examples/presence/presencepb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/examples/watchedcart"
	pb "github.com/cloudstate-go/cloudstate/examples/watchedcart/watchedcartpb"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// shelf is a set of items, with commands that a test makes up.
type shelf struct {
	crdt.Base[*crdt.ORSet[*domain.LineItem]]
	pb.UnimplementedWatchedCartServer

	add   func(s *shelf, item *domain.LineItem) error
	watch func(s *shelf)
}

func (s *shelf) AddItem(_ context.Context, add *cartpb.AddLineItem) (*emptypb.Empty, error) {
	item := &domain.LineItem{ProductId: add.GetProductId(), Quantity: add.GetQuantity()}
	if s.add != nil {
		return &emptypb.Empty{}, s.add(s, item)
	}
	return &emptypb.Empty{}, s.Data().Add(item)
}

func (s *shelf) RemoveItem(_ context.Context, remove *cartpb.RemoveLineItem) (*emptypb.Empty, error) {
	for item := range s.Data().All() {
		if item.GetProductId() == remove.GetProductId() {
			s.Data().Remove(item)
		}
	}
	return &emptypb.Empty{}, nil
}

func (s *shelf) WatchCart(_ *cartpb.GetShoppingCart, stream grpc.ServerStreamingServer[cartpb.Cart]) error {
	if err := stream.Send(&cartpb.Cart{}); err != nil {
		return err
	}
	for range s.Changes(stream.Context()) {
		if s.watch != nil {
			s.watch(s)
		}
		if err := stream.Send(&cartpb.Cart{Items: make([]*cartpb.LineItem, s.Data().Len())}); err != nil {
			return err
		}
	}
	return nil
}

func shelfEntity(add func(*shelf, *domain.LineItem) error, watch func(*shelf)) *crdt.Entity[*shelf] {
	return &crdt.Entity[*shelf]{
		Service:       &pb.WatchedCart_ServiceDesc,
		PersistenceID: "shelf",
		New: func(string) *shelf {
			return &shelf{Base: crdt.NewBase(crdt.NewORSet[*domain.LineItem]()), add: add, watch: watch}
		},
	}
}

func items(t *testing.T, list ...*domain.LineItem) *crdt.ORSet[*domain.LineItem] {
	t.Helper()
	set := crdt.NewORSet[*domain.LineItem]()
	for _, item := range list {
		require.NoError(t, set.Add(item))
	}
	return set
}

func itemsOf(product string) *crdt.ORSet[*domain.LineItem] {
	set := crdt.NewORSet[*domain.LineItem]()
	_ = set.Add(&domain.LineItem{ProductId: product})
	return set
}

func addTo(t *testing.T, kit *testkit.Kit, product string) error {
	t.Helper()
	_, err := pb.NewWatchedCartClient(kit).AddItem(t.Context(), &cartpb.AddLineItem{UserId: "s1", ProductId: product, Quantity: 1})
	return err
}

// A value is given before the first command, and arrives while a stream is open.
func TestGiven_PutsCRDTsInPlace(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, shelfEntity(nil, nil))
	require.Nil(t, kit.CRDT("shelf", "s1"))
	given, late := &domain.LineItem{ProductId: "given"}, &domain.LineItem{ProductId: "late"}
	kit.Given(testkit.CRDT("shelf", "s1", items(t, given)))
	kit.RequireCRDT("shelf", "s1", items(t, given))

	watching, err := pb.NewWatchedCartClient(kit).WatchCart(t.Context(), &cartpb.GetShoppingCart{UserId: "s1"})
	require.NoError(t, err)
	_, err = watching.Recv()
	require.NoError(t, err)
	kit.Given(testkit.CRDT("shelf", "s1", items(t, late)))
	seen, err := watching.Recv()
	require.NoError(t, err)
	require.Len(t, seen.GetItems(), 2)

	removed, err := anypb.New(given)
	require.NoError(t, err)
	kit.Given(testkit.Delta("shelf", "s1", &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: &crdtpb.ORSetDelta{Removed: []*anypb.Any{removed}}}}))
	seen, err = watching.Recv()
	require.NoError(t, err)
	require.Len(t, seen.GetItems(), 1)
	kit.RequireCRDT("shelf", "s1", items(t, late))
	require.Equal(t, 1, kit.Activations("shelf", "s1"))
}

func TestGiven_RefusesACRDTThatIsNotTheEntitys(t *testing.T) {
	t.Parallel()
	for want, given := range map[string]testkit.Stored{
		`given for shelf "s1": it is a *crdt.Flag, but the entity has a *crdt.ORSet[*github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain.LineItem]`: testkit.CRDT("shelf", "s1", crdt.NewFlag()),
		`given for shelf "s1": it is a <nil>, want a value of package crdt`:                                                                                      testkit.CRDT("shelf", "s1", nil),
		`given for shelf "s1": proxy: change the CRDT of`:                                                                                                        testkit.Delta("shelf", "s1", nil),
		`"shelf" is a cloudstate.crdt.Crdt, want a cloudst`:                                                                                                      testkit.Events("shelf", "s1", "e"),
	} {
		require.Contains(t, record(t, func(tb testing.TB) {
			tb.Helper()
			testkit.New(tb, shelfEntity(nil, nil)).Given(given)
		}), want)
	}
}

func TestOutcome_HasChangesOfCRDTs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := testkit.New(t, shelfEntity(func(s *shelf, item *domain.LineItem) error {
			if item.GetProductId() == "gone" {
				s.Delete()
			}
			s.SetWriteConsistency(crdt.Majority)
			return s.Data().Add(item)
		}, nil), presence.Entity)
		require.NoError(t, addTo(t, kit, "a"))
		require.NoError(t, addTo(t, kit, "b"))
		added := kit.Last("shelf", "s1")
		added.RequireDelta(items(t, &domain.LineItem{ProductId: "b", Quantity: 1}))
		require.Equal(t, crdtpb.CrdtWriteConsistency_MAJORITY, added.WriteConsistency)
		_, err := pb.NewWatchedCartClient(kit).RemoveItem(t.Context(), &cartpb.RemoveLineItem{UserId: "s1", ProductId: "a"})
		require.NoError(t, err)
		removed, err := anypb.New(&domain.LineItem{ProductId: "a", Quantity: 1})
		require.NoError(t, err)
		kit.Last("shelf", "s1").RequireDelta(&crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: &crdtpb.ORSetDelta{Removed: []*anypb.Any{removed}}}})
		require.NoError(t, addTo(t, kit, "gone"))
		kit.Last("shelf", "s1").RequireDeleted()

		// A stream: its replies so far, and its last turn.
		disconnect := connect(t, kit, "jo")
		connected := kit.LastOf(presencepb.Presence_Connect_FullMethodName)
		connected.RequireReplies(&presencepb.Status{Online: true})
		online := crdt.NewVote()
		online.Set(true)
		connected.RequireDelta(online)
		require.False(t, connected.Cancelled)
		disconnect()
		synctest.Wait()
		left := kit.LastOf(presencepb.Presence_Connect_FullMethodName)
		require.True(t, left.Cancelled)
		left.RequireDelta(&crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{}}})
		require.Empty(t, left.Replies)
	})
}

// The replies of a stream are there as they are sent.
func TestOutcome_FollowsStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := testkit.New(t, presence.Entity)
		watching, err := presencepb.NewPresenceClient(kit).Monitor(t.Context(), &presencepb.User{Name: "jo"})
		require.NoError(t, err)
		synctest.Wait()
		first := kit.Last("Presence", "jo")
		connect(t, kit, "jo")
		synctest.Wait()
		first.RequireReplies(&presencepb.Status{})
		kit.LastOf(presencepb.Presence_Monitor_FullMethodName).RequireReplies(&presencepb.Status{}, &presencepb.Status{Online: true})
		for _, want := range []bool{false, true} {
			status, err := watching.Recv()
			require.NoError(t, err)
			require.Equal(t, want, status.GetOnline())
		}
	})
}

func TestRequireDelta_ShowsTheDifference(t *testing.T) {
	t.Parallel()
	for want, check := range map[string]func(kit *testkit.Kit){
		`+  add com.example.shoppingcart.persistence.LineItem {productId:"a"`: func(kit *testkit.Kit) { kit.RequireCRDT("shelf", "s1", items(t, &domain.LineItem{ProductId: "b"})) },
		`the change by shelf "s1": AddItem differs`:                           func(kit *testkit.Kit) { kit.Last("shelf", "s1").RequireDelta(items(t)) },
		`the change by shelf "s1": AddItem: it is a *crdt.Flag, but the entity has a *crdt.ORSet`: func(kit *testkit.Kit) {
			kit.Last("shelf", "s1").RequireDelta(crdt.NewFlag())
		},
		`shelf "s1": AddItem has changed its CRDT: ORSet`: func(kit *testkit.Kit) { kit.Last("shelf", "s1").RequireUnchanged() },
		`the CRDT of shelf "s1": it is a *crdt.Flag`:      func(kit *testkit.Kit) { kit.RequireCRDT("shelf", "s1", crdt.NewFlag()) },
	} {
		require.Contains(t, record(t, func(tb testing.TB) {
			tb.Helper()
			kit := testkit.New(tb, shelfEntity(nil, nil))
			require.NoError(t, addTo(t, kit, "a"))
			check(kit)
		}), want)
	}
}

func TestLaws_FindWhatOtherNodesOfACRDTDoNotGet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		change := func(s *shelf) {
			for item := range s.Data().All() {
				item.Quantity++
			}
		}
		got := record(t, func(tb testing.TB) {
			tb.Helper()
			kit := testkit.New(tb, shelfEntity(func(s *shelf, item *domain.LineItem) error {
				change(s)
				return s.Data().Add(item)
			}, nil))
			require.NoError(t, addTo(t, kit, "a"))
			require.NoError(t, addTo(t, kit, "b"))
		})
		require.Equal(t, `testkit: shelf "s1": after AddItem, an element of the CRDT was changed in place: quantity is 2 in memory, but 1 for all other nodes. `+
			"They never learn of the change, and this one forgets it. Change a copy, and add or set that. (testkit.LawReplica)", got)

		got = record(t, func(tb testing.TB) {
			tb.Helper()
			kit := testkit.New(tb, shelfEntity(nil, change))
			_, err := pb.NewWatchedCartClient(kit).WatchCart(t.Context(), &cartpb.GetShoppingCart{UserId: "s1"})
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, addTo(t, kit, "a"))
			synctest.Wait()
			require.NoError(t, addTo(t, kit, "b"))
		})
		require.Contains(t, got, `shelf "s1": after AddItem, an element of the CRDT was changed in place`)
	})
}

// A change at a time when it cannot be sent is refused, and reported even if nobody sees the
// panic.
func TestLaws_FindACRDTThatIsChangedInAWatchTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := record(t, func(tb testing.TB) {
			tb.Helper()
			kit := testkit.New(tb, shelfEntity(nil, func(s *shelf) {
				defer func() { _ = recover() }()
				_ = s.Data().Add(&domain.LineItem{ProductId: "b"})
			}))
			_, err := pb.NewWatchedCartClient(kit).WatchCart(t.Context(), &cartpb.GetShoppingCart{UserId: "s1"})
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, addTo(t, kit, "a"))
			synctest.Wait()
		})
		require.Equal(t, `testkit: shelf "s1": crdt: a value was changed by the handler of a streamed command that follows a change. `+
			"It may be changed before the loop over Changes, and after the loop when the client has gone, but not in the loop or when the loop was left. (testkit.LawBase)", got)
	})
}

func TestLaws_FindACRDTBaseThatIsUsedAfterItsCommand(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		use  func(s *shelf)
		want string
	}{
		"a method of Base": {func(s *shelf) { s.Delete() }, "crdt: a method of Base was called outside of a command."},
		"the value":        {func(s *shelf) { s.Data().Clear() }, "crdt: a value was changed "},
	} {
		for when, passivate := range map[string]bool{" while the entity is idle": false, " when it has left memory": true} {
			t.Run(name+when, func(t *testing.T) {
				t.Parallel()
				kept := make(chan func(), 1)
				got := record(t, func(tb testing.TB) {
					tb.Helper()
					kit := testkit.New(tb, shelfEntity(func(s *shelf, _ *domain.LineItem) error {
						kept <- func() {
							defer func() { _ = recover() }()
							tt.use(s)
						}
						return nil
					}, nil))
					require.NoError(t, addTo(t, kit, "a"))
					if passivate {
						kit.Passivate("shelf", "s1")
					}
					(<-kept)()
				})
				require.Contains(t, got, `testkit: shelf "s1": `+tt.want)
				require.Contains(t, got, "(testkit.LawBase)")
			})
		}
	}
}

// No false alarm, whatever nodes do to each other: what an entity holds and what its proxy
// believes stay the same.
func TestLaws_HoldForReplicatedMapsAndVotes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := testkit.NewCluster(t, 3, watchedcart.Entity, presence.Entity)
		for round := range 20 {
			node := cluster.Node(round % 3)
			client := pb.NewWatchedCartClient(node)
			_, err := client.AddItem(t.Context(), &cartpb.AddLineItem{UserId: "jo", ProductId: string(rune('a' + round%4)), Quantity: 1})
			require.NoError(t, err)
			if round%5 == 4 {
				_, err := client.RemoveItem(t.Context(), &cartpb.RemoveLineItem{UserId: "jo", ProductId: string(rune('a' + round%4))})
				require.NoError(t, err)
				cluster.Converge()
			}
			disconnect := connect(t, node, "jo")
			if round%2 == 0 {
				disconnect()
			}
		}
		cluster.Converge()
		for i := range 3 {
			got, err := pb.NewWatchedCartClient(cluster.Node(i)).GetCart(t.Context(), &cartpb.GetShoppingCart{UserId: "jo"})
			require.NoError(t, err)
			require.NotEmpty(t, got.GetItems())
			require.True(t, proto.Equal(cluster.Node(0).CRDT("WatchedCart", "jo"), cluster.Node(i).CRDT("WatchedCart", "jo")))
		}
	})
}

func TestPassivate_GivesUpWhileAStreamIsOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		require.Contains(t, record(t, func(tb testing.TB) {
			tb.Helper()
			kit := testkit.New(tb, shelfEntity(nil, nil))
			_, err := watchedWatch(t, kit)
			require.NoError(t, err)
			kit.Passivate("shelf", "s1")
		}), `testkit: passivate shelf "s1": `)
	})
}

// watchedWatch opens a stream, and waits for its first reply.
func watchedWatch(t *testing.T, kit *testkit.Kit) (grpc.ServerStreamingClient[cartpb.Cart], error) {
	t.Helper()
	watching, err := pb.NewWatchedCartClient(kit).WatchCart(t.Context(), &cartpb.GetShoppingCart{UserId: "s1"})
	if err == nil {
		_, err = watching.Recv()
	}
	return watching, err
}
