package testkit

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// Stored is something that is stored of an entity: what [Events], [Snapshot], [State] and
// [CRDT] return, and [Kit.Given] puts in place.
type Stored struct {
	key        store.Key
	entityType string
	put        func(k *Kit, key store.Key, d *component.Declaration) error
}

// Given puts what was stored in earlier times in place, for any number of entities:
//
//	kit.Given(testkit.Events("shopping-cart", "jo", &domain.ItemAdded{...}, &domain.ItemRemoved{...}))
//
// It is encoded as the entity itself would. An entity that is in memory leaves it, so that its
// next command finds what is given. The test fails at once if the declaration of an entity
// does not know what it is given, or if it cannot be stored.
func (k *Kit) Given(stored ...Stored) {
	k.tb.Helper()
	for _, s := range stored {
		d := k.require(s.key.Type, s.entityType)
		if err := s.put(k, s.key, d); err != nil {
			k.tb.Fatalf("testkit: given for %v: %v", s.key, err)
		}
	}
}

// Events are the next events in the journal of an event sourced entity. An event is what the
// entity emits: a protobuf message, a primitive, or a value that is stored as JSON. An
// *anypb.Any is an event as it is stored.
func Events(persistenceID, id string, events ...any) Stored {
	return Stored{
		key: store.Key{Type: persistenceID, ID: id}, entityType: eventsourcedpb.EventSourced_ServiceDesc.ServiceName,
		put: func(k *Kit, key store.Key, d *component.Declaration) error {
			encoder := d.Implementation.(component.EventEncoder) //nolint:errcheck // as the kind has it
			encoded := make([][]byte, 0, len(events))
			for i, event := range events {
				stored, err := encode(encoder.EncodeEvent, event)
				if err != nil {
					return fmt.Errorf("event %d: %w", i+1, err)
				}
				encoded = append(encoded, stored)
			}
			if len(encoded) == 0 {
				return errors.New("there are no events; name at least one, or do not give any")
			}
			k.Passivate(key.Type, key.ID)
			return k.journal.give(k.context(), key, encoded)
		},
	}
}

// Snapshot is a snapshot of an event sourced entity, taken after the event with this sequence
// number, which is at least 1. It must come before the events of the entity, if any are given:
// those that it contains are not there.
func Snapshot(persistenceID, id string, sequence int64, snapshot any) Stored {
	return Stored{
		key: store.Key{Type: persistenceID, ID: id}, entityType: eventsourcedpb.EventSourced_ServiceDesc.ServiceName,
		put: func(k *Kit, key store.Key, d *component.Declaration) error {
			stored, err := d.Implementation.(component.EventEncoder).EncodeSnapshot(snapshot) //nolint:errcheck // as the kind has it
			if err != nil {
				return fmt.Errorf("snapshot: %w", err)
			}
			if sequence < 1 {
				return fmt.Errorf("the sequence number of the snapshot is %d, want at least 1", sequence)
			}
			k.Passivate(key.Type, key.ID)
			return k.journal.begin(k.context(), key, sequence, stored)
		},
	}
}

// State is the state of a value entity: what it is updated to, or, as an *anypb.Any, how that
// is stored. It takes the place of the one that there is.
func State(persistenceID, id string, state any) Stored {
	return Stored{
		key: store.Key{Type: persistenceID, ID: id}, entityType: valueentitypb.ValueEntity_ServiceDesc.ServiceName,
		put: func(k *Kit, key store.Key, d *component.Declaration) error {
			stored, err := encode(d.Implementation.(component.StateEncoder).EncodeState, state) //nolint:errcheck // as the kind has it
			if err != nil {
				return err
			}
			k.Passivate(key.Type, key.ID)
			now, err := k.values.Get(k.context(), key)
			if err != nil {
				return err
			}
			_, err = k.values.Put(k.context(), store.Write{Key: key, Expected: now.Version, OpID: store.OpID(uuid.New())}, stored)
			return err
		},
	}
}

// encode returns a value as a store has it.
func encode(with func(any) (*anypb.Any, error), value any) ([]byte, error) {
	stored, err := with(value)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(stored)
}

// give appends events.
func (j *journal) give(ctx context.Context, key store.Key, events [][]byte) error {
	head, err := j.Load(ctx, key, func(store.Record) error { return nil })
	if err != nil {
		return err
	}
	_, err = j.Append(ctx, store.Append{Key: key, Expected: head, Events: events, OpID: store.OpID(uuid.New())})
	return err
}

// begin lets a journal begin with a snapshot.
func (j *journal) begin(ctx context.Context, key store.Key, sequence int64, snapshot *anypb.Any) error {
	head, err := j.Load(ctx, key, func(store.Record) error { return nil })
	if err != nil {
		return err
	}
	if head.Seq > 0 {
		return fmt.Errorf("there are %d events already; give the snapshot before them", head.Seq)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.histories[key] = history{snapshot: snapshot, before: sequence, given: sequence}
	return nil
}
