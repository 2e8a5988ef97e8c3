package crdt

import (
	"fmt"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// delta has all new entries, also those whose values are empty: that is how the proxy learns
// the types of the values (protocol section 5.8).
func (m *ORMap[K, V]) delta() *crdtpb.CrdtDelta {
	d := &crdtpb.ORMapDelta{Cleared: m.cleared, Removed: m.removed.anys()}
	for _, it := range m.changes() {
		switch {
		case it.added:
			d.Added = append(d.Added, &crdtpb.ORMapEntryDelta{Key: it.id.any(), Delta: it.value.delta()})
		case it.value.changed():
			d.Updated = append(d.Updated, &crdtpb.ORMapEntryDelta{Key: it.id.any(), Delta: it.value.delta()})
		}
	}
	return ormapDelta(d)
}

func (m *ORMap[K, V]) state() *crdtpb.CrdtDelta {
	d := &crdtpb.ORMapDelta{}
	for _, it := range m.ordered() {
		d.Added = append(d.Added, &crdtpb.ORMapEntryDelta{Key: it.id.any(), Delta: it.value.state()})
	}
	return ormapDelta(d)
}

func ormapDelta(d *crdtpb.ORMapDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: d}}
}

// entry is an entry that the proxy has added.
type entry[K any, V Data] struct {
	id    id
	key   K
	value V
}

// prepare follows the order of protocol section 5.8: cleared, removed, updated, added. An
// added entry replaces the one that is there.
func (m *ORMap[K, V]) prepare(delta *crdtpb.CrdtDelta) (func(), error) {
	d, ok := delta.GetDelta().(*crdtpb.CrdtDelta_Ormap)
	if !ok {
		return nil, mismatch(delta, "ORMap")
	}
	if err := m.usable(); err != nil {
		return nil, err
	}
	updates, err := m.prepareUpdates(d.Ormap)
	if err != nil {
		return nil, err
	}
	entries, err := m.prepareEntries(d.Ormap.GetAdded())
	if err != nil {
		return nil, err
	}
	return func() {
		m.discard(d.Ormap.GetCleared(), &elementList{d.Ormap.GetRemoved()})
		for _, update := range updates {
			update()
		}
		for _, e := range entries {
			e.value.base().parent = m.insert(e.id, e.key, e.value)
		}
	}, nil
}

// prepareUpdates ignores updates of entries that are not there, or will not be: they have
// been removed here, and the proxy did not know that yet.
func (m *ORMap[K, V]) prepareUpdates(d *crdtpb.ORMapDelta) ([]func(), error) {
	leaving := map[*item[K, V]]bool{}
	if len(d.GetUpdated()) > 0 {
		for _, a := range d.GetRemoved() {
			leaving[m.findAny(a)] = true
		}
	}
	updates := make([]func(), 0, len(d.GetUpdated()))
	for _, e := range d.GetUpdated() {
		it := m.findAny(e.GetKey())
		if it == nil || leaving[it] || d.GetCleared() {
			continue
		}
		update, err := it.value.prepare(e.GetDelta())
		if err != nil {
			return nil, fmt.Errorf("ORMap entry %v: %w", it.key, err)
		}
		updates = append(updates, update)
	}
	return updates, nil
}

// prepareEntries makes the values of added entries. Nobody sees them yet, so the deltas are
// applied at once.
func (m *ORMap[K, V]) prepareEntries(added []*crdtpb.ORMapEntryDelta) ([]entry[K, V], error) {
	entries := make([]entry[K, V], 0, len(added))
	for _, a := range added {
		key, i, err := m.codec.decode(a.GetKey())
		if err != nil {
			return nil, fmt.Errorf("ORMap key: %w", err)
		}
		value, err := m.create(key)
		if err != nil {
			return nil, err
		}
		if err := applyDelta(value, a.GetDelta()); err != nil {
			return nil, fmt.Errorf("ORMap entry %v: %w", key, err)
		}
		entries = append(entries, entry[K, V]{i, key, value})
	}
	return entries, nil
}

// isRegister returns whether a value is an LWWRegister, whatever is in it.
func isRegister(d Data) bool {
	_, ok := d.delta().GetDelta().(*crdtpb.CrdtDelta_Lwwregister)
	return ok
}
