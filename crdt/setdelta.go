package crdt

import (
	"bytes"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
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

// A setDelta is a delta of an ORSet as it was received. It may be large, so its elements are
// not decoded into a message, but go straight to where they belong.
type setDelta struct {
	body           []byte // the encoded ORSetDelta
	removed, added elementReader

	// message is the delta without its elements, until complete decodes them.
	message crdtpb.CrdtDelta
	oneof   crdtpb.CrdtDelta_Orset
	orset   crdtpb.ORSetDelta
}

// read takes a copy of a delta, and returns true, if it is what encoders of the protocol write
// for a set. Protobuf decodes everything else, and says what is wrong with it.
func (d *setDelta) read(data []byte) bool {
	if len(data) == 0 || data[0] != orsetTag {
		return false
	}
	body, n := protowire.ConsumeBytes(data[1:])
	if n != len(data)-1 || !d.check(body) {
		return false
	}
	d.body = append(d.body[:0], body...)
	d.removed.start(removedTag, d.body)
	d.added.start(addedTag, d.body)
	d.oneof.Orset = &d.orset
	d.message.Delta = &d.oneof
	return true
}

// check returns whether the body of a delta is well-formed, and counts.
func (d *setDelta) check(body []byte) bool {
	d.orset.Cleared, d.removed.left, d.added.left = false, 0, 0
	var known []byte // a type URL that is UTF-8
	for len(body) > 0 {
		tag := body[0]
		if tag == clearedTag {
			v, n := protowire.ConsumeVarint(body[1:])
			if n < 0 {
				return false
			}
			d.orset.Cleared, body = protowire.DecodeBool(v), body[1+n:]
			continue
		}
		field, n := protowire.ConsumeBytes(body[1:])
		switch {
		case n < 0:
			return false
		case tag == removedTag:
			d.removed.left++
		case tag == addedTag:
			d.added.left++
		default:
			return false
		}
		body = body[1+n:]
		url, _, ok := splitElement(field)
		if !ok || !bytes.Equal(url, known) && !utf8.Valid(url) {
			return false
		}
		known = url
	}
	return true
}

// splitElement returns the parts of an encoded element, and whether it has no others, and no
// type URL twice, of which only the last would be seen.
func splitElement(data []byte) (url, value []byte, ok bool) {
	for len(data) > 0 {
		field, n := protowire.ConsumeBytes(data[1:])
		if n < 0 {
			return nil, nil, false
		}
		switch {
		case data[0] == anyURLTag && url == nil:
			url = field
		case data[0] == anyValueTag:
			value = field
		default:
			return nil, nil, false
		}
		data = data[1+n:]
	}
	return url, value, true
}

// An elementReader has the elements with one tag in the encoded delta of a set.
type elementReader struct {
	tag     byte
	left    int
	body    []byte // from the next element on
	url     wire.Text
	element anypb.Any
}

func (e *elementReader) start(tag byte, body []byte) { e.tag, e.body = tag, body }

func (e *elementReader) len() int { return e.left }

func (e *elementReader) next() *anypb.Any {
	for e.left > 0 {
		tag := e.body[0]
		if tag == clearedTag {
			_, n := protowire.ConsumeVarint(e.body[1:])
			e.body = e.body[1+n:]
			continue
		}
		field, n := protowire.ConsumeBytes(e.body[1:])
		e.body = e.body[1+n:]
		if tag != e.tag {
			continue
		}
		e.left--
		url, value, _ := splitElement(field)
		e.element.TypeUrl, _ = e.url.Set(url)
		e.element.Value = value
		return &e.element
	}
	return nil
}

// applyReceived is applyDelta for a delta of which the elements may be in set, if that is not
// nil.
func applyReceived(d Data, delta *crdtpb.CrdtDelta, set *setDelta) error {
	receiver, ok := d.(interface {
		prepareSet(set *setDelta) (commit func(), err error)
	})
	if set == nil || !ok { // another type refuses it, whatever its elements are
		return applyDelta(d, delta)
	}
	commit, err := receiver.prepareSet(set)
	if err != nil {
		return err
	}
	commit()
	return nil
}

// complete decodes the elements, for those who look at the message.
func (d *setDelta) complete() {
	if d.message.GetDelta() != nil && len(d.orset.GetAdded())+len(d.orset.GetRemoved()) == 0 {
		_ = proto.Unmarshal(d.body, &d.orset) //nolint:forbidigo // a message of the protocol, which was checked
	}
}

// maxKept is how much memory a setDelta keeps for its next use, in bytes.
const maxKept = 1 << 20

// forget lets there be no delta. It gives up memory that an unusually large one has taken.
func (d *setDelta) forget() {
	d.orset.Removed, d.orset.Added, d.message.Delta = nil, nil, nil
	d.removed.left, d.added.left = 0, 0
	if cap(d.body) > maxKept {
		d.body = nil
	}
}
