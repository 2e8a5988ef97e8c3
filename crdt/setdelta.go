package crdt

import (
	"bytes"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/wire"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// Tags of the fields of a delta of a set.
const (
	orsetTag   = 4<<3 | byte(protowire.BytesType)  // CrdtDelta.orset
	clearedTag = 1<<3 | byte(protowire.VarintType) // ORSetDelta.cleared
	removedTag = 2<<3 | byte(protowire.BytesType)  // ORSetDelta.removed
	addedTag   = 3<<3 | byte(protowire.BytesType)  // ORSetDelta.added

	anyURLTag   = 1<<3 | byte(protowire.BytesType)
	anyValueTag = 2<<3 | byte(protowire.BytesType)
)

// decodeSetDelta decodes the delta of an ORSet, with the memory of all its elements in one
// piece. It returns nil for everything else, which protobuf decodes.
func decodeSetDelta(data []byte) *crdtpb.CrdtDelta {
	if len(data) == 0 || data[0] != orsetTag {
		return nil
	}
	body, n := protowire.ConsumeBytes(data[1:])
	if n != len(data)-1 {
		return nil
	}
	d := setDecoder{elements: make([]anypb.Any, countElements(body))}
	if !d.decode(bytes.Clone(body)) {
		return nil
	}
	return orsetDelta(&d.delta)
}

// countElements returns how many elements a delta of a set has, or less if it is broken.
func countElements(data []byte) int {
	count := 0
	for len(data) > 0 {
		if data[0] == removedTag || data[0] == addedTag {
			count++
		}
		_, _, n := protowire.ConsumeField(data)
		if n < 0 {
			return count
		}
		data = data[n:]
	}
	return count
}

type setDecoder struct {
	delta    crdtpb.ORSetDelta
	elements []anypb.Any // not used yet
	url      wire.Text
}

func (d *setDecoder) decode(data []byte) bool {
	for len(data) > 0 {
		tag := data[0]
		data = data[1:]
		if tag == clearedTag {
			v, n := protowire.ConsumeVarint(data)
			if n < 0 {
				return false
			}
			d.delta.Cleared, data = protowire.DecodeBool(v), data[n:]
			continue
		}
		field, n := protowire.ConsumeBytes(data)
		if n < 0 {
			return false
		}
		data = data[n:]
		switch tag {
		case removedTag:
			d.delta.Removed = append(d.delta.Removed, d.element(field))
		case addedTag:
			if d.delta.Added == nil {
				d.delta.Added = make([]*anypb.Any, 0, len(d.elements))
			}
			d.delta.Added = append(d.delta.Added, d.element(field))
		default:
			return false
		}
		if d.elements == nil {
			return false
		}
	}
	return true
}

// element decodes the next element. It gives up d.elements if that is not what encoders of
// the protocol write.
func (d *setDecoder) element(data []byte) *anypb.Any {
	a := &d.elements[0]
	d.elements = d.elements[1:]
	for len(data) > 0 {
		field, n := protowire.ConsumeBytes(data[1:])
		ok := n >= 0
		switch {
		case ok && data[0] == anyURLTag:
			a.TypeUrl, ok = d.url.Set(field)
		case ok && data[0] == anyValueTag:
			a.Value = slices.Clip(field)
		default:
			ok = false
		}
		if !ok {
			d.elements = nil
			return a
		}
		data = data[1+n:]
	}
	return a
}
