package crdt

import (
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// Tags of the fields that are decoded here.
const (
	initTag    = 1<<3 | byte(protowire.BytesType) // CrdtStreamIn.init
	deltaTag   = 2<<3 | byte(protowire.BytesType) // CrdtStreamIn.delta
	commandTag = 4<<3 | byte(protowire.BytesType) // CrdtStreamIn.command

	serviceNameTag = 1<<3 | byte(protowire.BytesType) // CrdtInit.service_name
	entityIDTag    = 2<<3 | byte(protowire.BytesType) // CrdtInit.entity_id
	initDeltaTag   = 3<<3 | byte(protowire.BytesType) // CrdtInit.delta
)

// received is memory for a message of the proxy. Commands are decoded here, and so are deltas
// of sets, which may be large.
type received struct {
	message crdtpb.CrdtStreamIn

	command      wire.Command
	commandOneof crdtpb.CrdtStreamIn_Command

	set        setDelta // of a delta or an init message, if its delta is that of a set
	deltaOneof crdtpb.CrdtStreamIn_Delta
	init       crdtpb.CrdtInit
	initOneof  crdtpb.CrdtStreamIn_Init
}

var receivedMessages = sync.Pool{New: func() any {
	r := &received{}
	r.commandOneof.Command = &r.command.Message
	r.deltaOneof.Delta = &r.set.message
	r.init.Delta = &r.set.message
	r.initOneof.Init = &r.init
	return r
}}

// Decode implements wire.Buffer.
func (r *received) Decode(tag byte, field []byte, entityID string) bool {
	switch tag {
	case commandTag:
		r.message.Message = &r.commandOneof
		return r.command.Unmarshal(field, entityID)
	case deltaTag:
		r.message.Message = &r.deltaOneof
		return r.set.read(field)
	case initTag:
		r.message.Message = &r.initOneof
		if r.readInit(field) {
			return true
		}
		r.set.forget()
	}
	return false
}

// readInit decodes an init message if it has a set.
func (r *received) readInit(data []byte) bool {
	r.init.ServiceName, r.init.EntityId = "", "" // of an earlier message, and left out if they are empty
	found := false
	for len(data) > 0 {
		field, n := protowire.ConsumeBytes(data[1:])
		if n < 0 {
			return false
		}
		switch data[0] {
		case serviceNameTag:
			r.init.ServiceName = string(field)
		case entityIDTag:
			r.init.EntityId = string(field)
		case initDeltaTag:
			found = !found && r.set.read(field)
			if !found {
				return false
			}
		default:
			return false
		}
		data = data[1+n:]
	}
	return found && utf8.ValidString(r.init.GetServiceName()) && utf8.ValidString(r.init.GetEntityId())
}

// undecoded returns the delta of a set that the message has without its elements, or nil.
func (r *received) undecoded() *setDelta {
	if r.set.message.GetDelta() == nil {
		return nil
	}
	return &r.set
}

// Message implements wire.Buffer.
func (r *received) Message() proto.Message {
	r.set.complete()
	return &r.message
}

// EntityID implements wire.Buffer.
func (r *received) EntityID() string { return r.message.GetInit().GetEntityId() }

// IsCommand implements wire.Buffer. The end of a stream has a handler too.
func (r *received) IsCommand() bool {
	return r.message.GetCommand() != nil || r.message.GetStreamCancelled() != nil
}

// Trim implements wire.Buffer.
func (r *received) Trim() {
	r.command.Trim()
	r.set.forget()
}
