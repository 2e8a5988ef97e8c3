package testkit_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/crdt"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// consistentShelf writes items at the consistency that their names begin with.
func consistentShelf() *crdt.Entity[*shelf] {
	return shelfEntity(func(s *shelf, item *domain.LineItem) error {
		for prefix, consistency := range map[string]crdt.WriteConsistency{"majority": crdt.Majority, "all": crdt.All} {
			if strings.HasPrefix(item.GetProductId(), prefix) {
				s.SetWriteConsistency(consistency)
			}
		}
		return s.Data().Add(item)
	}, nil)
}

// P-128: on the side of a partition that has too few nodes, a write takes the time limit of
// the protocol and fails; on the other one it succeeds at once.
func TestCluster_WritesAsFarAsAPartitionAllows(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		groups  [][]int
		node    int
		item    string
		succeed bool
	}{
		"one node of three, local":     {[][]int{{0}, {1, 2}}, 0, "local", true},
		"one node of three, majority":  {[][]int{{0}, {1, 2}}, 0, "majority", false},
		"two nodes of three, majority": {[][]int{{0}, {1, 2}}, 1, "majority", true},
		"two nodes of three, all":      {[][]int{{0}, {1, 2}}, 1, "all", false},
		"no partition, majority":       {nil, 0, "majority", true},
		"no partition, all":            {nil, 0, "all", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := testkit.NewCluster(t, 3, consistentShelf())
				for i := range 3 {
					require.NoError(t, addTo(t, c.Node(i), "before"))
				}
				c.Converge()
				c.Partition(tt.groups...)
				began := time.Now()
				err := addTo(t, c.Node(tt.node), tt.item)
				took := time.Since(began)
				if tt.succeed {
					require.NoError(t, err)
					require.Zero(t, took)
				} else {
					require.Equal(t, "Failed to update CRDT at requested write consistency", status.Convert(err).Message())
					require.Equal(t, 5*time.Second, took)
				}
				c.Heal()
				c.Converge()
				for i := range 3 {
					require.Len(t, c.Node(i).CRDT("shelf", "s1").GetOrset().GetAdded(), 2, "what was written is not undone")
					require.Empty(t, c.Node(i).Faults())
				}
				require.NoError(t, addTo(t, c.Node(0), "all of them, again"))
			})
		})
	}
}
