package entities

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A replay sends a journal to the user function: init with the snapshot, then the
// events.
type replay struct {
	stream *eventSourcedStream
	inited bool
	seq    uint64 // of the last record
	loaded loaded
	unsent error // why a message could not be sent
}

// loaded is what a replay has read, for the meter.
type loaded struct {
	events, eventBytes, snapshots, snapshotBytes int
}

// recover sends the journal of the entity.
func (s *eventSourcedStream) recover(ctx context.Context) error {
	replay := &replay{stream: s}
	head, err := s.journal.Load(ctx, s.key(), replay.record)
	if err == nil && !replay.inited {
		err = replay.init(nil)
	}
	s.Service.Meter.Size(observe.LoadedSnapshots, replay.loaded.snapshots, replay.loaded.snapshotBytes)
	s.Service.Meter.Size(observe.LoadedEvents, replay.loaded.events, replay.loaded.eventBytes)
	switch {
	case replay.unsent != nil:
		return sendError{replay.unsent}
	case err == nil && head.Seq != replay.seq:
		err = fmt.Errorf("the journal says that its head is %d, but its last record is %d", head.Seq, replay.seq)
	}
	if err != nil {
		return fmt.Errorf("load the journal of %v: %w", s.key(), err)
	}
	s.head = head
	return nil
}

// record sends a snapshot or an event.
func (r *replay) record(record store.Record) error {
	payload := new(anypb.Any)
	if err := (proto.UnmarshalOptions{}).Unmarshal(record.Data, payload); err != nil {
		return fmt.Errorf("record %d is not an encoded google.protobuf.Any: %w", record.Seq, err)
	}
	seq := int64(record.Seq) //nolint:gosec // a journal of 2^63 events does not exist
	if record.Snapshot {
		if r.inited {
			return fmt.Errorf("the snapshot at %d comes after other records", record.Seq)
		}
		r.seq = record.Seq
		r.loaded.snapshots++
		r.loaded.snapshotBytes += len(record.Data)
		return r.init(&eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: seq, Snapshot: payload})
	}
	if record.Seq != r.seq+1 {
		return fmt.Errorf("event %d follows %d: events are missing", record.Seq, r.seq)
	}
	if !r.inited {
		if err := r.init(nil); err != nil {
			return err
		}
	}
	r.seq = record.Seq
	r.loaded.events++
	r.loaded.eventBytes += len(record.Data)
	return r.send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Event{
		Event: &eventsourcedpb.EventSourcedEvent{Sequence: seq, Payload: payload},
	}})
}

// init sends the first message of the stream.
func (r *replay) init(snapshot *eventsourcedpb.EventSourcedSnapshot) error {
	r.inited = true
	return r.send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{
		Init: &eventsourcedpb.EventSourcedInit{ServiceName: r.stream.Service.Name, EntityId: r.stream.ID, Snapshot: snapshot},
	}})
}

// send sends a message, and remembers an error as one of the stream.
func (r *replay) send(message *eventsourcedpb.EventSourcedStreamIn) error {
	r.unsent = r.stream.Send(message)
	return r.unsent
}
