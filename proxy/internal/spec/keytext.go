package spec

import (
	"bytes"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// appendText appends the text of a key: a string as it is, numbers decimal, an enum by
// name, floating point numbers as Java writes them (protocol section 7.4).
func (k *key) appendText(text []byte, value keyValue) []byte {
	if !value.set {
		return append(text, k.absent...)
	}
	bits := value.bits
	switch k.kind {
	case protoreflect.StringKind:
		return append(text, value.text...)
	case protoreflect.BoolKind:
		return strconv.AppendBool(text, protowire.DecodeBool(bits))
	case protoreflect.EnumKind:
		return k.appendEnum(text, protoreflect.EnumNumber(int32(bits))) //nolint:gosec // as protobuf truncates it
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind:
		return strconv.AppendInt(text, int64(int32(bits)), 10) //nolint:gosec // as protobuf truncates it
	case protoreflect.Sint32Kind:
		return strconv.AppendInt(text, int64(int32(protowire.DecodeZigZag(bits&math.MaxUint32))), 10) //nolint:gosec // as protobuf truncates it
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.AppendUint(text, uint64(uint32(bits)), 10) //nolint:gosec // as protobuf truncates it
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return strconv.AppendInt(text, int64(bits), 10) //nolint:gosec // the bits are those of an int64
	case protoreflect.Sint64Kind:
		return strconv.AppendInt(text, protowire.DecodeZigZag(bits), 10)
	case protoreflect.FloatKind:
		return appendJavaFloat(text, float64(math.Float32frombits(uint32(bits))), 32) //nolint:gosec // 32 bits were read
	case protoreflect.DoubleKind:
		return appendJavaFloat(text, math.Float64frombits(bits), 64)
	default: // the unsigned 64 bit integers; unfitFor has refused everything else
		return strconv.AppendUint(text, bits, 10)
	}
}

// appendEnum appends the name of a value, or its number if it has none.
func (k *key) appendEnum(text []byte, number protoreflect.EnumNumber) []byte {
	if value := k.enum.Values().ByNumber(number); value != nil {
		return append(text, value.Name()...)
	}
	return strconv.AppendInt(text, int64(number), 10)
}

// defaultText returns the text of the field's default value.
func (k *key) defaultText(field protoreflect.FieldDescriptor) string {
	value := field.Default()
	switch k.kind {
	case protoreflect.EnumKind:
		return string(k.appendEnum(nil, value.Enum()))
	case protoreflect.FloatKind:
		return string(appendJavaFloat(nil, value.Float(), 32))
	case protoreflect.DoubleKind:
		return string(appendJavaFloat(nil, value.Float(), 64))
	default:
		return value.String()
	}
}

// appendJavaFloat appends a number as Double.toString of Java 19 and later writes it:
// at least one digit after the point, and an exponent below 10^-3 and from 10^7.
func appendJavaFloat(text []byte, f float64, bitSize int) []byte {
	magnitude := math.Abs(f)
	switch {
	case math.IsNaN(f):
		return append(text, "NaN"...)
	case math.IsInf(f, 1):
		return append(text, "Infinity"...)
	case math.IsInf(f, -1):
		return append(text, "-Infinity"...)
	case magnitude == 0 || (magnitude >= 1e-3 && magnitude < 1e7):
		start := len(text)
		text = strconv.AppendFloat(text, f, 'f', -1, bitSize)
		if bytes.IndexByte(text[start:], '.') < 0 {
			text = append(text, ".0"...)
		}
		return text
	}
	var space [32]byte
	digits := strconv.AppendFloat(space[:0], f, 'e', -1, bitSize)
	if bytes.IndexByte(digits, '.') < 0 {
		// Of all decimals of one or two digits, Java takes the closest.
		digits = strconv.AppendFloat(space[:0], f, 'e', 1, bitSize)
	}
	mantissa, exponent, _ := bytes.Cut(digits, []byte{'e'})
	text = append(append(text, mantissa...), 'E')
	if exponent[0] == '-' {
		text = append(text, '-')
	}
	return append(text, bytes.TrimLeft(exponent[1:], "0")...)
}
