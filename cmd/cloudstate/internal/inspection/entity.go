package inspection

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A line is about something that is stored of an entity.
type line struct {
	place
	*payload // nil for what was deleted
}

// A place says what a payload is: the event of a number, the snapshot after the event of a
// number, or the value of a version.
type place struct {
	Event    uint64        `json:"event,omitempty"`
	Snapshot uint64        `json:"snapshot,omitempty"`
	Version  store.Version `json:"version,omitempty"`
	Time     time.Time     `json:"time,omitzero"`
	Deleted  bool          `json:"deleted,omitempty"`
}

// Entity shows one entity: its journal, with the newest snapshot, its value or its CRDT; all of
// them, if services of several kinds share the type. The range concerns events.
func (i *Inspector) Entity(ctx context.Context, typ, id string, part Range) error {
	from := uint64(1)
	if part.From != "" {
		number, err := strconv.ParseUint(part.From, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not the number of an event, want one from 1 on", part.From)
		}
		from = max(number, 1)
	}
	if err := i.known(ctx, typ); err != nil {
		return err
	}
	key := store.Key{Type: typ, ID: id}
	found := false
	for _, show := range []func(context.Context, store.Key) (bool, error){
		func(ctx context.Context, key store.Key) (bool, error) { return i.journal(ctx, key, from, part) },
		i.value,
		i.crdtOf,
	} {
		shown, err := show(ctx, key)
		if err != nil {
			return err
		}
		found = found || shown
	}
	if !found {
		return fmt.Errorf("there is no entity %q of type %q in the store", id, typ)
	}
	return nil
}

// errEnough ends a load.
var errEnough = errors.New("enough")

// journal shows the journal of an entity, and returns whether there is one.
func (i *Inspector) journal(ctx context.Context, key store.Key, from uint64, part Range) (bool, error) {
	var first store.Record // the snapshot, or an event
	_, err := i.source.Load(ctx, key, func(record store.Record) error {
		first = record
		return errEnough
	})
	if err == nil || !errors.Is(err, errEnough) {
		return false, err
	}
	for event, err := range limit(i.source.Events(ctx, key, from), part) {
		if err != nil {
			return true, err
		}
		if first.Snapshot && first.Seq < event.Seq && first.Seq >= from { // it outlived its events
			if err := i.show(key, place{Snapshot: first.Seq}, first.Data); err != nil {
				return true, err
			}
			first = store.Record{}
		}
		if err := i.show(key, place{Event: event.Seq, Time: event.Time.UTC()}, event.Data); err != nil {
			return true, err
		}
		if first.Snapshot && first.Seq == event.Seq {
			if err := i.show(key, place{Snapshot: first.Seq}, first.Data); err != nil {
				return true, err
			}
			first = store.Record{}
		}
	}
	return true, nil
}

// show shows what is stored of an entity at a place.
func (i *Inspector) show(of store.Key, at place, data []byte) error {
	payload, err := i.decoder.encoded(data)
	if err != nil {
		return fmt.Errorf("%v of %v: %w", at, of, err)
	}
	return i.output.Encode(line{at, payload})
}

// String names the place in an error.
func (p place) String() string {
	switch {
	case p.Event > 0:
		return fmt.Sprintf("event %d", p.Event)
	case p.Snapshot > 0:
		return fmt.Sprintf("the snapshot after event %d", p.Snapshot)
	default:
		return "the value"
	}
}

// value shows the state of an entity, and returns whether there is one or has been one.
func (i *Inspector) value(ctx context.Context, key store.Key) (bool, error) {
	value, err := i.source.Get(ctx, key)
	switch at := (place{Version: value.Version, Deleted: !value.Exists}); {
	case err != nil || value.Version == 0:
		return false, err
	case value.Exists:
		return true, i.show(key, at, value.Data)
	default:
		return true, i.output.Encode(line{at, nil})
	}
}

// crdtOf shows the CRDT of an entity, and returns whether there is one or has been one.
func (i *Inspector) crdtOf(ctx context.Context, key store.Key) (bool, error) {
	of := proxy.Replica{PersistenceID: key.Type, ID: key.ID}
	kept, err := proxy.KeptReplicas(i.parts(ctx, of))
	delta, found := kept[of]
	switch {
	case err != nil || !found:
		return false, err
	case delta == nil:
		return true, i.output.Encode(crdtLine{ID: key.ID, Kind: crdtEntity, Deleted: true})
	default:
		return true, i.output.Encode(i.decoder.crdt(delta))
	}
}
