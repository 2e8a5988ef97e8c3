package entity

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The first bytes of the pseudo-messages of primitives: field 1 with its wire type
// (protocol section 4.2).
const (
	varintTag  = 1<<3 | byte(protowire.VarintType)
	fixed64Tag = 1<<3 | byte(protowire.Fixed64Type)
	bytesTag   = 1<<3 | byte(protowire.BytesType)
	fixed32Tag = 1<<3 | byte(protowire.Fixed32Type)
)

// primitiveCodec returns the codec of T, or nil if T is none of the seven primitive
// types. Types that are merely defined as one of them are not: their name would get lost.
func primitiveCodec[T any]() *Codec[T] {
	var zero T
	switch any(zero).(type) {
	case string:
		return primitive[T]("string", encodeString, decodeString)
	case []byte:
		return primitive[T]("bytes", encodeBytes, decodeBytes)
	case int32:
		return primitive[T]("int32", encodeInt32, decodeInt32)
	case int64:
		return primitive[T]("int64", encodeInt64, decodeInt64)
	case float32:
		return primitive[T]("float", encodeFloat, decodeFloat)
	case float64:
		return primitive[T]("double", encodeDouble, decodeDouble)
	case bool:
		return primitive[T]("bool", encodeBool, decodeBool)
	}
	return nil
}

// primitive returns a codec of functions for P, which is T.
func primitive[T, P any](name string, encode func([]byte, P) ([]byte, error), decode func([]byte) (P, error)) *Codec[T] {
	//nolint:errcheck // T and P are the same type, which the compiler cannot see
	return &Codec[T]{
		url:    primitiveHost + name,
		encode: any(encode).(func([]byte, T) ([]byte, error)),
		decode: any(decode).(func([]byte) (T, error)),
	}
}

var errNotUTF8 = errors.New("the string is not valid UTF-8; store arbitrary bytes as []byte")

func encodeString(dst []byte, v string) ([]byte, error) {
	if !utf8.ValidString(v) {
		return nil, errNotUTF8
	}
	if v == "" {
		return dst, nil // the default is omitted
	}
	return protowire.AppendString(append(dst, bytesTag), v), nil
}

func decodeString(data []byte) (string, error) {
	v, err := bytesField(data)
	if err == nil && !utf8.Valid(v) {
		err = errNotUTF8
	}
	if err != nil {
		return "", err
	}
	return string(v), nil
}

func encodeBytes(dst []byte, v []byte) ([]byte, error) {
	if len(v) == 0 {
		return dst, nil // the default is omitted
	}
	return protowire.AppendBytes(append(dst, bytesTag), v), nil
}

func decodeBytes(data []byte) ([]byte, error) {
	v, err := bytesField(data)
	return append([]byte(nil), v...), err
}

// bytesField returns field 1 as it stands in data.
func bytesField(data []byte) ([]byte, error) {
	if len(data) > 1 && data[0] == bytesTag { // as nearly every encoder writes it
		if v, n := protowire.ConsumeBytes(data[1:]); n == len(data)-1 {
			return v, nil
		}
	}
	field, err := lastField1(data, protowire.BytesType)
	if err != nil || field == nil {
		return nil, err
	}
	v, n := protowire.ConsumeBytes(field)
	return v, protowire.ParseError(min(n, 0))
}

// encodeInt32 extends the sign to 64 bits, as protobuf does.
func encodeInt32(dst []byte, v int32) ([]byte, error) { return encodeInt64(dst, int64(v)) }

func decodeInt32(data []byte) (int32, error) {
	v, err := decodeInt64(data)
	if err != nil {
		return 0, err
	}
	if v < math.MinInt32 || v > math.MaxInt32 {
		return 0, fmt.Errorf("%d does not fit into an int32; was it stored as an int64?", v)
	}
	return int32(v), nil
}

func encodeInt64(dst []byte, v int64) ([]byte, error) { return encodeVarint(dst, uint64(v)) } //nolint:gosec // two's complement

func decodeInt64(data []byte) (int64, error) {
	v, err := decodeVarint(data)
	return int64(v), err //nolint:gosec // two's complement
}

func encodeBool(dst []byte, v bool) ([]byte, error) {
	return encodeVarint(dst, protowire.EncodeBool(v))
}

func decodeBool(data []byte) (bool, error) {
	v, err := decodeVarint(data)
	return protowire.DecodeBool(v), err
}

func encodeVarint(dst []byte, v uint64) ([]byte, error) {
	if v == 0 {
		return dst, nil // the default is omitted
	}
	return protowire.AppendVarint(append(dst, varintTag), v), nil
}

func decodeVarint(data []byte) (uint64, error) {
	field, err := lastField1(data, protowire.VarintType)
	if err != nil || field == nil {
		return 0, err
	}
	v, n := protowire.ConsumeVarint(field)
	return v, protowire.ParseError(min(n, 0))
}

// encodeFloat omits negative zero too, as Java does (protocol section 4.2).
func encodeFloat(dst []byte, v float32) ([]byte, error) {
	if v == 0 {
		return dst, nil
	}
	return protowire.AppendFixed32(append(dst, fixed32Tag), math.Float32bits(v)), nil
}

func decodeFloat(data []byte) (float32, error) {
	field, err := lastField1(data, protowire.Fixed32Type)
	if err != nil || field == nil {
		return 0, err
	}
	v, n := protowire.ConsumeFixed32(field)
	return math.Float32frombits(v), protowire.ParseError(min(n, 0))
}

// encodeDouble omits negative zero too, as Java does (protocol section 4.2).
func encodeDouble(dst []byte, v float64) ([]byte, error) {
	if v == 0 {
		return dst, nil
	}
	return protowire.AppendFixed64(append(dst, fixed64Tag), math.Float64bits(v)), nil
}

func decodeDouble(data []byte) (float64, error) {
	field, err := lastField1(data, protowire.Fixed64Type)
	if err != nil || field == nil {
		return 0, err
	}
	v, n := protowire.ConsumeFixed64(field)
	return math.Float64frombits(v), protowire.ParseError(min(n, 0))
}

// lastField1 returns the value of field 1 as it stands in the pseudo-message of a
// primitive, and nil if there is none.
//
// Any proto encoder may have written it: other fields are skipped, and of repeated ones
// the last counts. A field 1 of another wire type is an error, because it was stored as
// another primitive (protocol section 4.2).
func lastField1(data []byte, want protowire.Type) ([]byte, error) {
	var value []byte
	for len(data) > 0 {
		number, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return nil, fmt.Errorf("read the tag of a field: %w", protowire.ParseError(n))
		}
		data = data[n:]
		if n = protowire.ConsumeFieldValue(number, typ, data); n < 0 {
			return nil, fmt.Errorf("read field %d: %w", number, protowire.ParseError(n))
		}
		if number == 1 {
			if typ != want {
				return nil, fmt.Errorf("field 1 has wire type %d, want %d; was it stored as another primitive?", typ, want)
			}
			value = data[:n]
		}
		data = data[n:]
	}
	return value, nil
}
