package testkit

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/crdt"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// CRDT is a change of a CRDT: what a value of package crdt has become since it was made.
//
//	tags := crdt.NewORSet[string]()
//	_ = tags.Add("red")
//	kit.Given(testkit.CRDT("tags", "jo", tags))
//
// It is added to what is there, as if a command had done it, and the entity is told at once if
// it is in memory. So it also lets a change arrive while streams are open. See [Delta] for
// what a new value cannot express.
func CRDT(persistenceID, id string, value crdt.Data) Stored {
	return replicated(persistenceID, id, value)
}

// Delta is [CRDT] in the form in which entities send changes (protocol section 5), such as
// the removal of an element that is there.
func Delta(persistenceID, id string, delta *crdtpb.CrdtDelta) Stored {
	return replicated(persistenceID, id, delta)
}

func replicated(persistenceID, id string, value any) Stored {
	return Stored{
		key: store.Key{Type: persistenceID, ID: id}, entityType: crdtpb.Crdt_ServiceDesc.ServiceName,
		put: func(k *Kit, key store.Key, d *component.Declaration) error {
			delta, err := d.Implementation.(component.DataEncoder).EncodeData(key.ID, value) //nolint:errcheck // as the kind has it
			if err != nil {
				return err
			}
			return k.proxy.ChangeReplica(proxy.Replica{PersistenceID: key.Type, ID: key.ID}, delta)
		},
	}
}

// CRDT returns the value of a CRDT as the proxy has it: the delta that makes an empty value
// this one (protocol section 5). It is nil if there is no value, or none any more.
func (k *Kit) CRDT(persistenceID, id string) *crdtpb.CrdtDelta {
	k.tb.Helper()
	k.require(persistenceID, crdtpb.Crdt_ServiceDesc.ServiceName)
	value, err := k.proxy.ReplicaValue(proxy.Replica{PersistenceID: persistenceID, ID: id})
	if err != nil {
		k.tb.Fatalf("testkit: %v", err)
	}
	return value
}

// RequireCRDT fails the test at once unless the value of a CRDT, as the proxy has it, is this
// one. It shows the difference. Of a [crdt.Vote] only the vote of this node counts.
func (k *Kit) RequireCRDT(persistenceID, id string, want crdt.Data) {
	k.tb.Helper()
	d := k.require(persistenceID, crdtpb.Crdt_ServiceDesc.ServiceName)
	delta, err := d.Implementation.(component.DataEncoder).EncodeData(id, want) //nolint:errcheck // as the kind has it
	if err != nil {
		k.tb.Fatalf("testkit: the CRDT of %s %q: %v", persistenceID, id, err)
	}
	requireSame(k.tb, fmt.Sprintf("the CRDT of %s %q", persistenceID, id),
		[]string{describeDelta(timeless(delta))}, []string{describeDelta(k.CRDT(persistenceID, id))})
}

// timeless returns a delta without the clocks of registers, which are not part of a value.
func timeless(delta *crdtpb.CrdtDelta) *crdtpb.CrdtDelta {
	delta = proto.CloneOf(delta)
	if register := delta.GetLwwregister(); register != nil {
		register.Clock, register.CustomClockValue = crdtpb.CrdtClock_DEFAULT, 0
	}
	for _, entry := range delta.GetOrmap().GetAdded() {
		entry.Delta = timeless(entry.GetDelta())
	}
	return delta
}
