package action

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// Tags of the fields of ActionCommand.
const (
	serviceTag  = 2<<3 | byte(protowire.BytesType)
	nameTag     = 3<<3 | byte(protowire.BytesType)
	payloadTag  = 4<<3 | byte(protowire.BytesType)
	metadataTag = 5<<3 | byte(protowire.BytesType)
)

// A received is memory for a command of the proxy, which calls take turns to use. It is a
// wire.Message.
type received struct {
	message actionpb.ActionCommand

	service, name wire.Text
	payload       wire.Any
	general       bool // the message was decoded by protobuf, and may have anything in it
}

var receivedMessages = sync.Pool{New: func() any { return &received{} }}

func acquireReceived() *received {
	return receivedMessages.Get().(*received) //nolint:errcheck // the pool has nothing else
}

// free lets other calls use the memory of the message.
func (r *received) free() {
	if r.general {
		proto.Reset(&r.message)
		r.general = false
	}
	r.payload.Trim()
	receivedMessages.Put(r)
}

// Received implements wire.Received.
func (r *received) Received() proto.Message { return &r.message }

// UnmarshalWire implements wire.Message. What a message has is valid until the next one is
// decoded, but strings and metadata, which stay valid.
func (r *received) UnmarshalWire(data []byte) error {
	if r.decode(data) {
		return nil
	}
	r.general = true
	return proto.Unmarshal(data, &r.message) //nolint:forbidigo // a message of the protocol
}

func (r *received) decode(data []byte) bool {
	if r.general {
		return false // it may have unknown fields
	}
	m := &r.message
	m.ServiceName, m.Name, m.Payload, m.Metadata = "", "", nil, nil
	for len(data) > 0 {
		field, n := protowire.ConsumeBytes(data[1:])
		if n < 0 || !r.set(data[0], field) {
			return false
		}
		data = data[1+n:]
	}
	return true
}

// set sets a field. A message that comes twice would have to be merged, which is not done
// here.
func (r *received) set(tag byte, field []byte) (ok bool) {
	m := &r.message
	switch tag {
	case serviceTag:
		m.ServiceName, ok = r.service.Set(field)
	case nameTag:
		m.Name, ok = r.name.Set(field)
	case payloadTag:
		ok = m.GetPayload() == nil && r.payload.Unmarshal(field)
		m.Payload = &r.payload.Message
	case metadataTag:
		ok = m.GetMetadata() == nil
		m.Metadata = &protocol.Metadata{}
		ok = ok && proto.Unmarshal(field, m.GetMetadata()) == nil //nolint:forbidigo // a message of the protocol
	}
	return ok
}
