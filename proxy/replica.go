package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"iter"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replication"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// ErrWriteConsistency is matched by the error of a [Fault] that is none of the user function:
// too few other nodes have got a change in time for the consistency that its command asked
// for, as in a partition. The change stays, and reaches them when it can.
var ErrWriteConsistency = replication.ErrConsistency

// ReplicaValue returns the value of a CRDT as this proxy has it, for operators and tests: the
// delta that makes an empty CRDT this one, in which votes are counted. It is nil if there is
// no value, or none any more. The error says that no CRDT entity has that persistence id, or
// that the proxy is not ready.
func (p *Proxy) ReplicaValue(of Replica) (*crdtpb.CrdtDelta, error) {
	running, key, err := p.replicaKey(of)
	if err != nil {
		return nil, err
	}
	return running.node.Value(key), nil
}

// ChangeReplica changes a CRDT without a command of its entity, for operators and tests: to
// import or to repair a value, or to act as another node. The delta is one that an entity
// may send (protocol section 5), and counts as a write of this node. The entity is told if it
// is in memory, and other nodes get it; nobody waits for them.
//
// The error says that no CRDT entity has that persistence id, that the delta makes no sense
// for the value, that this was deleted, or that the proxy is not ready.
func (p *Proxy) ChangeReplica(of Replica, delta *crdtpb.CrdtDelta) error {
	running, key, err := p.replicaKey(of)
	if err != nil {
		return err
	}
	if err := running.node.Entity(key).Change(delta); err != nil {
		return fmt.Errorf("proxy: change the CRDT of %s %q: %w", of.PersistenceID, of.ID, err)
	}
	return nil
}

// KeptReplicas returns the CRDTs of which a store keeps parts, for tools: each as the delta that
// makes an empty CRDT this one, or as nil if there is no value any more. Votes are those of
// nodes that live, so there are none.
//
// The parts are what [store.Replicas] lists, all those of an entity or none.
func KeptReplicas(parts iter.Seq2[store.Part, error]) (map[Replica]*crdtpb.CrdtDelta, error) {
	states := map[Replica]*replica.State{}
	for part, err := range parts {
		if err != nil {
			return nil, err
		}
		state, err := replica.Decode(part.Data)
		if err != nil {
			return nil, fmt.Errorf("proxy: the CRDT of %v: %w", part.Key, err)
		}
		of := Replica{PersistenceID: part.Key.Type, ID: part.Key.ID}
		if states[of] == nil {
			states[of] = replica.NewState()
		}
		states[of].Merge(state)
	}
	values := make(map[Replica]*crdtpb.CrdtDelta, len(states))
	for of, state := range states {
		values[of] = nil
		if view := state.View(replica.Cluster{}); view != nil {
			values[of] = view.Full()
		}
	}
	return values, nil
}

// replicaKey returns what an entity is replicated under.
func (p *Proxy) replicaKey(of Replica) (*running, replication.Key, error) {
	running := p.running.Load()
	if running == nil {
		return nil, replication.Key{}, errors.New("proxy: there are no CRDTs before the proxy is ready")
	}
	for _, service := range running.spec.Services {
		// A service without a persistence id has its own name (protocol section 2.5).
		if service.EntityType == spec.CRDT && cmp.Or(service.PersistenceID, service.Name) == of.PersistenceID {
			return running, replication.Key{Type: of.PersistenceID, ID: of.ID}, nil
		}
	}
	return nil, replication.Key{}, fmt.Errorf("proxy: no CRDT entity has the persistence id %q", of.PersistenceID)
}
