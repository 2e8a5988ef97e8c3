package valueentity

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// commandTag is the tag of ValueEntityStreamIn.command.
const commandTag = 2<<3 | byte(protowire.BytesType)

// received is memory for a message of the proxy. Commands are decoded here.
type received struct {
	message valueentitypb.ValueEntityStreamIn

	command      wire.Command
	commandOneof valueentitypb.ValueEntityStreamIn_Command
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

// IsCommand implements wire.Buffer.
func (r *received) IsCommand() bool { return r.message.GetCommand() != nil }

// Trim implements wire.Buffer.
func (r *received) Trim() { r.command.Trim() }
