package crdt

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"
)

// decoded is a key that came from the proxy.
type decoded[K any] struct {
	id  id
	key K
}

// decode decodes keys that came from the proxy.
func (t *table[K, V]) decode(keys []*anypb.Any) ([]decoded[K], error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	all := make([]decoded[K], 0, len(keys))
	for _, a := range keys {
		key, i, err := t.codec.decode(a)
		if err != nil {
			return nil, err
		}
		all = append(all, decoded[K]{i, key})
	}
	return all, nil
}

// chunk is how many items are allocated at once when the proxy sends many. They stay in
// memory until the last of them is gone.
const chunk = 32

// insertMissing inserts the keys that are not there, as ones that the proxy knows.
func (t *table[K, V]) insertMissing(keys []decoded[K]) {
	t.grow(len(keys))
	var items []item[K, V]
	for n, d := range keys {
		if t.items[d.id] != nil {
			continue
		}
		if len(items) == 0 {
			items = make([]item[K, V], min(chunk, len(keys)-n))
		}
		it := &items[0]
		items = items[1:]
		it.table, it.id, it.key = t, d.id, d.key
		t.items[d.id] = it
		t.order = append(t.order, it)
	}
}

// grow makes room for more items, so that many can be inserted without moving those that are
// there again and again.
func (t *table[K, V]) grow(n int) {
	t.order = slices.Grow(t.order, n)
	if n > len(t.items) {
		larger := make(map[id]*item[K, V], len(t.items)+n)
		maps.Copy(larger, t.items)
		t.items = larger
	}
}

// discard removes what the proxy has removed. Keys that are not there are ignored.
func (t *table[K, V]) discard(cleared bool, removed []*anypb.Any) {
	if cleared {
		t.clear()
	}
	for _, a := range removed {
		if it := t.findAny(a); it != nil {
			t.remove(it)
		}
	}
}
