package wire

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// Tags of fields, which are single bytes up to field number 15.
const (
	bytes1  = 1<<3 | byte(protowire.BytesType)
	varint2 = 2<<3 | byte(protowire.VarintType)
	bytes2  = 2<<3 | byte(protowire.BytesType)
	bytes3  = 3<<3 | byte(protowire.BytesType)
	bytes4  = 4<<3 | byte(protowire.BytesType)
	varint5 = 5<<3 | byte(protowire.VarintType)
	bytes6  = 6<<3 | byte(protowire.BytesType)
)

// An Any is a google.protobuf.Any that is decoded again and again. What a decoding has
// set is valid until the next one, but strings, which stay valid.
type Any struct {
	Message anypb.Any

	url Text
}

// Unmarshal decodes data. It returns false if data is not what encoders of the protocol
// write; then proto.Unmarshal has to say what it is.
func (a *Any) Unmarshal(data []byte) bool {
	memory := a.Message.GetValue()[:0]
	a.Message.TypeUrl, a.Message.Value = "", memory
	for len(data) > 0 {
		tag := data[0]
		field, n := protowire.ConsumeBytes(data[1:])
		if n < 0 {
			return false
		}
		data = data[1+n:]
		switch tag {
		case bytes1:
			url, ok := a.url.Set(field)
			if !ok {
				return false
			}
			a.Message.TypeUrl = url
		case bytes2:
			memory = append(memory[:0], field...)
			a.Message.Value = memory
		default:
			return false
		}
	}
	return true
}

// A Command is a protocol.Command that is decoded again and again. What a decoding has
// set is valid until the next one, but strings and metadata, which stay valid.
type Command struct {
	Message protocol.Command

	name    Text
	payload Any
}

// Unmarshal decodes data, which most likely is for the entity with this id. It returns
// false if data is not what encoders of the protocol write; then proto.Unmarshal has to
// say what it is.
func (c *Command) Unmarshal(data []byte, entityID string) bool {
	m := &c.Message
	m.EntityId, m.Id, m.Name, m.Payload, m.Streamed, m.Metadata = "", 0, "", nil, false, nil
	for len(data) > 0 {
		tag := data[0]
		data = data[1:]
		if tag == varint2 || tag == varint5 {
			v, n := protowire.ConsumeVarint(data)
			if n < 0 {
				return false
			}
			data = data[n:]
			if tag == varint2 {
				m.Id = int64(v) //nolint:gosec // two's complement
			} else {
				m.Streamed = protowire.DecodeBool(v)
			}
			continue
		}
		field, n := protowire.ConsumeBytes(data)
		if n < 0 || !c.set(tag, field, entityID) {
			return false
		}
		data = data[n:]
	}
	return true
}

// set sets a field that is a string or a message. A message that comes twice would have
// to be merged, which is not done here.
func (c *Command) set(tag byte, field []byte, entityID string) (ok bool) {
	m := &c.Message
	switch tag {
	case bytes1:
		id := Text{last: entityID}
		m.EntityId, ok = id.Set(field)
	case bytes3:
		m.Name, ok = c.name.Set(field)
	case bytes4:
		ok = m.GetPayload() == nil && c.payload.Unmarshal(field)
		m.Payload = &c.payload.Message
	case bytes6:
		ok = m.GetMetadata() == nil
		m.Metadata = &protocol.Metadata{}
		ok = ok && proto.Unmarshal(field, m.GetMetadata()) == nil //nolint:forbidigo // a message of the protocol
	}
	return ok
}

// A Text is a string that is likely to be the same each time.
type Text struct{ last string }

// Set returns field as a string, and false if it is not UTF-8.
func (t *Text) Set(field []byte) (string, bool) {
	if string(field) != t.last {
		if !utf8.Valid(field) {
			return "", false
		}
		t.last = string(field)
	}
	return t.last, true
}

// maxKept is how much memory for a value a message keeps for its next use, in bytes.
const maxKept = 64 << 10

// Trim gives up memory that an unusually large value has taken.
func (a *Any) Trim() {
	if cap(a.Message.GetValue()) > maxKept {
		a.Message.Value = nil
	}
}

// Trim gives up memory that an unusually large payload has taken.
func (c *Command) Trim() { c.payload.Trim() }
