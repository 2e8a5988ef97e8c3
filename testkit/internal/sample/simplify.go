package sample

import (
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Simpler returns copies of a message, each a little simpler in one place: a field left out, a
// list or a map with one element less, a number that is 1 or 0, a text that is "a".
func Simpler(m proto.Message) iter.Seq[proto.Message] {
	return func(yield func(proto.Message) bool) {
		s := simplifier{root: m, yield: yield}
		s.message(m.ProtoReflect(), func(root protoreflect.Message) protoreflect.Message { return root })
	}
}

// A simplifier yields copies of root until yield returns false.
type simplifier struct {
	root  proto.Message
	yield func(proto.Message) bool
}

// find finds in a copy of root what is at the same place there.
type find func(root protoreflect.Message) protoreflect.Message

// try yields a copy with a change in the message that at finds.
func (s *simplifier) try(at find, change func(protoreflect.Message)) bool {
	c := proto.Clone(s.root)
	change(at(c.ProtoReflect()))
	return s.yield(c)
}

// message yields simpler copies of a message, which at finds. It returns false to stop.
func (s *simplifier) message(m protoreflect.Message, at find) bool {
	for _, f := range fieldsOf(m) {
		if f.Cardinality() != protoreflect.Required && !s.try(at, func(m protoreflect.Message) { m.Clear(f) }) {
			return false
		}
		ok := true
		switch v := m.Get(f); {
		case f.IsMap():
			ok = s.entries(v.Map(), f, at)
		case f.IsList():
			ok = s.elements(v.List(), f, at)
		case f.Message() != nil:
			ok = s.message(v.Message(), func(root protoreflect.Message) protoreflect.Message { return at(root).Mutable(f).Message() })
		default:
			for _, simple := range simpler(f, v) {
				ok = ok && s.try(at, func(m protoreflect.Message) { m.Set(f, simple) })
			}
		}
		if !ok {
			return false
		}
	}
	return true
}

func (s *simplifier) elements(list protoreflect.List, f protoreflect.FieldDescriptor, at find) bool {
	for i := range list.Len() {
		if list.Len() > 1 && !s.try(at, func(m protoreflect.Message) { remove(m.Mutable(f).List(), i) }) {
			return false
		}
		if f.Message() != nil {
			if !s.message(list.Get(i).Message(), func(root protoreflect.Message) protoreflect.Message {
				return at(root).Mutable(f).List().Get(i).Message()
			}) {
				return false
			}
			continue
		}
		for _, simple := range simpler(f, list.Get(i)) {
			if !s.try(at, func(m protoreflect.Message) { m.Mutable(f).List().Set(i, simple) }) {
				return false
			}
		}
	}
	return true
}

func remove(list protoreflect.List, i int) {
	for ; i+1 < list.Len(); i++ {
		list.Set(i, list.Get(i+1))
	}
	list.Truncate(list.Len() - 1)
}

func (s *simplifier) entries(entries protoreflect.Map, f protoreflect.FieldDescriptor, at find) bool {
	ok := true
	entries.Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
		ok = entries.Len() == 1 || s.try(at, func(m protoreflect.Message) { m.Mutable(f).Map().Clear(key) })
		if !ok {
			return false
		}
		if f.MapValue().Message() != nil {
			ok = s.message(v.Message(), func(root protoreflect.Message) protoreflect.Message {
				return at(root).Mutable(f).Map().Mutable(key).Message()
			})
			return ok
		}
		for _, simple := range simpler(f.MapValue(), v) {
			ok = ok && s.try(at, func(m protoreflect.Message) { m.Mutable(f).Map().Set(key, simple) })
		}
		return ok
	})
	return ok
}

// fieldsOf returns the fields that are set, in order of declaration.
func fieldsOf(m protoreflect.Message) []protoreflect.FieldDescriptor {
	var fields []protoreflect.FieldDescriptor
	all := m.Descriptor().Fields()
	for i := range all.Len() {
		if m.Has(all.Get(i)) {
			fields = append(fields, all.Get(i))
		}
	}
	return fields
}

// simpler returns what is simpler than a scalar, the simplest first.
func simpler(f protoreflect.FieldDescriptor, v protoreflect.Value) []protoreflect.Value {
	var scale []protoreflect.Value
	switch f.Kind() {
	case protoreflect.StringKind:
		for _, text := range []string{"a", "b", "c", "d"} { // so many may have to differ
			scale = append(scale, protoreflect.ValueOfString(text))
		}
	case protoreflect.BytesKind:
		scale = []protoreflect.Value{protoreflect.ValueOfBytes([]byte("a"))}
	case protoreflect.EnumKind, protoreflect.BoolKind:
		return nil
	default:
		scale = []protoreflect.Value{number(f, 1, 1), number(f, 2, 2), number(f, -1, -1)}
	}
	if at := slices.IndexFunc(scale, v.Equal); at >= 0 {
		return scale[:at]
	}
	return scale
}
