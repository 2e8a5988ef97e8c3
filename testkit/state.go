package testkit

import (
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// State returns a copy of the state of a value entity as it is stored, or nil if there is
// none.
func (k *Kit) State(persistenceID, id string) *anypb.Any {
	k.tb.Helper()
	k.require(persistenceID, valueentitypb.ValueEntity_ServiceDesc.ServiceName)
	value, err := k.values.Get(k.context(), store.Key{Type: persistenceID, ID: id})
	if err != nil {
		k.tb.Fatalf("testkit: read the state of %s %q: %v", persistenceID, id, err)
	}
	if !value.Exists {
		return nil
	}
	stored, err := decodeAny(value.Data)
	if err != nil {
		k.tb.Fatalf("testkit: the state of %s %q: %v", persistenceID, id, err)
	}
	return stored
}

// RequireState fails the test at once unless the stored state of a value entity is this
// one. It shows the difference. What a state may be is as in [Kit.RequireEvents].
func (k *Kit) RequireState(persistenceID, id string, want any) {
	k.tb.Helper()
	k.requireState(persistenceID, id, want)
}

// RequireNoState fails the test at once if a value entity has a stored state.
func (k *Kit) RequireNoState(persistenceID, id string) {
	k.tb.Helper()
	k.requireState(persistenceID, id)
}

func (k *Kit) requireState(persistenceID, id string, want ...any) {
	k.tb.Helper()
	var found []*anypb.Any
	if stored := k.State(persistenceID, id); stored != nil {
		found = append(found, stored)
	}
	requireStored(k.tb, fmt.Sprintf("the state of %s %q", persistenceID, id), want, found...)
}
