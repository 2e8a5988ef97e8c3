package inspection

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// journalLine is a line about the journal of an event sourced entity.
type journalLine struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	Events   uint64    `json:"events"`
	Snapshot uint64    `json:"snapshot,omitempty"` // of the last event that it contains
	Updated  time.Time `json:"updated"`
}

// valueLine is a line about a value entity.
type valueLine struct {
	ID      string        `json:"id"`
	Kind    string        `json:"kind"`
	Version store.Version `json:"version"`
	Deleted bool          `json:"deleted,omitempty"`
	Updated time.Time     `json:"updated"`
}

// crdtLine is a line about a CRDT entity.
type crdtLine struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Type    string `json:"crdt,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
}

// Entities lists the entities of a type by their ids, those of one kind after those of another.
// The range concerns each kind.
func (i *Inspector) Entities(ctx context.Context, typ string, part Range) error {
	if err := i.known(ctx, typ); err != nil {
		return err
	}
	for info, err := range limit(i.source.Journals(ctx, typ, part.From), part) {
		if err != nil {
			return err
		}
		line := journalLine{ID: info.Key.ID, Kind: eventSourced, Events: info.Seq, Snapshot: info.Snapshot, Updated: info.Updated.UTC()}
		if err := i.output.Encode(line); err != nil {
			return err
		}
	}
	for info, err := range limit(i.source.ListValues(ctx, typ, part.From), part) {
		if err != nil {
			return err
		}
		line := valueLine{ID: info.Key.ID, Kind: valueEntity, Version: info.Version, Deleted: !info.Exists, Updated: info.Updated.UTC()}
		if err := i.output.Encode(line); err != nil {
			return err
		}
	}
	return i.crdts(ctx, typ, part)
}

// crdts lists the CRDT entities of a type. They are not stored by id, so all are read.
func (i *Inspector) crdts(ctx context.Context, typ string, part Range) error {
	kept, err := proxy.KeptReplicas(i.parts(ctx, proxy.Replica{PersistenceID: typ}))
	if err != nil {
		return err
	}
	byID := map[string]crdtLine{}
	for of, delta := range kept {
		line := crdtLine{ID: of.ID, Kind: crdtEntity, Deleted: delta == nil}
		if delta != nil {
			line.Type = i.decoder.crdt(delta).Type
		}
		byID[of.ID] = line
	}
	written := 0
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		if id < part.From || part.Limit > 0 && written == part.Limit {
			continue
		}
		written++
		if err := i.output.Encode(byID[id]); err != nil {
			return err
		}
	}
	return nil
}
