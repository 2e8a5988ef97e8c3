package entity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// jsonCodec returns the codec of a type that is stored as JSON.
func jsonCodec[T any](name string) *Codec[T] {
	return &Codec[T]{url: jsonHost + name, encode: encodeJSON[T], decode: decodeJSON[T]}
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
