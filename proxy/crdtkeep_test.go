package proxy_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/cloudstate-go/cloudstate/proxy/cluster"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

// keeping lets a proxy keep its CRDTs.
func keeping(replicas store.Replicas) func(*fixture) {
	return func(f *fixture) { f.proxy.Replicas = replicas }
}

// requireState requires that the CRDT entity e, which is not active, has this state.
func (f *fixture) requireState(value uint64) {
	f.t.Helper()
	f.passivateCRDT("e", f.openCRDTWith("e", gcounter(value), nil))
}

// A proxy that starts again has its CRDTs, and what was deleted stays deleted.
func TestCRDT_SurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		f := start(t, keeping(stored)).ready()
		stream := f.openCRDT("e", counted(3))
		f.changeCRDT(stream, "e", 2, counted(4))
		f.passivateCRDT("e", stream)
		stream = f.openCRDT("gone", counted(1))
		f.changeCRDT(stream, "gone", 2, scripted.Remove(local))
		stream.Close()
		f.stop()
		require.NoError(t, <-f.done)

		f = start(t, keeping(stored)).ready()
		f.requireState(7)
		f.askCRDT("gone").requireStatus(codes.Unknown, "Entity deleted")
	})
}

// A proxy that starts again while it is cut off has what it had, and gets the rest later. So
// does a cluster of which all proxies have stopped.
func TestCRDT_RestartsInAPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network, stores := &cluster.Memory{}, []*memory.Store{memory.New(), memory.New()}
		node := func(i int) *fixture {
			return start(t, keeping(stores[i]), func(f *fixture) { f.proxy.Cluster = network }).ready()
		}
		stop := func(f *fixture) {
			f.stop()
			require.NoError(t, <-f.done)
		}
		a, b := node(0), node(1)
		a.passivateCRDT("e", a.openCRDT("e", counted(1)))
		network.Partition([]string{b.proxy.Replication().Node})
		stop(a)
		a = node(0)
		a.passivateCRDT("gone", a.openCRDT("gone", scripted.Remove(local)))
		a.requireState(1)
		b.passivateCRDT("e", b.openCRDTWith("e", gcounter(1), counted(10)))
		network.Heal()
		time.Sleep(3 * time.Second) //nolint:forbidigo // virtual time
		stop(a)
		stop(b)

		b = node(1)
		b.requireState(11)
		b.askCRDT("gone").requireStatus(codes.Unknown, "Entity deleted")
	})
}

// A store that waits until the test lets it go on.
type waiting struct {
	store.Replicas

	proceed chan struct{}
}

func (w waiting) AddParts(ctx context.Context, key store.Key, parts ...[]byte) error {
	<-w.proceed
	return w.Replicas.AddParts(ctx, key, parts...)
}

// A command is not answered before its change is kept, and until then, the user function is
// told nothing (P-124).
func TestCRDT_AnswersWhenItsStateIsSafe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := waiting{memory.New(), make(chan struct{})}
		f := start(t, keeping(stored)).ready()
		c := f.askCRDT("e")
		stream := f.AcceptCRDT()
		stream.RequireInit("e")
		stream.RequireCommand(1, "Ask")
		stream.Reply(1, scripted.Answer("counted"), counted(1))
		synctest.Wait()
		select {
		case <-c.done:
			require.Fail(t, "it is not safe yet")
		default:
		}
		close(stored.proceed)
		c.requireAnswer("counted")
		f.passivateCRDT("e", stream)
	})
}

// A change that cannot be kept is a failure, as one that not enough nodes have got. The store
// gets it later, because other nodes may have it.
func TestCRDT_FailsWithoutItsStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := storetest.NewFaultyReplicas(memory.New())
		f := start(t, keeping(stored)).ready()
		stream := f.openCRDT("e", counted(1))
		stored.Inject(storetest.FailSave)
		c := f.askCRDT("e")
		stream.RequireCommand(2, "Ask")
		stream.Reply(2, scripted.Answer("counted"), counted(2))
		c.requireStatus(codes.Unknown, "Failed to update CRDT at requested write consistency")
		stream.Cancelled()
		f.requireFaults("keep the CRDT of "+scripted.PersistenceID(scripted.CRDT)+` "e": `, "Failed to update CRDT at requested write consistency")
		f.requireState(3)
	})
}

// A proxy that cannot read its CRDTs does not serve.
func TestCRDT_NeedsItsStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := storetest.NewFaultyReplicas(memory.New())
		stored.Inject(storetest.FailLoad)
		f := start(t, keeping(stored))
		require.EqualError(t, <-f.done, "proxy: load the CRDTs: read: injected fault")
	})
}
