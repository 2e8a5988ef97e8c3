package eventing

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of the message io.cloudevents.v1.CloudEvent, of its map of attributes, and of
// google.protobuf.Timestamp. There is no generated code for them, because a program that has
// the CloudEvents SDK as well could not start: a message can be registered once.
const (
	fieldID          protowire.Number = 1
	fieldSource      protowire.Number = 2
	fieldSpecVersion protowire.Number = 3
	fieldType        protowire.Number = 4
	fieldAttribute   protowire.Number = 5
	fieldBinaryData  protowire.Number = 6
	fieldTextData    protowire.Number = 7
	fieldProtoData   protowire.Number = 8

	fieldKey   protowire.Number = 1
	fieldValue protowire.Number = 2

	valueBoolean   protowire.Number = 1
	valueInteger   protowire.Number = 2
	valueString    protowire.Number = 3
	valueBytes     protowire.Number = 4
	valueURI       protowire.Number = 5
	valueURIRef    protowire.Number = 6
	valueTimestamp protowire.Number = 7

	fieldSeconds protowire.Number = 1
	fieldNanos   protowire.Number = 2
)

// MarshalBinary returns e in the protobuf format of the CloudEvents specification. Equal
// events give equal bytes. It fails if an attribute has no name or is not valid UTF-8, or if
// the time is not between the years 1 and 9999.
func (e Event) MarshalBinary() ([]byte, error) {
	if err := e.encodable(); err != nil {
		return nil, fmt.Errorf("encode event %q: %w", e.ID, err)
	}
	var encoded []byte
	for _, a := range e.Attributes() {
		switch a.Name {
		case attributeID:
			encoded = appendString(encoded, fieldID, a.Value)
		case attributeSource:
			encoded = appendString(encoded, fieldSource, a.Value)
		case attributeSpecVersion:
			encoded = appendString(encoded, fieldSpecVersion, a.Value)
		case attributeType:
			encoded = appendString(encoded, fieldType, a.Value)
		case attributeDataSchema:
			encoded = appendAttribute(encoded, a.Name, appendString(nil, valueURI, a.Value))
		case attributeTime:
			encoded = appendAttribute(encoded, a.Name, appendTime(nil, e.Time))
		default:
			encoded = appendAttribute(encoded, a.Name, appendString(nil, valueString, a.Value))
		}
	}
	if len(e.Data) > 0 {
		encoded = protowire.AppendTag(encoded, fieldBinaryData, protowire.BytesType)
		encoded = protowire.AppendBytes(encoded, e.Data)
	}
	return encoded, nil
}

func (e Event) encodable() error {
	for _, a := range e.Attributes() {
		switch {
		case a.Name == "":
			return errNoName
		case !utf8.ValidString(a.Name) || !utf8.ValidString(a.Value):
			return fmt.Errorf("the attribute %q is not valid UTF-8: %q", a.Name, a.Value)
		}
	}
	return checkTime(e.Time)
}

// checkTime returns an error for a time that RFC 3339 cannot express.
func checkTime(t time.Time) error {
	if year := t.UTC().Year(); year < 1 || year > 9999 {
		return fmt.Errorf("the time is in the year %d, want one between 1 and 9999", year)
	}
	return nil
}

func appendString(dst []byte, field protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(dst, field, protowire.BytesType), value)
}

func appendAttribute(dst []byte, name string, value []byte) []byte {
	entry := appendString(nil, fieldKey, name)
	entry = protowire.AppendBytes(protowire.AppendTag(entry, fieldValue, protowire.BytesType), value)
	return protowire.AppendBytes(protowire.AppendTag(dst, fieldAttribute, protowire.BytesType), entry)
}

func appendTime(dst []byte, t time.Time) []byte {
	var stamp []byte
	stamp = protowire.AppendVarint(protowire.AppendTag(stamp, fieldSeconds, protowire.VarintType), uint64(t.Unix()))     //nolint:gosec // two's complement
	stamp = protowire.AppendVarint(protowire.AppendTag(stamp, fieldNanos, protowire.VarintType), uint64(t.Nanosecond())) //nolint:gosec // never negative
	return protowire.AppendBytes(protowire.AppendTag(dst, valueTimestamp, protowire.BytesType), stamp)
}

// UnmarshalBinary sets e to an event in the protobuf format of the CloudEvents
// specification. Attributes of other types than text become the text that the specification
// has for them. Data that is a google.protobuf.Any is refused.
func (e *Event) UnmarshalBinary(encoded []byte) error {
	*e = Event{}
	err := eachField(encoded, func(field protowire.Number, v wireValue) error {
		switch field {
		case fieldID:
			return v.text(&e.ID)
		case fieldSource:
			return v.text(&e.Source)
		case fieldSpecVersion:
			return v.text(&e.SpecVersion)
		case fieldType:
			return v.text(&e.Type)
		case fieldAttribute:
			return e.decodeAttribute(v)
		case fieldBinaryData, fieldTextData:
			return v.data(&e.Data)
		case fieldProtoData:
			return errors.New("the data is a google.protobuf.Any in field 8, want bytes in field 6")
		default:
			return nil
		}
	})
	if err != nil {
		return fmt.Errorf("decode the event %q: %w", e.ID, err)
	}
	return nil
}

// decodeAttribute decodes an entry of the map of attributes.
func (e *Event) decodeAttribute(entry wireValue) error {
	var name, text string
	var value []byte
	if entry.wire != protowire.BytesType {
		return entry.wrongType()
	}
	err := eachField(entry.bytes, func(field protowire.Number, v wireValue) error {
		switch field {
		case fieldKey:
			return v.text(&name)
		case fieldValue:
			return v.data(&value)
		default:
			return nil
		}
	})
	if err == nil {
		err = eachField(value, func(field protowire.Number, v wireValue) error { return v.attribute(field, &text) })
	}
	if err == nil {
		err = e.Set(name, text)
	}
	if err != nil {
		return fmt.Errorf("attribute %q: %w", name, err)
	}
	return nil
}

// A wireValue is a field as it stands in a message: bytes, or a number.
type wireValue struct {
	field  protowire.Number
	wire   protowire.Type
	bytes  []byte
	number uint64
}

// eachField calls fn with each field of a message, in order. Fields that are neither bytes
// nor varints are skipped, as the messages here have none.
func eachField(message []byte, fn func(protowire.Number, wireValue) error) error {
	for len(message) > 0 {
		field, wire, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		v := wireValue{field: field, wire: wire}
		switch wire {
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			v.number, n = protowire.ConsumeVarint(message)
		default:
			n = protowire.ConsumeFieldValue(field, wire, message)
		}
		if n < 0 {
			return fmt.Errorf("field %d: %w", field, protowire.ParseError(n))
		}
		message = message[n:]
		if err := fn(field, v); err != nil {
			return err
		}
	}
	return nil
}

func (v wireValue) wrongType() error {
	return fmt.Errorf("field %d has wire type %d, which it cannot have", v.field, v.wire)
}

// data sets dst to a copy of the bytes.
func (v wireValue) data(dst *[]byte) error {
	if v.wire != protowire.BytesType {
		return v.wrongType()
	}
	*dst = append([]byte(nil), v.bytes...)
	return nil
}

func (v wireValue) text(dst *string) error {
	if v.wire != protowire.BytesType {
		return v.wrongType()
	}
	if !utf8.Valid(v.bytes) {
		return fmt.Errorf("field %d is not valid UTF-8", v.field)
	}
	*dst = string(v.bytes)
	return nil
}

// attribute sets dst to the value of an attribute as text.
func (v wireValue) attribute(field protowire.Number, dst *string) error {
	switch field {
	case valueString, valueURI, valueURIRef:
		return v.text(dst)
	case valueBoolean:
		*dst = strconv.FormatBool(v.number != 0)
	case valueInteger:
		*dst = strconv.Itoa(int(int32(v.number))) //nolint:gosec // as protobuf decodes an int32
	case valueBytes:
		*dst = base64.StdEncoding.EncodeToString(v.bytes)
	case valueTimestamp:
		return v.timestamp(dst)
	default: // a type of the future
	}
	return nil
}

// timestamp sets dst to a google.protobuf.Timestamp in the format of RFC 3339.
func (v wireValue) timestamp(dst *string) error {
	var seconds, nanos int64
	err := eachField(v.bytes, func(field protowire.Number, v wireValue) error {
		switch field {
		case fieldSeconds:
			seconds = int64(v.number) //nolint:gosec // two's complement
		case fieldNanos:
			nanos = int64(v.number) //nolint:gosec // two's complement
		default: // there are no others
		}
		return nil
	})
	if err != nil {
		return err
	}
	t := time.Unix(seconds, 0).UTC()
	if nanos < 0 || nanos >= int64(time.Second) {
		return fmt.Errorf("the time has %d nanoseconds, want less than a second", nanos)
	}
	*dst = t.Add(time.Duration(nanos)).Format(time.RFC3339Nano)
	return checkTime(t)
}
