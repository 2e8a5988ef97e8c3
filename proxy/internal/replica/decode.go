package replica

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Decode returns the state that [State.Encode] has made bytes of. It accepts nothing
// else, and does not keep the bytes.
func Decode(data []byte) (*State, error) {
	if len(data) < 2 {
		return nil, fmt.Errorf("decode a CRDT: %d bytes are too few", len(data))
	}
	if data[0] != version {
		return nil, fmt.Errorf("decode a CRDT: its encoding has version %d, want %d; do all nodes run the same release?", data[0], version)
	}
	d := &decoder{data: data[2:]}
	s := NewState()
	s.deleted, s.part = data[1]&flagDeleted != 0, data[1]&flagPart != 0
	d.names = make([]string, d.count())
	for i := range d.names {
		d.names[i] = d.text()
	}
	d.context(&s.changes)
	if s.part {
		d.context(&s.after)
	}
	d.context(&s.context)
	d.entry(s.root, 0)
	if d.err == nil && len(d.data) > 0 {
		d.fail(fmt.Errorf("%d bytes are left", len(d.data)))
	}
	if d.err != nil {
		return nil, fmt.Errorf("decode a CRDT: %w", d.err)
	}
	return s, nil
}

// A decoder reads values from data. After an error, all are zero.
type decoder struct {
	data  []byte
	names []string
	err   error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.data = nil
}

func (d *decoder) number() uint64 {
	if d.err != nil {
		return 0
	}
	n, size := protowire.ConsumeVarint(d.data)
	if size < 0 {
		d.fail(protowire.ParseError(size))
		return 0
	}
	d.data = d.data[size:]
	return n
}

// count reads how many things follow, each of at least a byte.
func (d *decoder) count() int {
	n := d.number()
	if n > uint64(len(d.data)) {
		d.fail(fmt.Errorf("%d things are announced, but only %d bytes follow", n, len(d.data)))
		return 0
	}
	return int(n) //nolint:gosec // smaller than a length
}

func (d *decoder) text() string {
	if d.err != nil {
		return ""
	}
	text, size := protowire.ConsumeString(d.data)
	if size < 0 {
		d.fail(protowire.ParseError(size))
		return ""
	}
	d.data = d.data[size:]
	return text
}

func (d *decoder) name() string {
	n := d.number()
	if d.err == nil && n >= uint64(len(d.names)) {
		d.fail(fmt.Errorf("name %d is mentioned, but there are only %d", n, len(d.names)))
	}
	if d.err != nil {
		return ""
	}
	return d.names[n]
}

func (d *decoder) element() Element {
	url := d.name()
	return Element{TypeURL: url, Value: d.text()}
}

func (d *decoder) dot() dot {
	node := d.name()
	return dot{node, d.number()}
}

func (d *decoder) context(c *context) {
	for range d.count() {
		at := d.dot()
		c.upTo[at.node] = at.seq
	}
	for range d.count() {
		c.add(d.dot())
	}
}

// entry reads what an empty entry has.
func (d *decoder) entry(e entry, depth int) {
	if depth > maxDepth+1 {
		d.fail(fmt.Errorf("maps are nested more than %d levels deep", maxDepth))
	}
	for range d.count() {
		kind := Kind(min(d.number(), 255))
		if kind < GCounter || kind > Vote {
			d.fail(errors.New("a type is unknown"))
			return
		}
		s := e.slot(kind)
		s.alive = d.writes()
		for range d.count() {
			s.put(d.element(), d.writes())
		}
		for range d.count() {
			d.entry(s.child(d.element()), depth+1)
		}
	}
}

func (d *decoder) writes() writes {
	n := d.count()
	list := make(writes, 0, min(n, 8)) // usually one; a number is not believed
	for range n {
		list = append(list, write{dot: d.dot(), number: wide{low: d.number(), high: d.number()}, value: d.element()})
	}
	return list
}
