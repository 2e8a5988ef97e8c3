package presence_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/crdt"
	"github.com/cloudstate-go/cloudstate/examples/presence"
	pb "github.com/cloudstate-go/cloudstate/examples/presence/presencepb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

//snippet:given

// A user who is online elsewhere is so before anything happens here.
func TestCheck_KnowsOfOtherNodes(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, presence.Entity)
	online := crdt.NewVote()
	online.Set(true)
	kit.Given(testkit.CRDT("Presence", "jo", online))
	for user, want := range map[string]bool{"jo": true, "al": false} {
		status, err := pb.NewPresenceClient(kit).Check(t.Context(), &pb.User{Name: user})
		require.NoError(t, err)
		require.Equal(t, want, status.GetOnline(), user)
		kit.Last("Presence", user).RequireUnchanged()
	}
}

//snippet:end

// A user is online on every node for as long as a connection to any node is open.
func TestPresence_IsSeenOnEveryNode(t *testing.T) {
	t.Parallel()
	cluster := testkit.NewCluster(t, 3, presence.Entity)
	jo := &pb.User{Name: "jo"}
	watching, err := pb.NewPresenceClient(cluster.Node(2)).Monitor(t.Context(), jo)
	require.NoError(t, err)
	status, err := watching.Recv()
	require.NoError(t, err)
	require.False(t, status.GetOnline())

	ctx, leave := context.WithCancel(t.Context())
	connection, err := pb.NewPresenceClient(cluster.Node(0)).Connect(ctx, jo)
	require.NoError(t, err)
	status, err = connection.Recv()
	require.NoError(t, err)
	require.True(t, status.GetOnline())

	status, err = watching.Recv()
	require.NoError(t, err)
	require.True(t, status.GetOnline())
	cluster.Converge()
	for i := range 3 {
		status, err := pb.NewPresenceClient(cluster.Node(i)).Check(t.Context(), jo)
		require.NoError(t, err)
		require.True(t, status.GetOnline(), "on node %d", i)
	}

	leave()
	status, err = watching.Recv()
	require.NoError(t, err)
	require.False(t, status.GetOnline())
}

// Thousands may watch one user, on either side of a partition, and all see what they can see.
func TestPresence_HasThousandsOfWatchers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const watchers = 1500 // on each node
		cluster := testkit.NewCluster(t, 2, presence.Entity)
		jo := &pb.User{Name: "jo"}
		streams := make([][]grpc.ServerStreamingClient[pb.Status], 2)
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		requireAll := func(node int, want bool) {
			t.Helper()
			for _, stream := range streams[node] {
				status, err := stream.Recv()
				require.NoError(t, err)
				require.Equal(t, want, status.GetOnline())
			}
		}
		for node := range streams {
			for range watchers {
				stream, err := pb.NewPresenceClient(cluster.Node(node)).Monitor(ctx, jo)
				require.NoError(t, err)
				streams[node] = append(streams[node], stream)
			}
			requireAll(node, false)
		}
		connect := func(node int) (disconnect func()) {
			t.Helper()
			ctx, disconnect := context.WithCancel(t.Context())
			stream, err := pb.NewPresenceClient(cluster.Node(node)).Connect(ctx, jo)
			require.NoError(t, err)
			status, err := stream.Recv()
			require.NoError(t, err)
			require.True(t, status.GetOnline())
			return disconnect
		}

		disconnect := connect(0)
		requireAll(0, true)
		requireAll(1, true)
		cluster.Partition([]int{0}, []int{1})
		disconnect()
		requireAll(0, false)
		disconnect = connect(1) // where the user still seems to be online
		cluster.Heal()
		requireAll(0, true)
		disconnect()
		requireAll(0, false)
		requireAll(1, false)
	})
}
