package testkit

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// noState is the tag of a field that is no state:
//
//	prices map[string]int64 `cloudstate:"-"` // a cache
const (
	stateTag = "cloudstate"
	noState  = "-"
)

// nothing stands for what one of two values does not have.
const nothing = "nothing"

// A difference is the first place where two values differ.
type difference struct {
	path        string // such as items["a"].quantity; empty for the values themselves
	left, right string
}

// diff returns the first difference between two values, or nil. It looks into everything, also
// unexported fields, but for what cannot be state: fields with the tag, the Base of an
// entity, functions and channels, and what both share. It tells nil from empty messages, but
// not from empty slices and maps.
func diff(left, right any) *difference {
	d := differ{seen: map[visit]bool{}}
	if d.values(reflect.ValueOf(left), reflect.ValueOf(right)) == nil {
		return nil
	}
	d = differ{seen: map[visit]bool{}, sorted: true} // so that the first one is the same each time
	return d.values(reflect.ValueOf(left), reflect.ValueOf(right))
}

type differ struct {
	at     []segment // where it is, from the values themselves on
	seen   map[visit]bool
	sorted bool   // keys of maps; that takes time
	goOn   bool   // from a field or a key that differs to the next one
	shared []part // maps that both values have
}

// A segment leads from a value to a part of it: a field, the key of a map, or an index.
type segment struct {
	field string
	key   reflect.Value
	index int
}

// A part is a part of a value.
type part struct {
	path  string
	value reflect.Value
}

// sharedMaps returns the maps that two values have in common. What they contain may change.
func sharedMaps(left, right any) []part {
	d := differ{seen: map[visit]bool{}, goOn: true}
	d.values(reflect.ValueOf(left), reflect.ValueOf(right))
	return d.shared
}

// visit is a pair of pointers, or of maps, that is compared, or has been. Each is compared once,
// as a difference ends it all.
type visit struct {
	left, right unsafe.Pointer
	typ         reflect.Type
}

// visited reports whether a pair was visited before, and from now on it was.
func (d *differ) visited(left, right reflect.Value) bool {
	v := visit{left.UnsafePointer(), right.UnsafePointer(), left.Type()}
	before := d.seen[v]
	d.seen[v] = true
	return before
}

// path returns the steps so far as text. There are many, and it is seldom asked for.
func (d *differ) path() string {
	path := ""
	for _, s := range d.at {
		switch {
		case s.field != "":
			path = join(path, s.field)
		case s.key.IsValid():
			path = fmt.Sprintf("%s[%s]", path, shorten(text(s.key)))
		default:
			path = fmt.Sprintf("%s[%d]", path, s.index)
		}
	}
	return path
}

// part compares parts of two values.
func (d *differ) part(s segment, left, right reflect.Value) *difference {
	d.at = append(d.at, s)
	found := d.values(left, right)
	d.at = d.at[:len(d.at)-1]
	return found
}

func (d *differ) values(left, right reflect.Value) *difference {
	if !left.IsValid() || !right.IsValid() {
		if left.IsValid() == right.IsValid() {
			return nil
		}
		return d.differs(left, right)
	}
	if left.Type() != right.Type() {
		return newDifference(d.path(), left.Type().String(), right.Type().String())
	}
	switch left.Kind() {
	case reflect.Interface:
		return d.values(left.Elem(), right.Elem())
	case reflect.Pointer:
		return d.pointers(left, right)
	case reflect.Struct:
		return d.structs(addressable(left), addressable(right))
	case reflect.Map:
		return d.maps(left, right)
	case reflect.Slice:
		if left.UnsafePointer() == right.UnsafePointer() && left.Len() == right.Len() {
			return nil
		}
		return d.lists(left, right)
	case reflect.Array:
		return d.lists(left, right)
	default:
		if sameScalar(left, right) {
			return nil
		}
		return d.differs(left, right)
	}
}

// sameScalar compares what has no parts.
func sameScalar(left, right reflect.Value) bool {
	switch left.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return left.IsNil() == right.IsNil()
	case reflect.Float32, reflect.Float64:
		return left.Float() == right.Float() || math.IsNaN(left.Float()) && math.IsNaN(right.Float())
	default:
		return left.Equal(right)
	}
}

func (d *differ) pointers(left, right reflect.Value) *difference {
	if left.UnsafePointer() == right.UnsafePointer() {
		return nil
	}
	if left.IsNil() || right.IsNil() {
		return d.differs(left, right)
	}
	if l := messageOf(left); l != nil {
		return d.messages(l, messageOf(right))
	}
	if d.visited(left, right) {
		return nil
	}
	return d.values(left.Elem(), right.Elem())
}

// messageOf returns the message that a pointer points to, or nil. A struct that embeds one has
// its methods, but is none.
func messageOf(pointer reflect.Value) protoreflect.Message {
	m, ok := reflect.TypeAssert[proto.Message](pointer)
	if !ok {
		return nil
	}
	message := reflect.TypeFor[proto.Message]()
	if typ := pointer.Type().Elem(); typ.Kind() == reflect.Struct {
		for f := range typ.Fields() {
			if f.Anonymous && (f.Type.Implements(message) || reflect.PointerTo(f.Type).Implements(message)) {
				return nil
			}
		}
	}
	return m.ProtoReflect()
}

func (d *differ) messages(left, right protoreflect.Message) *difference {
	if proto.Equal(left.Interface(), right.Interface()) {
		return nil
	}
	return diffMessages(d.path(), left, right)
}

func (d *differ) structs(left, right reflect.Value) *difference {
	typ := left.Type()
	switch l := left.Addr().Interface().(type) {
	case *time.Time:
		if r, ok := reflect.TypeAssert[*time.Time](right.Addr()); ok && l.Equal(*r) {
			return nil
		}
		return d.differs(left, right)
	case *sync.Map:
		if r, ok := reflect.TypeAssert[*sync.Map](right.Addr()); ok {
			return d.values(reflect.ValueOf(plainMap(l)), reflect.ValueOf(plainMap(r)))
		}
	case *sync.Pool:
		return nil // it may forget what it has at any time
	}
	if isAtomicPointer(typ) {
		return d.values(load(left), load(right))
	}
	if l := messageOf(left.Addr()); l != nil {
		return d.messages(l, messageOf(right.Addr()))
	}
	if isBase(typ) {
		return nil
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Tag.Get(stateTag) == noState || f.Name == "_" {
			continue
		}
		if found := d.part(segment{field: f.Name}, field(left, i), field(right, i)); found != nil && !d.goOn {
			return found
		}
	}
	return nil
}

// plainMap returns what a map has, without how it is stored, which is random.
func plainMap(m *sync.Map) map[any]any {
	plain := map[any]any{}
	m.Range(func(key, value any) bool {
		plain[key] = value
		return true
	})
	return plain
}

// isAtomicPointer reports whether a type is an atomic.Pointer, whose field has no type.
func isAtomicPointer(typ reflect.Type) bool {
	return typ.PkgPath() == "sync/atomic" && strings.HasPrefix(typ.Name(), "Pointer[")
}

// load returns what an atomic.Pointer holds.
func load(pointer reflect.Value) reflect.Value {
	return pointer.Addr().MethodByName("Load").Call(nil)[0]
}

// isBase reports whether a type is the Base of one of the kinds.
func isBase(typ reflect.Type) bool {
	const module = "github.com/cloudstate-go/cloudstate/"
	name, _, _ := strings.Cut(typ.Name(), "[")
	kind, ours := strings.CutPrefix(typ.PkgPath(), module)
	return ours && name == "Base" && slices.Contains([]string{"eventsourced", "valueentity", "crdt"}, kind)
}

func (d *differ) maps(left, right reflect.Value) *difference {
	if left.UnsafePointer() == right.UnsafePointer() {
		if !left.IsNil() {
			d.shared = append(d.shared, part{d.path(), left})
		}
		return nil
	}
	if d.visited(left, right) {
		return nil
	}
	keys := left.MapKeys()
	for _, key := range right.MapKeys() {
		if !left.MapIndex(key).IsValid() {
			keys = append(keys, key)
		}
	}
	if d.sorted {
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(text(a), text(b)) })
	}
	for _, key := range keys {
		if found := d.part(segment{key: key}, left.MapIndex(key), right.MapIndex(key)); found != nil && !d.goOn {
			return found
		}
	}
	return nil
}

func (d *differ) lists(left, right reflect.Value) *difference {
	if left.Type().Elem().Kind() == reflect.Uint8 { // bytes are one value
		if bytes.Equal(bytesOf(left), bytesOf(right)) {
			return nil
		}
		return d.differs(left, right)
	}
	for i := range max(left.Len(), right.Len()) {
		if found := d.part(segment{index: i}, at(left, i), at(right, i)); found != nil {
			return found
		}
	}
	return nil
}

// bytesOf returns the bytes of a slice or an array.
func bytesOf(list reflect.Value) []byte {
	if list.Kind() == reflect.Array {
		list = addressable(list)
	}
	return list.Bytes()
}

// at returns an element, or the zero Value if there is none.
func at(list reflect.Value, i int) reflect.Value {
	if i < list.Len() {
		return list.Index(i)
	}
	return reflect.Value{}
}

// addressable returns a value, or a copy of it, that has an address.
func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v
	}
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

// field returns a field of an addressable struct such that it can be read, exported or not.
func field(v reflect.Value, i int) reflect.Value {
	f := v.Field(i)
	if f.CanInterface() {
		return f
	}
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem() //nolint:gosec // to read it
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (d *differ) differs(left, right reflect.Value) *difference {
	return newDifference(d.path(), text(left), text(right))
}

const (
	// maxText is how much is shown of a value, in bytes.
	maxText = 200
	// maxBefore is how much is shown of what two long texts have in common, in bytes.
	maxBefore = 40
)

// newDifference returns a difference, with as much of both texts as shows it.
func newDifference(path, left, right string) *difference {
	if left != right && shorten(left) == shorten(right) {
		common := 0
		for common < min(len(left), len(right)) && left[common] == right[common] {
			common++
		}
		left, right = shortenBefore(left, common-maxBefore), shortenBefore(right, common-maxBefore)
	}
	return &difference{path, shorten(left), shorten(right)}
}

// text returns a value as text for people.
func text(v reflect.Value) string {
	if !v.IsValid() {
		return nothing
	}
	switch v.Kind() {
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.Interface:
		if v.IsNil() {
			return "nil"
		}
	default:
	}
	if v.Kind() == reflect.Interface {
		return text(v.Elem())
	}
	if v.Kind() == reflect.Pointer {
		if m := messageOf(v); m != nil {
			return messageText(m)
		}
		return "&" + text(v.Elem())
	}
	return fmt.Sprintf("%+v", v)
}

func shorten(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// shortenBefore leaves the beginning of a text out.
func shortenBefore(s string, begin int) string {
	return "…" + strings.ToValidUTF8(s[begin:], "")
}
