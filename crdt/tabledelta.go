package crdt

import "google.golang.org/protobuf/types/known/anypb"

// An elementSource has elements that came from the proxy.
type elementSource interface {
	// len returns how many there are.
	len() int
	// next returns the next one, which is valid until it is called again, or nil at the end.
	next() *anypb.Any
}

// An elementList has the elements of a message.
type elementList struct{ rest []*anypb.Any }

func (l *elementList) len() int { return len(l.rest) }

func (l *elementList) next() *anypb.Any {
	if len(l.rest) == 0 {
		return nil
	}
	first := l.rest[0]
	l.rest = l.rest[1:]
	return first
}

// chunk is how many items are allocated at once when the proxy sends many. They stay in
// memory until the last of them is gone, as do their values, but for those that are larger
// than maxShared.
const (
	chunk     = 32
	maxShared = 256
)

// make returns new items for keys that came from the proxy, in chunks. They are not in the
// table, and may be forgotten.
func (t *table[K, V]) make(keys elementSource) ([][]item[K, V], error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	left := keys.len()
	chunks := make([][]item[K, V], 0, (left+chunk-1)/chunk)
	for left > 0 {
		items := make([]item[K, V], min(chunk, left))
		left -= len(items)
		if err := t.fill(items, keys); err != nil {
			return nil, err
		}
		chunks = append(chunks, items)
	}
	return chunks, nil
}

// fill makes items of the next keys. Small values are parts of one string.
func (t *table[K, V]) fill(items []item[K, V], keys elementSource) error {
	values := t.scratch[:0]
	var ends [chunk]int
	for i := range items {
		it, a := &items[i], keys.next()
		it.table, it.id.url = t, a.GetTypeUrl()
		if it.id.url == t.items.url {
			it.id.url = t.items.url // shared
		}
		if !t.isText(it) {
			var err error
			if it.key, err = t.codec.codec.Decode(a); err != nil {
				return err
			}
		}
		if len(a.GetValue()) > maxShared {
			it.id.value = string(a.GetValue())
		} else {
			values = append(values, a.GetValue()...)
		}
		ends[i] = len(values)
	}
	t.scratch = values
	all, begin := string(values), 0
	for i := range items {
		it := &items[i]
		if it.id.value == "" {
			it.id.value = all[begin:ends[i]]
		}
		begin = ends[i]
		if !t.isText(it) {
			continue
		}
		var ok bool
		if it.key, ok = t.codec.text(it.id.value); ok {
			continue
		}
		var err error
		if it.key, err = t.codec.codec.Decode(it.id.any()); err != nil {
			return err
		}
	}
	return nil
}

// isText says whether the key of an item is a part of its serialized form.
func (t *table[K, V]) isText(it *item[K, V]) bool {
	return t.codec.text != nil && it.id.url == t.items.url
}

// insertMissing inserts those items whose keys are not there, as ones that the proxy knows.
func (t *table[K, V]) insertMissing(chunks [][]item[K, V]) {
	if len(chunks) > 1 {
		t.items.grow(len(chunks) * chunk)
	}
	for _, items := range chunks {
		for i := range items {
			if it := &items[i]; t.items.get(it.id) == nil {
				t.put(it)
			}
		}
	}
}

// discard removes what the proxy has removed. Keys that are not there are ignored.
func (t *table[K, V]) discard(cleared bool, removed elementSource) {
	if cleared {
		t.clear()
	}
	for a := removed.next(); a != nil; a = removed.next() {
		if it := t.findAny(a); it != nil {
			t.remove(it)
		}
	}
}
