package cluster_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/cluster"
)

func ExampleMemory() {
	network := &cluster.Memory{}
	received := make(chan string)
	first, _ := network.Join(func(string, []byte) {})
	second, _ := network.Join(func(from string, message []byte) { received <- from + ": " + string(message) })
	first.Send(second.ID(), []byte("hello"))
	fmt.Println(<-received)
	first.Leave()
	second.Leave()
	// Output: node-1: hello
}

// listen adds a member that remembers its messages. The result returns them.
func listen(t *testing.T, network *cluster.Memory) (member cluster.Member, received func() []string) {
	t.Helper()
	var mu sync.Mutex
	var messages []string
	member, err := network.Join(func(_ string, message []byte) {
		mu.Lock()
		defer mu.Unlock()
		messages = append(messages, string(message))
	})
	require.NoError(t, err)
	return member, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(messages)
	}
}

func TestMemory_Partitions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &cluster.Memory{}
		a, _ := listen(t, network)
		b, atB := listen(t, network)
		c, atC := listen(t, network)
		require.Equal(t, []string{"node-2", "node-3"}, a.Peers())
		send := func(text string) {
			a.Send(b.ID(), []byte(text))
			a.Send(c.ID(), []byte(text))
			a.Send("nobody", []byte(text))
			synctest.Wait()
		}
		send("all")
		network.Partition([]string{"node-1", "node-2"})
		send("two")
		network.Partition([]string{"node-2"})
		send("others")
		network.Heal()
		send("healed")
		require.Equal(t, []string{"all", "two", "healed"}, atB())
		require.Equal(t, []string{"all", "others", "healed"}, atC())
		b.Leave()
		require.Equal(t, []string{"node-3"}, a.Peers())
		send("after")
		require.Equal(t, []string{"all", "two", "healed"}, atB())
		d, _ := listen(t, network)
		require.Equal(t, "node-4", d.ID(), "names are not used again")
		for _, m := range []cluster.Member{a, c, d} {
			m.Leave()
		}
	})
}

func TestMemory_Faults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &cluster.Memory{Fault: func(_, _ string, message []byte) cluster.Fault {
			switch string(message) {
			case "lost":
				return cluster.Fault{Drop: true}
			case "late":
				return cluster.Fault{Delay: time.Second}
			case "later":
				return cluster.Fault{Delay: 2 * time.Second}
			case "twice":
				return cluster.Fault{Copies: 1}
			default:
				return cluster.Fault{}
			}
		}}
		a, _ := listen(t, network)
		b, atB := listen(t, network)
		for _, text := range []string{"later", "late", "lost", "twice", "now"} {
			a.Send(b.ID(), []byte(text))
		}
		synctest.Wait()
		require.Equal(t, []string{"twice", "twice", "now"}, atB())
		time.Sleep(3 * time.Second) //nolint:forbidigo // virtual time
		synctest.Wait()
		require.Equal(t, []string{"twice", "twice", "now", "late", "later"}, atB())
		a.Leave()
		b.Leave()
	})
}
