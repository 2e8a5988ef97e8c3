package proxy_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

func replicaOf(id string) proxy.Replica {
	return proxy.Replica{PersistenceID: scripted.PersistenceID(scripted.CRDT), ID: id}
}

func (f *fixture) requireValue(id string, want *crdtpb.CrdtDelta) {
	f.t.Helper()
	got, err := f.proxy.ReplicaValue(replicaOf(id))
	require.NoError(f.t, err)
	require.True(f.t, proto.Equal(want, got), "%v", got)
}

// A change from outside reaches an entity that is not in memory with its init message, and
// one that is as a delta (P-110, P-122), and other nodes.
func TestChangeReplica_ReachesTheEntity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nodes := newCluster(t, 2, &cluster.Memory{})
		f, other := nodes[0], nodes[1]
		f.requireValue("e", nil)
		require.NoError(t, f.proxy.ChangeReplica(replicaOf("e"), gcounter(5)))
		f.requireValue("e", gcounter(5))

		c := f.askCRDT("e")
		stream := f.AcceptCRDT()
		require.True(t, proto.Equal(gcounter(5), stream.RequireInit("e")))
		stream.RequireCommand(1, "Ask")
		require.NoError(t, f.proxy.ChangeReplica(replicaOf("e"), gcounter(7)))
		stream.Reply(1, scripted.Answer("counted"), counted(1))
		c.requireAnswer("counted")
		stream.RequireDelta(gcounter(7))
		require.NoError(t, f.proxy.ChangeReplica(replicaOf("e"), gcounter(2)))
		stream.RequireDelta(gcounter(2))
		f.requireValue("e", gcounter(15))
		synctest.Wait()
		other.requireValue("e", gcounter(15))
		f.passivateCRDT("e", stream)
	})
}

func TestChangeReplica_RefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		early := &proxy.Proxy{}
		require.EqualError(t, early.ChangeReplica(replicaOf("e"), gcounter(1)), "proxy: there are no CRDTs before the proxy is ready")
		_, err := early.ReplicaValue(replicaOf("e"))
		require.EqualError(t, err, "proxy: there are no CRDTs before the proxy is ready")

		f := start(t).ready()
		change := func(id string, delta *crdtpb.CrdtDelta) error { return f.proxy.ChangeReplica(replicaOf(id), delta) }
		require.ErrorContains(t, f.proxy.ChangeReplica(proxy.Replica{PersistenceID: "none", ID: "e"}, gcounter(1)), `no CRDT entity has the persistence id "none"`)
		require.ErrorContains(t, change("e", &crdtpb.CrdtDelta{}), `proxy: change the CRDT of scripted.CRDT journal "e": Empty delta`)
		require.NoError(t, change("e", gcounter(1)))
		require.ErrorContains(t, change("e", orset(&crdtpb.ORSetDelta{})), "ORSetDelta is incompatible with CRDT GCounter")
		f.requireValue("e", gcounter(1))

		stream := f.openCRDT("gone", counted(1))
		c := f.askCRDT("gone")
		stream.RequireCommand(2, "Ask")
		stream.Reply(2, scripted.Answer("deleted"), scripted.Remove(local))
		c.requireAnswer("deleted")
		stream.RequireHalfClosed()
		stream.End(nil)
		require.ErrorContains(t, change("gone", gcounter(1)), "the entity was deleted")
		f.requireValue("gone", nil)
	})
}

func TestKeptReplicas_HasWhatAProxyHad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		f := start(t, func(f *fixture) { f.proxy.Replicas = stored }).ready()
		stream := f.openCRDT("counter", counted(3))
		c := f.askCRDT("counter")
		stream.RequireCommand(2, "Ask")
		stream.Reply(2, scripted.Answer("counted"), counted(4))
		c.requireAnswer("counted")
		stream.Close()
		stream = f.openCRDT("deleted", counted(1))
		c = f.askCRDT("deleted")
		stream.RequireCommand(2, "Ask")
		stream.Reply(2, scripted.Answer("deleted"), &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Delete{Delete: &crdtpb.CrdtDelete{}}})
		c.requireAnswer("deleted")
		stream.Close()
		synctest.Wait()

		kept, err := proxy.KeptReplicas(stored.Parts(t.Context()))
		require.NoError(t, err)
		require.Len(t, kept, 2)
		require.True(t, proto.Equal(gcounter(7), kept[replicaOf("counter")]), "%v", kept)
		require.Nil(t, kept[replicaOf("deleted")])
	})
}

func TestKeptReplicas_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	lost := errors.New("the disk is gone")
	_, err := proxy.KeptReplicas(func(yield func(store.Part, error) bool) { yield(store.Part{}, lost) })
	require.ErrorIs(t, err, lost)
	_, err = proxy.KeptReplicas(func(yield func(store.Part, error) bool) {
		yield(store.Part{Key: store.Key{Type: "presence", ID: "jo"}, Data: []byte("nonsense")}, nil)
	})
	require.ErrorContains(t, err, `presence "jo"`)
}
