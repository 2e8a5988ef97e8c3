package crdt

import "google.golang.org/protobuf/types/known/anypb"

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

// insertMissing inserts the keys that are not there, as ones that the proxy knows.
func (t *table[K, V]) insertMissing(keys []decoded[K]) {
	for _, d := range keys {
		if t.items[d.id] == nil {
			var none V
			t.insert(d.id, d.key, none)
		}
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
