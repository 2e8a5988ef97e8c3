package transcode

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// scalar returns the value that a text of a path or a query stands for: numbers are
// decimal, bytes in base64 of either alphabet (protocol section 8.4). The field is neither
// enum nor message.
func scalar(field protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	value, err := parseScalar(field.Kind(), text)
	if err != nil {
		if number, ok := errors.AsType[*strconv.NumError](err); ok {
			err = number.Err // without the name of a function
		}
		return protoreflect.Value{}, fmt.Errorf("%q is no value of %s, which has the type %s: %w", text, field.FullName(), field.Kind(), err)
	}
	return value, nil
}

func parseScalar(kind protoreflect.Kind, text string) (protoreflect.Value, error) {
	switch kind {
	case protoreflect.StringKind:
		if !utf8.ValidString(text) {
			return protoreflect.Value{}, errors.New("invalid UTF-8")
		}
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BytesKind:
		data, err := decodeBase64(text)
		return protoreflect.ValueOfBytes(data), err
	case protoreflect.BoolKind:
		return parseBool(text)
	case protoreflect.FloatKind:
		number, err := strconv.ParseFloat(text, 32)
		return protoreflect.ValueOfFloat32(float32(number)), err
	case protoreflect.DoubleKind:
		number, err := strconv.ParseFloat(text, 64)
		return protoreflect.ValueOfFloat64(number), err
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		number, err := strconv.ParseInt(text, 10, 32)
		return protoreflect.ValueOfInt32(int32(number)), err
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		number, err := strconv.ParseInt(text, 10, 64)
		return protoreflect.ValueOfInt64(number), err
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		number, err := strconv.ParseUint(text, 10, 32)
		return protoreflect.ValueOfUint32(uint32(number)), err
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		number, err := strconv.ParseUint(text, 10, 64)
		return protoreflect.ValueOfUint64(number), err
	default:
		return protoreflect.Value{}, errors.New("it is no scalar")
	}
}

// parseBool takes true and false, in any case.
func parseBool(text string) (protoreflect.Value, error) {
	switch {
	case strings.EqualFold(text, "true"):
		return protoreflect.ValueOfBool(true), nil
	case strings.EqualFold(text, "false"):
		return protoreflect.ValueOfBool(false), nil
	default:
		return protoreflect.Value{}, errors.New("want true or false")
	}
}

// decodeBase64 decodes either alphabet, with or without padding, as canonical JSON does.
func decodeBase64(text string) ([]byte, error) {
	text = strings.TrimRight(text, "=")
	if strings.ContainsAny(text, "-_") {
		return base64.RawURLEncoding.DecodeString(text)
	}
	return base64.RawStdEncoding.DecodeString(text)
}
