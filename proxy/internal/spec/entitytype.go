package spec

import "slices"

// The entity types of the protocol: each is the full name of the protocol service of
// a kind (protocol section 2.2).
const (
	Action       = "cloudstate.action.ActionProtocol"
	CRDT         = "cloudstate.crdt.Crdt"
	EventSourced = "cloudstate.eventsourced.EventSourced"
	ValueEntity  = "cloudstate.valueentity.ValueEntity"
)

// EntityTypes returns all entity types of the protocol, sorted. The slice belongs to
// the caller.
func EntityTypes() []string {
	return slices.Clone(allEntityTypes)
}

var allEntityTypes = []string{Action, CRDT, EventSourced, ValueEntity}
