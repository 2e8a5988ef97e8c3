package testkit

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
)

const (
	// convergeTimeout is how long Converge waits.
	convergeTimeout = 10 * time.Second
	// convergePoll is how often it looks.
	convergePoll = time.Millisecond
)

// A Cluster is several nodes, each a service of its own with a proxy of its own, which
// replicate CRDT entities. Other entities are not shared: each node has its own store.
//
// Nodes wait for each other as those of a deployed cluster do. In a partition, a command that
// asks for crdt.Majority succeeds where more than half of the nodes are, and fails after 5
// seconds elsewhere, as does one that asks for crdt.All; its change stays, and reaches the
// others when they can be reached. A node without a majority takes 3 seconds to bring an
// entity into memory. In a bubble of testing/synctest, none of it takes time.
//
// A Cluster is safe for concurrent use. Use [NewCluster] to make one.
type Cluster struct {
	tb      testing.TB
	network *cluster.Memory
	nodes   []*Kit
}

// NewCluster starts n nodes with these components, as [New] does one, and stops them when
// the test ends. All reach each other.
func NewCluster(tb testing.TB, n int, components ...cloudstate.Component) *Cluster {
	tb.Helper()
	c := &Cluster{tb: tb, network: &cluster.Memory{}}
	for range n {
		c.nodes = append(c.nodes, Start(tb, &cloudstate.Service{Components: components}, func(p *proxy.Proxy) { p.Cluster = c.network }))
	}
	return c
}

// Node returns a node, of which the first is 0. It is a connection for generated clients.
func (c *Cluster) Node(i int) *Kit {
	c.tb.Helper()
	if i < 0 || i >= len(c.nodes) {
		c.tb.Fatalf("testkit: there is no node %d; the cluster has %d, and the first is 0", i, len(c.nodes))
	}
	return c.nodes[i]
}

// Partition splits the cluster: nodes reach only those in their group. Those that are in no
// group are together in one more. It replaces a partition that there is.
func (c *Cluster) Partition(groups ...[]int) {
	c.tb.Helper()
	names := make([][]string, 0, len(groups))
	for _, group := range groups {
		members := make([]string, 0, len(group))
		for _, i := range group {
			members = append(members, c.Node(i).proxy.Replication().Node)
		}
		names = append(names, members)
	}
	c.network.Partition(names...)
}

// Heal ends a partition. The nodes find out what they have missed within seconds, or at
// once with [Cluster.Converge].
func (c *Cluster) Heal() {
	c.network.Heal()
}

// Converge waits until all nodes have the same CRDTs, and have told them to their entities:
// the next command on any node sees all changes before it. It fails the test at once if that
// does not happen within 10 seconds, because of a partition or of commands that go on.
func (c *Cluster) Converge() {
	c.tb.Helper()
	deadline := time.NewTimer(convergeTimeout)
	defer deadline.Stop()
	poll := time.NewTicker(convergePoll)
	defer poll.Stop()
	for attempt := 0; ; attempt++ {
		if attempt%100 == 0 { // again, because of what has changed meanwhile
			for _, node := range c.nodes {
				node.proxy.Exchange()
			}
		}
		problem := c.divergence()
		if problem == "" {
			return
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			c.tb.Fatalf("testkit: the cluster did not converge within %v: %s; is it partitioned, or a command still running?", convergeTimeout, problem)
		}
	}
}

// divergence says what nodes do not agree about; "" for nothing.
func (c *Cluster) divergence() string {
	var first proxy.Replication
	for i, node := range c.nodes {
		now := node.proxy.Replication()
		if i == 0 {
			first = now
		}
		if !now.Settled {
			return fmt.Sprintf("node %d is busy", i)
		}
		if maps.Equal(first.Fingerprints, now.Fingerprints) {
			continue
		}
		for _, side := range []map[proxy.Replica][16]byte{first.Fingerprints, now.Fingerprints} {
			for entity := range side {
				if first.Fingerprints[entity] != now.Fingerprints[entity] {
					return fmt.Sprintf("nodes 0 and %d differ about %s %q", i, entity.PersistenceID, entity.ID)
				}
			}
		}
	}
	return ""
}
