package crdt

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// Tags of the fields that are decoded here.
const (
	deltaTag   = 2<<3 | byte(protowire.BytesType) // CrdtStreamIn.delta
	commandTag = 4<<3 | byte(protowire.BytesType) // CrdtStreamIn.command
)

// received is memory for a message of the proxy. Commands are decoded here, and so are deltas
// of sets, which may be large.
type received struct {
	message crdtpb.CrdtStreamIn

	command      wire.Command
	commandOneof crdtpb.CrdtStreamIn_Command
}

var receivedMessages = sync.Pool{New: func() any {
	r := &received{}
	r.commandOneof.Command = &r.command.Message
	return r
}}

// Decode implements wire.Buffer.
func (r *received) Decode(tag byte, field []byte, entityID string) bool {
	switch tag {
	case commandTag:
		r.message.Message = &r.commandOneof
		return r.command.Unmarshal(field, entityID)
	case deltaTag:
		delta := decodeSetDelta(field)
		r.message.Message = &crdtpb.CrdtStreamIn_Delta{Delta: delta}
		return delta != nil
	}
	return false
}

// Message implements wire.Buffer.
func (r *received) Message() proto.Message { return &r.message }

// EntityID implements wire.Buffer.
func (r *received) EntityID() string { return r.message.GetInit().GetEntityId() }

// IsCommand implements wire.Buffer. The end of a stream has a handler too.
func (r *received) IsCommand() bool {
	return r.message.GetCommand() != nil || r.message.GetStreamCancelled() != nil
}

// Trim implements wire.Buffer.
func (r *received) Trim() { r.command.Trim() }
