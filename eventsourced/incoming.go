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

// received is memory for a message of the proxy. Events and commands, which make up a
// stream, are decoded here.
type received struct {
	message eventsourcedpb.EventSourcedStreamIn

	event        eventsourcedpb.EventSourcedEvent
	eventOneof   eventsourcedpb.EventSourcedStreamIn_Event
	eventPayload wire.Any
	command      wire.Command
	commandOneof eventsourcedpb.EventSourcedStreamIn_Command
}

var receivedMessages = sync.Pool{New: func() any {
	r := &received{}
	r.eventOneof.Event = &r.event
	r.commandOneof.Command = &r.command.Message
	return r
}}

// Decode implements wire.Buffer.
func (r *received) Decode(tag byte, field []byte, entityID string) bool {
	switch tag {
	case eventTag:
		r.message.Message = &r.eventOneof
		return r.decodeEvent(field)
	case commandTag:
		r.message.Message = &r.commandOneof
		return r.command.Unmarshal(field, entityID)
	}
	return false
}

func (r *received) decodeEvent(data []byte) bool {
	r.event.Sequence, r.event.Payload = 0, nil
	for len(data) > 0 {
		tag := data[0]
		data = data[1:]
		switch tag {
		case sequenceTag:
			v, n := protowire.ConsumeVarint(data)
			if n < 0 {
				return false
			}
			r.event.Sequence = int64(v) //nolint:gosec // two's complement
			data = data[n:]
		case payloadTag:
			field, n := protowire.ConsumeBytes(data)
			if n < 0 || r.event.GetPayload() != nil || !r.eventPayload.Unmarshal(field) {
				return false
			}
			r.event.Payload = &r.eventPayload.Message
			data = data[n:]
		default:
			return false
		}
	}
	return true
}

// Message implements wire.Buffer.
func (r *received) Message() proto.Message { return &r.message }

// EntityID implements wire.Buffer.
func (r *received) EntityID() string { return r.message.GetInit().GetEntityId() }

// IsCommand implements wire.Buffer.
func (r *received) IsCommand() bool { return r.message.GetCommand() != nil }

// Trim implements wire.Buffer.
func (r *received) Trim() {
	r.eventPayload.Trim()
	r.command.Trim()
}
