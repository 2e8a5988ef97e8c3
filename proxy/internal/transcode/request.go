package transcode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/httprule"
)

// A Request is what of an HTTP request may go into a message.
type Request struct {
	// Variables are the values of the path's variables, as the binding's template
	// matches them.
	Variables []string
	// Query is the encoded query, without question mark.
	Query string
	// ContentType is the header of that name.
	ContentType string
	// Body is the entity, decompressed.
	Body []byte
}

// Request returns the encoded message that a request stands for. What comes later in this
// list overrides what comes before: query, path, and the body that is one field; or the
// body that is the whole message, and the path (protocol section 8.4). Any error is the
// client's, and says what is wrong.
func (t *Transcoder) Request(method protoreflect.MethodDescriptor, b *httprule.Binding, r Request) ([]byte, error) {
	message := dynamicpb.NewMessage(method.Input())
	whole := b.HasBody && b.Body == nil
	var err error
	if whole {
		err = t.body(message, r)
	} else {
		err = setQuery(message, r.Query)
	}
	if err != nil {
		return nil, err
	}
	for i, field := range b.Variables {
		value, err := scalar(field, r.Variables[i])
		if err != nil {
			return nil, fmt.Errorf("path: %w", err)
		}
		message.Set(field, value)
	}
	if b.HasBody && !whole {
		if err := t.field(message, b.Body, r); err != nil {
			return nil, err
		}
	}
	encoded, err := t.encode.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("the request makes no %s: %s", method.Input().FullName(), because(err))
	}
	return encoded, nil
}

// body reads a message from the body of a request.
func (t *Transcoder) body(into protoreflect.Message, r Request) error {
	if fields, ok := asHTTPBody(into.Descriptor()); ok {
		if r.ContentType != "" {
			into.Set(fields.contentType, protoreflect.ValueOfString(r.ContentType))
		}
		into.Set(fields.data, protoreflect.ValueOfBytes(r.Body))
		return nil
	}
	if err := requireJSON(r.ContentType); err != nil {
		return err
	}
	return t.json(into, r.Body)
}

// json reads a message from JSON.
func (t *Transcoder) json(into protoreflect.Message, data []byte) error {
	if err := t.parse.Unmarshal(data, into.Interface()); err != nil {
		if len(bytes.TrimSpace(data)) == 0 {
			return fmt.Errorf("the body is empty, want the JSON of %s; send {} for one without fields", into.Descriptor().FullName())
		}
		return fmt.Errorf("the body is not the JSON of %s: %s", into.Descriptor().FullName(), because(err))
	}
	return nil
}

// field reads one field from the body of a request.
func (t *Transcoder) field(message protoreflect.Message, field protoreflect.FieldDescriptor, r Request) error {
	if field.Message() != nil {
		value := message.NewField(field)
		message.Set(field, value)
		return t.body(value.Message(), r)
	}
	if err := requireJSON(r.ContentType); err != nil {
		return err
	}
	if !json.Valid(r.Body) { // or it could close the brace itself
		return fmt.Errorf("the body is not JSON, want that of the field %s", field.FullName())
	}
	only := message.New()
	if err := t.json(only, fmt.Appendf(nil, "{%q:%s}", field.TextName(), r.Body)); err != nil {
		return err
	}
	if only.Has(field) {
		message.Set(field, only.Get(field))
	} else {
		message.Clear(field)
	}
	return nil
}

// requireJSON checks a content type. Parameters, such as a charset, do not matter.
func requireJSON(contentType string) error {
	if mediaType, _, err := mime.ParseMediaType(contentType); err == nil && mediaType == "application/json" {
		return nil
	}
	return fmt.Errorf("the content type is %q, want application/json", contentType)
}
