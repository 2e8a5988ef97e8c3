package eventsourced

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// Tags of the fields that are decoded here.
const (
	eventTag    = 2<<3 | byte(protowire.BytesType)  // EventSourcedStreamIn.event
	commandTag  = 3<<3 | byte(protowire.BytesType)  // EventSourcedStreamIn.command
	sequenceTag = 1<<3 | byte(protowire.VarintType) // EventSourcedEvent.sequence
	payloadTag  = 2<<3 | byte(protowire.BytesType)  // EventSourcedEvent.payload
)

// incoming receives the messages of a stream. An idle stream keeps no memory for them.
type incoming struct {
	*received

	entityID string // what commands are for; empty before the init message
}

// received is memory for one message, which streams take turns to use.
type received struct {
	message eventsourcedpb.EventSourcedStreamIn

	event        eventsourcedpb.EventSourcedEvent
	eventOneof   eventsourcedpb.EventSourcedStreamIn_Event
	eventPayload wire.Any
	command      wire.Command
	commandOneof eventsourcedpb.EventSourcedStreamIn_Command
	general      bool // the message was decoded by protobuf, and may have anything in it
}

var receiveds = sync.Pool{New: func() any { return &received{} }}

// UnmarshalWire implements wire.Message: events and commands, which make up a stream, are
// decoded here, everything else by protobuf. The message is valid until it is freed.
func (in *incoming) UnmarshalWire(data []byte) error {
	in.received = receiveds.Get().(*received) //nolint:errcheck // the pool has nothing else
	if len(data) > 0 && in.unmarshal(data[0], data[1:]) {
		return nil
	}
	in.general = true
	if err := proto.Unmarshal(data, &in.message); err != nil { //nolint:forbidigo // a message of the protocol
		in.Free()
		return err
	}
	if init := in.message.GetInit(); init != nil {
		in.entityID = init.GetEntityId()
	}
	return nil
}

// IsCommand implements command.Incoming.
func (in *incoming) IsCommand() bool { return in.message.GetCommand() != nil }

// Free lets other streams use the memory of the message.
func (in *incoming) Free() {
	if in.general {
		proto.Reset(&in.message)
		in.general = false
	}
	in.eventPayload.Trim()
	in.command.Trim()
	receiveds.Put(in.received)
	in.received = nil
}

func (in *incoming) unmarshal(tag byte, data []byte) bool {
	field, n := protowire.ConsumeBytes(data)
	if n != len(data) {
		return false
	}
	switch tag {
	case eventTag:
		in.eventOneof.Event = &in.event
		in.message.Message = &in.eventOneof
		return in.unmarshalEvent(field)
	case commandTag:
		in.commandOneof.Command = &in.command.Message
		in.message.Message = &in.commandOneof
		return in.command.Unmarshal(field, in.entityID)
	}
	return false
}

func (in *incoming) unmarshalEvent(data []byte) bool {
	in.event.Sequence, in.event.Payload = 0, nil
	for len(data) > 0 {
		tag := data[0]
		data = data[1:]
		switch tag {
		case sequenceTag:
			v, n := protowire.ConsumeVarint(data)
			if n < 0 {
				return false
			}
			in.event.Sequence = int64(v) //nolint:gosec // two's complement
			data = data[n:]
		case payloadTag:
			field, n := protowire.ConsumeBytes(data)
			if n < 0 || in.event.GetPayload() != nil || !in.eventPayload.Unmarshal(field) {
				return false
			}
			in.event.Payload = &in.eventPayload.Message
			data = data[n:]
		default:
			return false
		}
	}
	return true
}
