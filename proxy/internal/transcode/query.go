package transcode

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A parameter is what a query says of one field.
type parameter struct {
	name   string // as the client writes it
	fields []protoreflect.FieldDescriptor
	values []string
}

// setQuery sets the fields of a message that an encoded query names. A field of a field is
// named with dots, as in "sub.subfield"; a repeated field may be named repeatedly.
func setQuery(message protoreflect.Message, query string) error {
	parameters, err := parseQuery(message.Descriptor(), query)
	if err != nil {
		return err
	}
	for _, p := range parameters {
		if err := p.set(message); err != nil {
			return fmt.Errorf("query: parameter %q: %w", p.name, err)
		}
	}
	return nil
}

// parseQuery returns the parameters in the order in which they appear first.
func parseQuery(message protoreflect.MessageDescriptor, query string) ([]*parameter, error) {
	var parameters []*parameter
	known := make(map[string]*parameter)
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, value, err := unescape(pair)
		if err != nil {
			return nil, fmt.Errorf("query: %w", err)
		}
		fields, err := fieldPath(message, name)
		if err != nil {
			return nil, fmt.Errorf("query: parameter %q: %w", name, err)
		}
		key := pathName(fields)
		if known[key] == nil {
			known[key] = &parameter{name: name, fields: fields}
			parameters = append(parameters, known[key])
		}
		known[key].values = append(known[key].values, value)
	}
	return parameters, nil
}

func unescape(pair string) (name, value string, err error) {
	if strings.Contains(pair, ";") {
		return "", "", fmt.Errorf("%q has a semicolon, want %%3B, or & between parameters", pair)
	}
	name, value, _ = strings.Cut(pair, "=")
	if name, err = url.QueryUnescape(name); err != nil {
		return "", "", err
	}
	value, err = url.QueryUnescape(value)
	return name, value, err
}

// fieldPath resolves a name such as "sub.subfield". Each part may be the name in the .proto
// file or in JSON.
func fieldPath(message protoreflect.MessageDescriptor, name string) ([]protoreflect.FieldDescriptor, error) {
	var path []protoreflect.FieldDescriptor
	for part := range strings.SplitSeq(name, ".") {
		if message == nil {
			return nil, fmt.Errorf("%s has no fields", path[len(path)-1].FullName())
		}
		field := message.Fields().ByName(protoreflect.Name(part))
		if field == nil {
			field = message.Fields().ByJSONName(part)
		}
		if field == nil {
			return nil, fmt.Errorf("%s has no field %q", message.FullName(), part)
		}
		path = append(path, field)
		message = nil
		if field.Cardinality() != protoreflect.Repeated {
			message = field.Message()
		}
	}
	return path, nil
}

// pathName returns the one name of a path, of the several that it may have.
func pathName(path []protoreflect.FieldDescriptor) string {
	names := make([]string, len(path))
	for i, field := range path {
		names[i] = string(field.Name())
	}
	return strings.Join(names, ".")
}

// set sets the field of a parameter.
func (p *parameter) set(message protoreflect.Message) error {
	last := len(p.fields) - 1
	for _, field := range p.fields[:last] {
		if err := vacant(message, field); err != nil {
			return err
		}
		message = message.Mutable(field).Message()
	}
	field := p.fields[last]
	switch {
	case field.IsMap():
		return errors.New("it is a map, which only a body can have")
	case field.Message() != nil || !field.Kind().IsValid():
		return errors.New("it is a message; name one of its fields, or use a body")
	case field.Kind() == protoreflect.EnumKind:
		return errors.New("it is an enum, which only a body can have")
	case field.IsList():
		return p.appendTo(message.Mutable(field).List())
	case len(p.values) > 1:
		return fmt.Errorf("it has %d values, want one", len(p.values))
	}
	if err := vacant(message, field); err != nil {
		return err
	}
	value, err := scalar(field, p.values[0])
	if err == nil {
		message.Set(field, value)
	}
	return err
}

func (p *parameter) appendTo(list protoreflect.List) error {
	for _, text := range p.values {
		value, err := scalar(p.fields[len(p.fields)-1], text)
		if err != nil {
			return err
		}
		list.Append(value)
	}
	return nil
}

// vacant makes sure that a field does not take the place of another one of its oneof.
func vacant(message protoreflect.Message, field protoreflect.FieldDescriptor) error {
	oneof := field.ContainingOneof()
	if oneof == nil {
		return nil
	}
	if set := message.WhichOneof(oneof); set != nil && set.Number() != field.Number() {
		return fmt.Errorf("%s is set as well, and %s has only one of both", set.Name(), oneof.FullName())
	}
	return nil
}
