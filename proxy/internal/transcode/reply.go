package transcode

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/httprule"
)

// A Body is a google.api.HttpBody.
type Body struct {
	// ContentType may be empty.
	ContentType string
	Data        []byte
}

// IsBody says whether the response is a google.api.HttpBody, which is sent as it is.
func IsBody(method protoreflect.MethodDescriptor, b *httprule.Binding) bool {
	message := method.Output()
	if field := b.ResponseBody; field != nil {
		if message = field.Message(); field.Cardinality() == protoreflect.Repeated {
			return false
		}
	}
	_, ok := asHTTPBody(message)
	return ok
}

// Body returns what a client gets for an encoded reply, if IsBody. The error says that the
// user function has not replied what the method declares.
func (t *Transcoder) Body(method protoreflect.MethodDescriptor, b *httprule.Binding, reply []byte) (Body, error) {
	message, err := t.message(method, reply)
	if err != nil {
		return Body{}, err
	}
	if b.ResponseBody != nil {
		message = message.Get(b.ResponseBody).Message()
	}
	fields, _ := asHTTPBody(message.Descriptor())
	return Body{ContentType: message.Get(fields.contentType).String(), Data: message.Get(fields.data).Bytes()}, nil
}

// JSON returns what a client gets for an encoded reply, on one line, without line feed
// (protocol section 8.5). The error says that the user function has not replied what the
// method declares.
func (t *Transcoder) JSON(method protoreflect.MethodDescriptor, b *httprule.Binding, reply []byte) ([]byte, error) {
	message, err := t.message(method, reply)
	if err != nil {
		return nil, err
	}
	encoded, err := t.print(message, b.ResponseBody)
	if err != nil {
		return nil, fmt.Errorf("%s: the reply cannot be written as JSON: %s", method.FullName(), because(err))
	}
	return encoded, nil
}

func (t *Transcoder) message(method protoreflect.MethodDescriptor, reply []byte) (protoreflect.Message, error) {
	message := dynamicpb.NewMessage(method.Output())
	if err := t.decode.Unmarshal(reply, message); err != nil {
		return nil, fmt.Errorf("%s: the reply is no %s: %s", method.FullName(), method.Output().FullName(), because(err))
	}
	return message, nil
}

// print prints a field of a message, or all of it if the field is nil.
func (t *Transcoder) print(message protoreflect.Message, field protoreflect.FieldDescriptor) ([]byte, error) {
	switch {
	case field == nil:
		return compact(t.whole, message)
	case field.Message() != nil && field.Cardinality() != protoreflect.Repeated:
		return compact(t.whole, message.Get(field).Message())
	case field.IsMap() || field.IsList():
		return t.element(t.part, message, field)
	default:
		return t.element(t.whole, message, field)
	}
}

// element prints a field that is no message, by means of a message that has nothing else.
// Unlike in messages, integers of 64 bits are numbers.
func (t *Transcoder) element(options protojson.MarshalOptions, message protoreflect.Message, field protoreflect.FieldDescriptor) ([]byte, error) {
	switch {
	case message.Has(field) || field.Cardinality() != protoreflect.Repeated:
	case field.IsMap():
		return []byte("{}"), nil
	default:
		return []byte("[]"), nil
	}
	only := message.New()
	only.Set(field, message.Get(field)) // its default, if it is not set
	encoded, err := compact(options, only)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, err
	}
	value := []byte(fields[field.JSONName()])
	if !field.IsMap() && isLong(field.Kind()) {
		value = bytes.ReplaceAll(value, []byte(`"`), nil)
	}
	return value, nil
}

// isLong says whether a kind is an integer of 64 bits, which JSON has as a string.
func isLong(kind protoreflect.Kind) bool {
	switch kind {
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return true
	default:
		return false
	}
}

// compact prints a message without white space, which protojson adds at random.
func compact(options protojson.MarshalOptions, message protoreflect.Message) ([]byte, error) {
	encoded, err := options.Marshal(message.Interface())
	if err != nil {
		return nil, err
	}
	var buffer bytes.Buffer
	buffer.Grow(len(encoded))
	if err := json.Compact(&buffer, encoded); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}
