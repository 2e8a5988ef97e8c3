package sample

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxDepth is how deep messages are nested in messages.
const maxDepth = 4

// A Generator makes messages. Its zero value is ready for use.
type Generator struct {
	// keys are the fields that name an entity. They have few values, so that messages meet.
	keys map[protoreflect.FullName]bool
	// examples are values that fields are known to have.
	examples map[protoreflect.FullName][]protoreflect.Value
}

// Key lets a field have one of very few values, none of which is empty.
func (g *Generator) Key(field protoreflect.FieldDescriptor) {
	if g.keys == nil {
		g.keys = map[protoreflect.FullName]bool{}
	}
	g.keys[field.FullName()] = true
}

// Learn lets fields often have the values that they have in an example.
func (g *Generator) Learn(example proto.Message) {
	if g.examples == nil {
		g.examples = map[protoreflect.FullName][]protoreflect.Value{}
	}
	g.learn(example.ProtoReflect())
}

func (g *Generator) learn(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			v.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				g.learnValue(f.MapKey(), key.Value())
				g.learnValue(f.MapValue(), value)
				return true
			})
		case f.IsList():
			for i := range v.List().Len() {
				g.learnValue(f, v.List().Get(i))
			}
		default:
			g.learnValue(f, v)
		}
		return true
	})
}

func (g *Generator) learnValue(f protoreflect.FieldDescriptor, v protoreflect.Value) {
	if f.Message() != nil {
		g.learn(v.Message())
		return
	}
	known := g.examples[f.FullName()]
	if !slices.ContainsFunc(known, v.Equal) {
		g.examples[f.FullName()] = append(known, v)
	}
}

// Fill sets fields of an empty message.
func (g *Generator) Fill(s *Source, m proto.Message) { g.fill(s, m.ProtoReflect(), maxDepth) }

func (g *Generator) fill(s *Source, m protoreflect.Message, depth int) {
	if fillWellKnown(s, m.Interface()) {
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if of := f.ContainingOneof(); of != nil && !of.IsSynthetic() {
			if f.Index() == of.Fields().Get(0).Index() { // all of it at once
				g.fillOneof(s, m, of, depth)
			}
			continue
		}
		g.fillField(s, m, f, depth)
	}
}

// fillWellKnown fills messages of which not every value is valid.
func fillWellKnown(s *Source, m proto.Message) bool {
	switch m := m.(type) {
	case *timestamppb.Timestamp:
		m.Seconds = choice(s, int64(1_000_000_000), 0, 1, -1, 2_000_000_000)
		m.Nanos = choice(s, int32(0), 1, 999_999_999)
	case *durationpb.Duration:
		m.Seconds = choice(s, int64(1), 0, 60, 86_400)
	case *anypb.Any:
		// An empty one is valid, and nobody knows what else is.
	default:
		return false
	}
	return true
}

func (g *Generator) fillOneof(s *Source, m protoreflect.Message, of protoreflect.OneofDescriptor, depth int) {
	n := s.Choose(min(of.Fields().Len()+1, 256))
	if n == of.Fields().Len() {
		return // none
	}
	f := of.Fields().Get(n)
	if f.Message() == nil {
		m.Set(f, g.scalar(s, f))
	} else if depth > 0 {
		g.fill(s, m.Mutable(f).Message(), depth-1)
	}
}

func (g *Generator) fillField(s *Source, m protoreflect.Message, f protoreflect.FieldDescriptor, depth int) {
	switch {
	case f.IsMap():
		for range g.length(s, f.MapValue(), depth) {
			key := g.scalar(s, f.MapKey()).MapKey()
			m.Mutable(f).Map().Set(key, g.value(s, f.MapValue(), func() protoreflect.Value { return m.Mutable(f).Map().NewValue() }, depth))
		}
	case f.IsList():
		for range g.length(s, f, depth) {
			m.Mutable(f).List().Append(g.value(s, f, func() protoreflect.Value { return m.Mutable(f).List().NewElement() }, depth))
		}
	case f.Message() != nil:
		if f.Cardinality() == protoreflect.Required || depth > 0 && s.Choose(4) != 3 {
			g.fill(s, m.Mutable(f).Message(), depth-1)
		}
	case g.keys[f.FullName()]:
		m.Set(f, g.scalar(s, f))
	case f.HasPresence() && f.Cardinality() != protoreflect.Required && s.Choose(4) == 3:
		return // left out, which is not the same as zero
	default:
		if v := g.scalar(s, f); f.HasPresence() || !v.Equal(f.Default()) {
			m.Set(f, v)
		}
	}
}

func (g *Generator) length(s *Source, of protoreflect.FieldDescriptor, depth int) int {
	if of.Message() != nil && depth <= 0 {
		return 0
	}
	return choice(s, 1, 0, 2, 1, 3)
}

// value returns an element of a list or a map.
func (g *Generator) value(s *Source, f protoreflect.FieldDescriptor, empty func() protoreflect.Value, depth int) protoreflect.Value {
	if f.Message() == nil {
		return g.scalar(s, f)
	}
	v := empty()
	g.fill(s, v.Message(), depth-1)
	return v
}

// scalar returns a value of a field that is no message: one of few, which are likely to meet
// again, or one that is at the limits of its type.
func (g *Generator) scalar(s *Source, f protoreflect.FieldDescriptor) protoreflect.Value {
	if g.keys[f.FullName()] {
		return keyValue(s, f)
	}
	if known := g.examples[f.FullName()]; len(known) > 0 && s.Choose(4) != 3 {
		return known[s.Choose(min(len(known), 256))]
	}
	return ordinary(s, f)
}

// FirstKey returns the value that a key has most often.
func FirstKey(f protoreflect.FieldDescriptor) protoreflect.Value {
	return keyValue(NewSource(nil), f)
}

// keyValue returns the id of an entity.
func keyValue(s *Source, f protoreflect.FieldDescriptor) protoreflect.Value {
	n := choice(s, 1, 1, 1, 1, 2) // most commands are for the same entity
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString([]string{"", "one", "two"}[n])
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(f.Enum().Values().Get(n % f.Enum().Values().Len()).Number())
	default:
		return number(f, float64(n), int64(n))
	}
}

func ordinary(s *Source, f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(choice(s, "a", "b", "c", "", "a", "b", "c", "d", "a b", "ä€😀", strings.Repeat("x", 300)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(choice(s, "a", "b", "", "\x00", "\xff\xfe", strings.Repeat("x", 300))))
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		n := s.Choose(min(values.Len()+1, 256))
		if n < values.Len() {
			return protoreflect.ValueOfEnum(values.Get(n).Number())
		}
		if f.Enum().IsClosed() {
			return protoreflect.ValueOfEnum(values.Get(0).Number())
		}
		return protoreflect.ValueOfEnum(values.Get(values.Len()-1).Number() + 1) // from a later version
	default:
		return numeric(s, f)
	}
}
