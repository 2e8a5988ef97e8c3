package sample

import (
	"math"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// numeric returns a number or a bool.
func numeric(s *Source, f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		n := choice(s, 1.0, 2, 0, -1, 0.5, 10, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.MaxFloat32)
		return number(f, n, 0)
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(choice(s, true, false))
	default:
		// The limits come out of the conversion to the type of the field.
		n := choice(s, int64(1), 2, 3, 0, 1, 2, -1, 10, 100, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64)
		return number(f, 0, n)
	}
}

// number converts a number to the type of a field: float for floating point, integer for
// anything else, of which the lowest bits count.
func number(f protoreflect.FieldDescriptor, float float64, integer int64) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(integer == 1)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(integer)) //nolint:gosec // as documented
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(integer)) //nolint:gosec // as documented
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(integer)) //nolint:gosec // as documented
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(float))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float)
	default:
		return protoreflect.ValueOfInt64(integer)
	}
}
