package testkit

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"
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
	return d.values("", reflect.ValueOf(left), reflect.ValueOf(right))
}

type differ struct {
	seen   map[visit]bool
	goOn   bool   // from a field that differs to the next one
	shared []part // maps that both values have
}

// A part is a part of a value.
type part struct {
	path  string
	value reflect.Value
}

// sharedMaps returns the maps that two values have in common. What they contain may change.
func sharedMaps(left, right any) []part {
	d := differ{seen: map[visit]bool{}, goOn: true}
	d.values("", reflect.ValueOf(left), reflect.ValueOf(right))
	return d.shared
}

// visit is a pair of pointers that is, or was, compared.
type visit struct {
	left, right unsafe.Pointer
	typ         reflect.Type
}

func (d *differ) values(path string, left, right reflect.Value) *difference {
	if !left.IsValid() || !right.IsValid() {
		if left.IsValid() == right.IsValid() {
			return nil
		}
		return differs(path, left, right)
	}
	if left.Type() != right.Type() {
		return &difference{path, left.Type().String(), right.Type().String()}
	}
	switch left.Kind() {
	case reflect.Interface:
		return d.values(path, left.Elem(), right.Elem())
	case reflect.Pointer:
		return d.pointers(path, left, right)
	case reflect.Struct:
		return d.structs(path, addressable(left), addressable(right))
	case reflect.Map:
		return d.maps(path, left, right)
	case reflect.Slice:
		if left.UnsafePointer() == right.UnsafePointer() && left.Len() == right.Len() {
			return nil
		}
		return d.lists(path, left, right)
	case reflect.Array:
		return d.lists(path, left, right)
	default:
		if sameScalar(left, right) {
			return nil
		}
		return differs(path, left, right)
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

func (d *differ) pointers(path string, left, right reflect.Value) *difference {
	if left.UnsafePointer() == right.UnsafePointer() {
		return nil
	}
	if left.IsNil() || right.IsNil() {
		return differs(path, left, right)
	}
	if l, ok := reflect.TypeAssert[proto.Message](left); ok {
		r, _ := reflect.TypeAssert[proto.Message](right)
		return diffMessages(path, l.ProtoReflect(), r.ProtoReflect())
	}
	v := visit{left.UnsafePointer(), right.UnsafePointer(), left.Type()}
	if d.seen[v] {
		return nil
	}
	d.seen[v] = true
	return d.values(path, left.Elem(), right.Elem())
}

func (d *differ) structs(path string, left, right reflect.Value) *difference {
	typ := left.Type()
	switch l := left.Addr().Interface().(type) {
	case *time.Time:
		if r, ok := reflect.TypeAssert[*time.Time](right.Addr()); ok && l.Equal(*r) {
			return nil
		}
		return differs(path, left, right)
	case *sync.Map:
		if r, ok := reflect.TypeAssert[*sync.Map](right.Addr()); ok {
			return d.values(path, reflect.ValueOf(plainMap(l)), reflect.ValueOf(plainMap(r)))
		}
	case proto.Message:
		r, _ := reflect.TypeAssert[proto.Message](right.Addr())
		return diffMessages(path, l.ProtoReflect(), r.ProtoReflect())
	}
	if isBase(typ) {
		return nil
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Tag.Get(stateTag) == noState || f.Name == "_" {
			continue
		}
		if found := d.values(join(path, f.Name), field(left, i), field(right, i)); found != nil && !d.goOn {
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

// isBase reports whether a type is the Base of one of the kinds.
func isBase(typ reflect.Type) bool {
	const module = "github.com/cloudstate-go/cloudstate/"
	name, _, _ := strings.Cut(typ.Name(), "[")
	kind, ours := strings.CutPrefix(typ.PkgPath(), module)
	return ours && name == "Base" && slices.Contains([]string{"eventsourced", "valueentity", "crdt"}, kind)
}

func (d *differ) maps(path string, left, right reflect.Value) *difference {
	if left.UnsafePointer() == right.UnsafePointer() {
		if !left.IsNil() {
			d.shared = append(d.shared, part{path, left})
		}
		return nil
	}
	keys := left.MapKeys()
	for _, key := range right.MapKeys() {
		if !left.MapIndex(key).IsValid() {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(text(a), text(b)) })
	for _, key := range keys {
		if found := d.values(fmt.Sprintf("%s[%s]", path, text(key)), left.MapIndex(key), right.MapIndex(key)); found != nil {
			return found
		}
	}
	return nil
}

func (d *differ) lists(path string, left, right reflect.Value) *difference {
	if left.Type().Elem().Kind() == reflect.Uint8 { // bytes are one value
		if text(left) == text(right) {
			return nil
		}
		return differs(path, left, right)
	}
	for i := range max(left.Len(), right.Len()) {
		if found := d.values(fmt.Sprintf("%s[%d]", path, i), at(left, i), at(right, i)); found != nil {
			return found
		}
	}
	return nil
}

// at returns an element, or the zero Value if there is none.
func at(list reflect.Value, i int) reflect.Value {
	if i < list.Len() {
		return list.Index(i)
	}
	return reflect.Value{}
}

// addressable returns a struct, or a copy of it, that has an address.
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

func differs(path string, left, right reflect.Value) *difference {
	return &difference{path, text(left), text(right)}
}

// maxText is how much is shown of a value, in bytes.
const maxText = 200

// text returns a value as text for people.
func text(v reflect.Value) string {
	if !v.IsValid() {
		return nothing
	}
	switch v.Kind() {
	case reflect.String:
		return shorten(fmt.Sprintf("%q", v.String()))
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.Interface:
		if v.IsNil() {
			return "nil"
		}
	default:
	}
	if v.Kind() == reflect.Interface {
		return text(v.Elem())
	}
	if m, ok := reflect.TypeAssert[proto.Message](v); ok {
		return messageText(m.ProtoReflect())
	}
	if v.Kind() == reflect.Pointer {
		return "&" + text(v.Elem())
	}
	return shorten(fmt.Sprintf("%+v", v))
}

func shorten(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}
