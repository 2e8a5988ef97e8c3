package spec

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cloudstate-go/cloudstate/protocol/annotations"
)

// EntityKey returns the id of the entity that a request is for: the key fields in
// order of declaration, joined by "-" (protocol section 7.4). It is empty if every key
// is, which a proxy refuses, and for the method of an action, which has no
// keys.
//
// It reads the top level of the encoded request and skips what is no key, so that it
// neither needs nor checks the rest. It does not keep the payload, and the error names
// method and field.
func (m *Method) EntityKey(payload []byte) (string, error) {
	var few [4]keyValue
	values := few[:]
	if len(m.keys) > len(few) {
		values = make([]keyValue, len(m.keys))
	}
	values = values[:len(m.keys)]
	if err := m.readKeys(payload, values); err != nil {
		return "", err
	}
	if len(m.keys) == 1 && m.keys[0].kind == protoreflect.StringKind {
		if !values[0].set {
			return m.keys[0].absent, nil
		}
		return string(values[0].text), nil
	}
	return m.joinKeys(values), nil
}

func (m *Method) joinKeys(values []keyValue) string {
	var space [64]byte
	text, empty := space[:0], true
	for i := range m.keys {
		if i > 0 {
			text = append(text, '-')
		}
		before := len(text)
		text = m.keys[i].appendText(text, values[i])
		empty = empty && len(text) == before
	}
	if empty {
		return ""
	}
	return string(text)
}

// readKeys finds the last value of each key.
func (m *Method) readKeys(payload []byte, values []keyValue) error {
	if len(m.keys) == 0 {
		return nil
	}
	rest := payload
	for len(rest) > 0 {
		number, wire, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return fmt.Errorf("%s: read the entity key, field %s: the request is no %s: invalid field at byte %d: %w",
				m.path[1:], m.keys[0].name, m.Descriptor.Input().FullName(), len(payload)-len(rest), protowire.ParseError(n))
		}
		rest = rest[n:]
		n = protowire.ConsumeFieldValue(number, wire, rest)
		if n < 0 {
			return fmt.Errorf("%s: read the entity key, field %s: the request is no %s: invalid value of field %d at byte %d: %w",
				m.path[1:], m.keys[0].name, m.Descriptor.Input().FullName(), number, len(payload)-len(rest), protowire.ParseError(n))
		}
		for i := range m.keys {
			if err := m.keys[i].read(number, wire, rest[:n], &values[i]); err != nil {
				return fmt.Errorf("%s: read the entity key: %w", m.path[1:], err)
			}
		}
		rest = rest[n:]
	}
	return nil
}

// A key is a field that names the entity, or a part of its name.
type key struct {
	name   protoreflect.FullName
	number protowire.Number
	wire   protowire.Type
	kind   protoreflect.Kind
	enum   protoreflect.EnumDescriptor // nil unless kind is EnumKind
	// absent is the text if the field is not set.
	absent string
	// rivals are the other fields of its oneof: each of them unsets the key.
	rivals []rival
}

type rival struct {
	number protowire.Number
	wire   protowire.Type
}

// A keyValue is a key in a request: text for strings, bits for everything else.
type keyValue struct {
	set  bool
	bits uint64
	text []byte
}

// keyFields returns the fields of a message that are marked as entity key, in order
// of declaration.
func keyFields(message protoreflect.MessageDescriptor) []protoreflect.FieldDescriptor {
	var marked []protoreflect.FieldDescriptor
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		if isMarked(field, annotations.E_EntityKey) || isMarked(field, annotations.E_LegacyEntityKey) {
			marked = append(marked, field)
		}
	}
	return marked
}

// isMarked reports whether an option is set, and not set to false (P-015).
func isMarked(field protoreflect.FieldDescriptor, option protoreflect.ExtensionType) bool {
	marked, ok := proto.GetExtension(field.Options(), option).(bool)
	return ok && marked
}

// newKey prepares a field for which unfitFor finds nothing.
func newKey(field protoreflect.FieldDescriptor) key {
	k := key{
		name:   field.FullName(),
		number: field.Number(),
		wire:   wireType(field.Kind()),
		kind:   field.Kind(),
		enum:   field.Enum(),
	}
	k.absent = k.defaultText(field)
	if oneof := field.ContainingOneof(); oneof != nil {
		for i := range oneof.Fields().Len() {
			if other := oneof.Fields().Get(i); other.Number() != k.number {
				k.rivals = append(k.rivals, rival{other.Number(), wireType(other.Kind())})
			}
		}
	}
	return k
}

// wireType returns how a field that is not repeated is encoded.
func wireType(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type
	default:
		return protowire.VarintType
	}
}

// read looks at a field of a request, whose encoding is known to be valid.
func (k *key) read(number protowire.Number, wire protowire.Type, encoded []byte, value *keyValue) error {
	if number != k.number {
		for _, r := range k.rivals {
			if number == r.number && wire == r.wire {
				*value = keyValue{}
			}
		}
		return nil
	}
	if wire != k.wire {
		return fmt.Errorf("field %s has wire type %d, want %d; was the request encoded with another .proto file?", k.name, wire, k.wire)
	}
	value.set = true
	switch wire {
	case protowire.BytesType:
		value.text, _ = protowire.ConsumeBytes(encoded)
		if !utf8.Valid(value.text) {
			return fmt.Errorf("field %s is not valid UTF-8; a string must be", k.name)
		}
	case protowire.Fixed32Type:
		bits, _ := protowire.ConsumeFixed32(encoded)
		value.bits = uint64(bits)
	case protowire.Fixed64Type:
		value.bits, _ = protowire.ConsumeFixed64(encoded)
	default:
		value.bits, _ = protowire.ConsumeVarint(encoded)
	}
	return nil
}
