package presence_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/crdt"
	"github.com/cloudstate-go/cloudstate/examples/presence"
	pb "github.com/cloudstate-go/cloudstate/examples/presence/presencepb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

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
