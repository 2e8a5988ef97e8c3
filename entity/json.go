package entity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/encoding/protowire"
)

// jsonCodec returns the codec of a type that is stored as JSON. It refuses types that JSON
// cannot keep: what has only unexported fields would be stored as {}.
func jsonCodec[T any](name string) (*Codec[T], error) {
	var zero T
	typ := reflect.TypeFor[T]()
	if !keepsSomething(typ) {
		return nil, fmt.Errorf("codec for %s: none of its fields would be stored, because JSON keeps exported fields only; export them, or implement json.Marshaler", typ)
	}
	if _, err := json.Marshal(zero); err != nil {
		return nil, fmt.Errorf("codec for %s: it cannot be stored as JSON: %w", typ, err)
	}
	c := &Codec[T]{url: jsonHost + name, encode: encodeJSON[T], decode: decodeJSON[T]}
	if typ.Kind() == reflect.Pointer {
		c.encode = encodeJSONPointer[T]
		c.create = func() T { return reflect.New(typ.Elem()).Interface().(T) } //nolint:errcheck // T is this pointer
	}
	return c, nil
}

// encodeJSONPointer is encodeJSON for a pointer, which must not be nil: null is no value of
// what it points to.
func encodeJSONPointer[T any](dst []byte, v T) ([]byte, error) {
	if reflect.ValueOf(v).IsNil() {
		return nil, fmt.Errorf("the value is a nil %T", v)
	}
	return encodeJSON(dst, v)
}

// keepsSomething returns false for a struct with fields of which JSON keeps none.
func keepsSomething(typ reflect.Type) bool {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ.NumField() == 0 || reflect.PointerTo(typ).Implements(reflect.TypeFor[json.Marshaler]()) {
		return true
	}
	for field := range typ.Fields() {
		if (field.IsExported() || field.Anonymous) && field.Tag.Get("json") != "-" {
			return true
		}
	}
	return false
}

// encodeJSON appends v as the pseudo-message of a JSON value: field 1 is the document
// (protocol section 4.3).
func encodeJSON[T any](dst []byte, v T) ([]byte, error) {
	document, err := canonicalJSON(v)
	if err != nil {
		return nil, err
	}
	return protowire.AppendBytes(append(dst, bytesTag), document), nil
}

// canonicalJSON returns v with sorted keys and without white space, because proxies
// compare elements by their bytes (protocol section 4.4).
func canonicalJSON(v any) ([]byte, error) {
	document, err := marshalJSON(v)
	if err != nil {
		return nil, err
	}
	var generic any
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber() // keeps numbers that a float64 cannot hold
	if err := d.Decode(&generic); err != nil {
		return nil, err
	}
	return marshalJSON(generic)
}

// marshalJSON is json.Marshal without the escapes for HTML, which other languages do not
// write.
func marshalJSON(v any) ([]byte, error) {
	var document bytes.Buffer
	e := json.NewEncoder(&document)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(document.Bytes(), []byte("\n")), nil
}

// decodeJSON decodes the pseudo-message of a JSON value. Fields that T does not have are
// skipped, as data outlives types.
func decodeJSON[T any](data []byte) (T, error) {
	var v T
	field, err := lastField1(data, protowire.BytesType)
	if err != nil {
		return v, err
	}
	if field == nil {
		return v, errors.New("it has no JSON document in field 1")
	}
	document, n := protowire.ConsumeBytes(field)
	if n < 0 {
		return v, protowire.ParseError(n)
	}
	if err := json.Unmarshal(document, &v); err != nil {
		var zero T
		return zero, fmt.Errorf("JSON: %w", err)
	}
	return v, nil
}
