package crdt

import (
	"errors"
	"iter"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
)

// table is what sets and maps have in common: items that are found by the serialized form of
// their key. A set has its elements as keys, and no values.
type table[K, V any] struct {
	node

	codec    *elementCodec[K]
	unstable error // why K cannot be a key, although it has a codec
	items    index[K, V]

	// order has all items, the first sorted ones of them in the order of their ids, once a loop
	// has asked for them. Items that are gone stay in it for a while. Loops iterate over it, so
	// it is only appended to, or replaced.
	order  []*item[K, V]
	listed bool // whether order is in use
	sorted int

	// touched has the items that were added or changed since the last reset; some may be gone.
	touched []*item[K, V]

	scratch []byte
}

// item is an element of a set or an entry of a map.
type item[K, V any] struct {
	table   *table[K, V]
	value   V
	key     K
	id      id
	added   bool // here, since the last reset
	touched bool // in table.touched
	gone    bool // not in the table any more
}

func (t *table[K, V]) init(options []entity.CodecOption) {
	t.codec = newElementCodec[K](options)
	url := ""
	if t.codec.err == nil {
		t.unstable = checkStable[K]()
		url = t.codec.codec.TypeURL()
	}
	t.items = newIndex[K, V](url)
}

func (t *table[K, V]) usable() error {
	if t.codec == nil {
		return errors.New("the set or map is a zero value; make it with a constructor of package crdt, such as crdt.NewORSet")
	}
	if t.codec.err != nil {
		return t.codec.err
	}
	return t.unstable
}

func (t *table[K, V]) check() error { return t.usable() }

func (t *table[K, V]) stored(int) []string { return t.codec.codec.Names() }

// require panics if the table is not usable.
func (t *table[K, V]) require() {
	if t.codec == nil || t.codec.err != nil || t.unstable != nil {
		panic(t.usable()) //nolint:forbidigo // a mistake in the declaration, which validation reports
	}
}

// maxScratch is how much memory for encoding a table keeps for the next time, in bytes.
const maxScratch = 16 << 10

// encode returns the serialized key, which is valid until the next call.
func (t *table[K, V]) encode(key K) ([]byte, error) {
	t.require()
	value, err := t.codec.codec.Append(t.scratch[:0], key)
	if err != nil {
		return nil, err
	}
	if cap(value) <= maxScratch {
		t.scratch = value
	}
	return value, nil
}

// find returns the item of a key, or nil if there is none.
func (t *table[K, V]) find(key K) *item[K, V] {
	value, err := t.encode(key)
	if err != nil {
		return nil // what cannot be encoded cannot be here
	}
	return t.findEncoded(value)
}

// findEncoded finds what encode has encoded.
func (t *table[K, V]) findEncoded(value []byte) *item[K, V] {
	return t.items.find(t.items.url, value)
}

func (t *table[K, V]) findAny(a *anypb.Any) *item[K, V] {
	return t.items.find(a.GetTypeUrl(), a.GetValue())
}

// insert puts an item into the table, in place of the one with the same id, if any.
func (t *table[K, V]) insert(i id, key K, value V) *item[K, V] {
	it := &item[K, V]{table: t, id: i, key: key, value: value}
	if old := t.items.get(i); old != nil {
		t.remove(old)
	}
	t.put(it)
	return it
}

// put puts an item into the table, which has none with its id.
func (t *table[K, V]) put(it *item[K, V]) {
	t.items.put(it)
	if t.listed {
		t.order = append(t.order, it)
	}
}

func (t *table[K, V]) remove(it *item[K, V]) {
	t.items.remove(it.id)
	it.gone = true
	if gone := len(t.order) - t.items.len(); t.listed && gone > t.items.len()+32 { // so that tidying up costs each removal a constant
		t.tidy()
	}
}

// clear removes all items.
func (t *table[K, V]) clear() {
	for it := range t.items.all {
		it.gone = true
	}
	t.items = newIndex[K, V](t.items.url)
	t.order, t.listed, t.sorted, t.touched = nil, false, 0, nil
}

// tidy takes the items that are gone out of order.
func (t *table[K, V]) tidy() {
	order := make([]*item[K, V], 0, t.items.len())
	order = appendPresent(order, t.order[:t.sorted])
	sorted := len(order)
	t.order, t.sorted = appendPresent(order, t.order[t.sorted:]), sorted
}

// ordered returns the items in the order of their ids. The slice does not change, but later
// some of its items may be gone.
func (t *table[K, V]) ordered() []*item[K, V] {
	size := t.items.len()
	if !t.listed {
		t.order, t.listed = slices.AppendSeq(make([]*item[K, V], 0, size), t.items.all), true
	}
	if t.sorted == len(t.order) && t.sorted == size {
		return t.order
	}
	rest := appendPresent(nil, t.order[t.sorted:])
	slices.SortFunc(rest, compareItems)
	order := make([]*item[K, V], 0, size+size/16+8) // with room for the next ones
	for _, it := range t.order[:t.sorted] {
		if it.gone {
			continue
		}
		for len(rest) > 0 && compareItems(rest[0], it) < 0 {
			order, rest = append(order, rest[0]), rest[1:]
		}
		order = append(order, it)
	}
	order = append(order, rest...)
	t.order, t.sorted = order, len(order)
	return order
}

func appendPresent[K, V any](dst, items []*item[K, V]) []*item[K, V] {
	for _, it := range items {
		if !it.gone {
			dst = append(dst, it)
		}
	}
	return dst
}

func isGone[K, V any](it *item[K, V]) bool { return it.gone }

func compareItems[K, V any](a, b *item[K, V]) int { return a.id.compare(b.id) }

// all yields the items that are there when it begins, and are still there when it gets to
// them.
func (t *table[K, V]) all() iter.Seq[*item[K, V]] {
	return func(yield func(*item[K, V]) bool) {
		for _, it := range t.ordered() {
			if !it.gone && !yield(it) {
				return
			}
		}
	}
}

// keys yields the keys of all.
func (t *table[K, V]) keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		for it := range t.all() {
			if !yield(it.key) {
				return
			}
		}
	}
}

// changes returns the touched items that are still there, in the order of their ids.
func (t *table[K, V]) changes() []*item[K, V] {
	t.touched = slices.DeleteFunc(t.touched, isGone)
	slices.SortFunc(t.touched, compareItems)
	return t.touched
}

// settle makes the items that are there the ones that the proxy knows.
func (t *table[K, V]) settle() {
	for _, it := range t.touched {
		it.added, it.touched = false, false
	}
	clear(t.touched)
	t.touched = t.touched[:0]
}

// permit panics unless the value of the item may change now.
func (it *item[K, V]) permit() {
	if it.gone {
		panic(removedValue) //nolint:forbidigo // a mistake in the program that cannot be returned
	}
	it.table.permit()
}

// touch notes that the item was added, or that its value has changed. If that is noted
// already, then everything around the table knows it, too.
func (it *item[K, V]) touch() {
	if it.touched {
		return
	}
	it.touched = true
	it.table.touched = append(it.table.touched, it)
	it.table.touch()
}
