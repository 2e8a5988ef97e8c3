package crdt

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// commandTag is the tag of CrdtStreamIn.command.
const commandTag = 4<<3 | byte(protowire.BytesType)

// received is memory for a message of the proxy. Commands are decoded here. Deltas are not,
// because values keep what is in them.
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
	if tag != commandTag {
		return false
	}
	r.message.Message = &r.commandOneof
	return r.command.Unmarshal(field, entityID)
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
