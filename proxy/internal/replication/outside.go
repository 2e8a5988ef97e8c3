package replication

import (
	"errors"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// Value returns the delta that makes an empty CRDT the one of an entity, or nil if there is
// none.
func (n *Node) Value(key Key) *crdtpb.CrdtDelta {
	e := n.known(key)
	if e == nil {
		return nil
	}
	view := e.look()
	if view == nil {
		return nil
	}
	return view.Full()
}

// look returns the value, of which the user function is told nothing by that.
func (e *Entity) look() *replica.View {
	in := e.node.cluster()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.View(in)
}

// Change changes the replica without the user function, which learns of it as of a change by
// another node. The error says that the delta makes no sense for the CRDT, or that this was
// deleted.
func (e *Entity) Change(delta *crdtpb.CrdtDelta) error {
	if e.Deleted() {
		return errors.New("the entity was deleted")
	}
	view := e.look()
	if view == nil {
		view = replica.NewView(replica.KindOf(delta))
	}
	if err := view.Apply(delta); err != nil {
		return err
	}
	change := e.Update(delta)
	e.Doubt()
	e.mu.Lock()
	e.changes++
	changed := e.changed
	e.mu.Unlock()
	if changed != nil {
		changed()
	}
	e.node.Publish(change, crdtpb.CrdtWriteConsistency_LOCAL)
	return nil
}
