package watchedcart_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/examples/watchedcart"
	pb "github.com/cloudstate-go/cloudstate/examples/watchedcart/watchedcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

func add(t *testing.T, cluster *testkit.Cluster, node int, product string, quantity int32) {
	t.Helper()
	_, err := pb.NewWatchedCartClient(cluster.Node(node)).AddItem(t.Context(), &cartpb.AddLineItem{
		UserId: "jo", ProductId: product, Name: product, Quantity: quantity,
	})
	require.NoError(t, err)
}

func requireCart(t *testing.T, cluster *testkit.Cluster, node int, items ...*cartpb.LineItem) {
	t.Helper()
	got, err := pb.NewWatchedCartClient(cluster.Node(node)).GetCart(t.Context(), &cartpb.GetShoppingCart{UserId: "jo"})
	require.NoError(t, err)
	require.True(t, proto.Equal(&cartpb.Cart{Items: items}, got), "node %d has %v", node, got)
}

func item(product string, quantity int32) *cartpb.LineItem {
	return &cartpb.LineItem{ProductId: product, Name: product, Quantity: quantity}
}

//snippet:cluster

// Both sides of a partition go on working. In a bubble of testing/synctest it takes no time
// that nodes wait for each other.
func TestAddItem_WorksInAPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := testkit.NewCluster(t, 3, watchedcart.Entity)
		cluster.Partition([]int{0}, []int{1, 2})
		add(t, cluster, 0, "shirt", 2)
		add(t, cluster, 1, "shirt", 4)
		requireCart(t, cluster, 0, item("shirt", 2))
		cluster.Heal()
		cluster.Converge()
		requireCart(t, cluster, 0, item("shirt", 6))
		requireCart(t, cluster, 2, item("shirt", 6))
	})
}

//snippet:end

// Both sides of a partition go on working, and agree when it has healed. In a bubble of
// testing/synctest it takes no time that nodes wait for each other.
func TestCart_ConvergesAfterAPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := testkit.NewCluster(t, 3, watchedcart.Entity)
		add(t, cluster, 0, "shirt", 1)
		cluster.Converge()

		cluster.Partition([]int{0}, []int{1, 2})
		add(t, cluster, 0, "shirt", 2)
		add(t, cluster, 1, "shirt", 4)
		add(t, cluster, 2, "hat", 1)
		requireCart(t, cluster, 0, item("shirt", 3))

		cluster.Heal()
		cluster.Converge()
		for node := range 3 {
			requireCart(t, cluster, node, item("hat", 1), item("shirt", 7))
		}
	})
}

// What is added on one side while it is removed on the other one stays.
func TestCart_KeepsWhatIsAddedWhileItIsRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := testkit.NewCluster(t, 2, watchedcart.Entity)
		add(t, cluster, 0, "shirt", 1)
		cluster.Converge()
		cluster.Partition([]int{0}, []int{1})
		_, err := pb.NewWatchedCartClient(cluster.Node(0)).RemoveItem(t.Context(), &cartpb.RemoveLineItem{UserId: "jo", ProductId: "shirt"})
		require.NoError(t, err)
		requireCart(t, cluster, 0)
		add(t, cluster, 1, "shirt", 1)
		cluster.Heal()
		cluster.Converge()
		for node := range 2 {
			got, err := pb.NewWatchedCartClient(cluster.Node(node)).GetCart(t.Context(), &cartpb.GetShoppingCart{UserId: "jo"})
			require.NoError(t, err)
			require.Len(t, got.GetItems(), 1, "node %d", node)
		}
	})
}

func TestWatchCart_SeesChangesOfOtherNodes(t *testing.T) {
	t.Parallel()
	cluster := testkit.NewCluster(t, 2, watchedcart.Entity)
	watching, err := pb.NewWatchedCartClient(cluster.Node(1)).WatchCart(t.Context(), &cartpb.GetShoppingCart{UserId: "jo"})
	require.NoError(t, err)
	cart, err := watching.Recv()
	require.NoError(t, err)
	require.Empty(t, cart.GetItems())
	add(t, cluster, 0, "shirt", 2)
	cart, err = watching.Recv()
	require.NoError(t, err)
	require.True(t, proto.Equal(&cartpb.Cart{Items: []*cartpb.LineItem{item("shirt", 2)}}, cart), "%v", cart)
}

func TestCart_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, watchedcart.Entity)
	client := pb.NewWatchedCartClient(kit)
	_, err := client.AddItem(t.Context(), &cartpb.AddLineItem{UserId: "jo", ProductId: "shirt"})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	kit.Last("WatchedCart", "jo").RequireUnchanged()
	_, err = client.RemoveItem(t.Context(), &cartpb.RemoveLineItem{UserId: "jo", ProductId: "shirt"})
	require.Equal(t, codes.NotFound, status.Code(err))
	kit.Last("WatchedCart", "jo").RequireUnchanged()
}
