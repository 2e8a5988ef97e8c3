package crdt

import "maps"

// An index finds items by the serialized form of their keys. Nearly all keys have the type URL
// of the codec, so that their values are enough to tell them apart.
type index[K, V any] struct {
	url     string
	own     map[string]*item[K, V] // by value, with that type URL
	foreign map[id]*item[K, V]     // all others; nil for none
}

func newIndex[K, V any](url string) index[K, V] {
	return index[K, V]{url: url, own: map[string]*item[K, V]{}}
}

func (x *index[K, V]) len() int { return len(x.own) + len(x.foreign) }

// find returns the item of a serialized key, or nil if there is none.
func (x *index[K, V]) find(url string, value []byte) *item[K, V] {
	if url == x.url {
		return x.own[string(value)]
	}
	return x.foreign[id{url, string(value)}]
}

func (x *index[K, V]) get(i id) *item[K, V] {
	if i.url == x.url {
		return x.own[i.value]
	}
	return x.foreign[i]
}

func (x *index[K, V]) put(it *item[K, V]) {
	if it.id.url == x.url {
		x.own[it.id.value] = it
		return
	}
	if x.foreign == nil {
		x.foreign = map[id]*item[K, V]{}
	}
	x.foreign[it.id] = it
}

func (x *index[K, V]) remove(i id) {
	if i.url == x.url {
		delete(x.own, i.value)
	} else {
		delete(x.foreign, i)
	}
}

// all yields all items, in no particular order.
func (x *index[K, V]) all(yield func(*item[K, V]) bool) {
	for it := range maps.Values(x.own) {
		if !yield(it) {
			return
		}
	}
	for it := range maps.Values(x.foreign) {
		if !yield(it) {
			return
		}
	}
}

// grow makes room for more items, so that many can be put without moving those that are there
// again and again.
func (x *index[K, V]) grow(n int) {
	if n > len(x.own) {
		larger := make(map[string]*item[K, V], len(x.own)+n)
		maps.Copy(larger, x.own)
		x.own = larger
	}
}
