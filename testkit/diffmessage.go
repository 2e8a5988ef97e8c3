package testkit

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// diffMessages returns the first difference between two messages, or nil.
func diffMessages(path string, left, right protoreflect.Message) *difference {
	if proto.Equal(left.Interface(), right.Interface()) {
		return nil
	}
	whole := newDifference(path, messageText(left), messageText(right))
	if left.Descriptor() != right.Descriptor() || left.IsValid() != right.IsValid() {
		return whole
	}
	fields := left.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if found := diffField(join(path, f.TextName()), f, left, right); found != nil {
			return found
		}
	}
	return whole // unknown fields, or extensions
}

func diffField(path string, f protoreflect.FieldDescriptor, left, right protoreflect.Message) *difference {
	l, r := left.Get(f), right.Get(f)
	switch {
	case f.IsList():
		return diffLists(path, f, l.List(), r.List())
	case f.IsMap():
		return diffMaps(path, f, l.Map(), r.Map())
	case left.Has(f) != right.Has(f):
		found := newDifference(path, valueText(f, l), valueText(f, r))
		if f.HasPresence() && !left.Has(f) {
			found.left = nothing
		} else if f.HasPresence() {
			found.right = nothing
		}
		return found
	default:
		return diffValues(path, f, l, r)
	}
}

func diffValues(path string, f protoreflect.FieldDescriptor, left, right protoreflect.Value) *difference {
	switch {
	case left.IsValid() != right.IsValid():
		return newDifference(path, valueText(f, left), valueText(f, right))
	case f.Message() != nil:
		return diffMessages(path, left.Message(), right.Message())
	case left.Equal(right):
		return nil
	default:
		return newDifference(path, valueText(f, left), valueText(f, right))
	}
}

func diffLists(path string, f protoreflect.FieldDescriptor, left, right protoreflect.List) *difference {
	at := func(list protoreflect.List, i int) protoreflect.Value {
		if i < list.Len() {
			return list.Get(i)
		}
		return protoreflect.Value{}
	}
	for i := range max(left.Len(), right.Len()) {
		if found := diffValues(fmt.Sprintf("%s[%d]", path, i), f, at(left, i), at(right, i)); found != nil {
			return found
		}
	}
	return nil
}

func diffMaps(path string, f protoreflect.FieldDescriptor, left, right protoreflect.Map) *difference {
	var keys []protoreflect.MapKey
	for _, m := range []protoreflect.Map{left, right} {
		m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
			keys = append(keys, k)
			return true
		})
	}
	slices.SortFunc(keys, func(a, b protoreflect.MapKey) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		at := fmt.Sprintf("%s[%s]", path, shorten(valueText(f.MapKey(), k.Value())))
		if found := diffValues(at, f.MapValue(), left.Get(k), right.Get(k)); found != nil {
			return found
		}
	}
	return nil
}

func valueText(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch {
	case !v.IsValid():
		return nothing
	case f.Message() != nil:
		return messageText(v.Message())
	case f.Kind() == protoreflect.StringKind:
		return fmt.Sprintf("%q", v.String())
	case f.Kind() == protoreflect.EnumKind:
		if value := f.Enum().Values().ByNumber(v.Enum()); value != nil {
			return string(value.Name())
		}
	}
	return v.String()
}

func messageText(m protoreflect.Message) string {
	if !m.IsValid() {
		return "nil"
	}
	text := prototext.MarshalOptions{}.Format(m.Interface())
	return "{" + strings.ReplaceAll(text, "  ", " ") + "}" // it has two spaces at random
}
