package testkit_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/examples/presence"
	pb "github.com/cloudstate-go/cloudstate/examples/presence/presencepb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// connect makes a user online at a node until the result is called.
func connect(t *testing.T, node grpc.ClientConnInterface, user string) (disconnect func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	stream, err := pb.NewPresenceClient(node).Connect(ctx, &pb.User{Name: user})
	require.NoError(t, err)
	status, err := stream.Recv()
	require.NoError(t, err)
	require.True(t, status.GetOnline())
	return cancel
}

func requireOnline(t *testing.T, c *testkit.Cluster, user string, want ...bool) {
	t.Helper()
	for i, online := range want {
		status, err := pb.NewPresenceClient(c.Node(i)).Check(t.Context(), &pb.User{Name: user})
		require.NoError(t, err)
		require.Equal(t, online, status.GetOnline(), "node %d", i)
	}
}

func TestCluster_Converges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCluster(t, 3, presence.Entity)
		disconnect := connect(t, c.Node(0), "ada")
		c.Converge()
		requireOnline(t, c, "ada", true, true, true)
		disconnect()
		synctest.Wait()
		c.Converge()
		requireOnline(t, c, "ada", false, false, false)
	})
}

// Both sides of a partition go on, and agree after it.
func TestCluster_SurvivesPartitions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCluster(t, 3, presence.Entity)
		left := connect(t, c.Node(0), "ada")
		c.Converge()
		c.Partition([]int{0})
		left()
		disconnect := connect(t, c.Node(2), "bob")
		synctest.Wait()
		requireOnline(t, c, "ada", false, true, true)
		requireOnline(t, c, "bob", false, true, true)
		c.Heal()
		c.Converge()
		requireOnline(t, c, "ada", false, false, false)
		requireOnline(t, c, "bob", true, true, true)
		disconnect()
	})
}

// In real time as well: whoever watches learns what happens on other nodes.
func TestCluster_TellsWatchersOnOtherNodes(t *testing.T) {
	t.Parallel()
	c := testkit.NewCluster(t, 2, presence.Entity)
	stream, err := pb.NewPresenceClient(c.Node(1)).Monitor(t.Context(), &pb.User{Name: "ada"})
	require.NoError(t, err)
	requireNext := func(want bool) {
		status, err := stream.Recv()
		require.NoError(t, err)
		require.Equal(t, want, status.GetOnline())
	}
	requireNext(false)
	disconnect := connect(t, c.Node(0), "ada")
	requireNext(true)
	disconnect()
	requireNext(false)
	c.Converge()
}

func TestCluster_SaysWhyItDoesNotConverge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := record(t, func(tb testing.TB) {
			tb.Helper()
			c := testkit.NewCluster(tb, 2, presence.Entity)
			c.Partition([]int{0}, []int{1})
			defer connect(t, c.Node(0), "ada")()
			c.Converge()
		})
		require.Contains(t, got, "testkit: the cluster did not converge within 10s: nodes 0 and 1 differ about Presence \"ada\"; is it partitioned")
		got = record(t, func(tb testing.TB) {
			tb.Helper()
			testkit.NewCluster(tb, 2, presence.Entity).Node(2)
		})
		require.Contains(t, got, "testkit: there is no node 2; the cluster has 2, and the first is 0")
	})
}
