package entity

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// The hosts of the type URLs that do not name protobuf messages (protocol section 4.1).
const (
	primitiveHost = "p.cloudstate.io/"
	jsonHost      = "json.cloudstate.io/"
)

// A Codec converts between values of type T and google.protobuf.Any.
//
// Equal values encode to equal bytes. A Codec does not change and may be used
// concurrently. The zero value is not usable; use [NewCodec].
type Codec[T any] struct {
	url    string // what values are stored under
	encode func(dst []byte, v T) ([]byte, error)
	decode func([]byte) (T, error)
	create func() T // nil where the zero value will do
	// decoders has every name that can be read, the codec's own included.
	decoders map[string]func([]byte) (T, error)
}

// NewCodec returns the codec for T: a pointer to a generated protobuf message, one of
// the seven primitive types, or anything that encoding/json can handle if the options
// contain [JSON].
func NewCodec[T any](options ...CodecOption) (*Codec[T], error) {
	settings := codecSettings{decoded: reflect.TypeFor[T]()}
	for _, o := range options {
		if err := o.extend(&settings); err != nil {
			return nil, err
		}
	}
	c, err := newCodec[T](settings.jsonName)
	if err != nil {
		return nil, err
	}
	c.decoders = map[string]func([]byte) (T, error){StoredName(c.url): c.decode}
	for _, alias := range settings.aliases {
		if !c.add(c.nameOf(alias), c.decode) {
			return nil, fmt.Errorf("codec for %s: the alias %q is declared twice, or is its name", settings.decoded, alias)
		}
	}
	for _, former := range settings.former {
		for name, decode := range former.decoders {
			convert := func(data []byte) (T, error) {
				v, err := decode(data)
				if err != nil {
					var zero T
					return zero, err
				}
				return v.(T), nil //nolint:errcheck // extend has checked the type
			}
			if !c.add(name, convert) {
				return nil, fmt.Errorf("codec for %s: %s is read twice: by the codec itself, or by another Alias or Upcast", settings.decoded, name)
			}
		}
	}
	return c, nil
}

func newCodec[T any](jsonName string) (c *Codec[T], err error) {
	var zero T
	typ := reflect.TypeFor[T]()
	defer func() {
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("codec for %s: it is no generated message type: %v", typ, p)
		}
	}()
	prototype, isMessage := any(zero).(proto.Message)
	switch {
	case isMessage && jsonName != "":
		return nil, fmt.Errorf("codec for %s: a protobuf message is stored as such; remove entity.JSON(%q)", typ, jsonName)
	case isMessage:
		return messageCodec[T](prototype), nil
	case jsonName != "":
		return jsonCodec[T](jsonName)
	case reflect.PointerTo(typ).Implements(reflect.TypeFor[proto.Message]()):
		return nil, fmt.Errorf("codec for %s: a protobuf message is passed by pointer; use *%s", typ, typ)
	}
	if c := primitiveCodec[T](); c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("codec for %s: it is neither a pointer to a protobuf message nor one of string, []byte, int32, int64, float32, float64, bool; to store it as JSON, name it with entity.JSON(\"a-stable-name\")", typ)
}

func (c *Codec[T]) add(name string, decode func([]byte) (T, error)) bool {
	if _, taken := c.decoders[name]; taken {
		return false
	}
	c.decoders[name] = decode
	return true
}

// nameOf returns the stored name of an alias: a JSON type has JSON aliases, a message has
// messages as aliases.
func (c *Codec[T]) nameOf(alias string) string {
	if strings.HasPrefix(c.url, jsonHost) && !strings.HasPrefix(alias, jsonHost) {
		return jsonHost + alias
	}
	return StoredName(alias)
}

// TypeURL returns the type URL under which values are stored.
func (c *Codec[T]) TypeURL() string { return c.url }

// New returns an empty value: a new message, what a pointer points to, or the zero value of
// T.
func (c *Codec[T]) New() T {
	if c.create != nil {
		return c.create()
	}
	var zero T
	return zero
}

// Names returns the [StoredName] of everything that c decodes, sorted.
func (c *Codec[T]) Names() []string { return slices.Sorted(maps.Keys(c.decoders)) }

// Encode returns v as an Any that shares nothing with it. It fails if v cannot be
// encoded: a nil message, a string that is not UTF-8, a value that JSON cannot express.
func (c *Codec[T]) Encode(v T) (*anypb.Any, error) {
	value, err := c.Append(nil, v)
	if err != nil {
		return nil, err
	}
	return &anypb.Any{TypeUrl: c.url, Value: value}, nil
}

// Append appends the value that Encode would put into an Any to dst and returns the
// extended buffer. It is for callers that reuse memory.
func (c *Codec[T]) Append(dst []byte, v T) ([]byte, error) {
	dst, err := c.encode(dst, v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", c.url, err)
	}
	return dst, nil
}

// Decode returns the value of a, which shares nothing with it. A protobuf message may
// have any prefix before its name, and JSON any type name.
func (c *Codec[T]) Decode(a *anypb.Any) (T, error) {
	decode := c.decode
	if url := a.GetTypeUrl(); url != c.url {
		if decode = c.decoder(url); decode == nil {
			var zero T
			return zero, fmt.Errorf("decode %s: found %q, want one of %s; what was stored under a former name is read with entity.Alias",
				c.url, url, strings.Join(c.Names(), ", "))
		}
	}
	v, err := decode(a.GetValue())
	if err != nil {
		var zero T
		return zero, fmt.Errorf("decode %s: %w", a.GetTypeUrl(), err)
	}
	return v, nil
}

func (c *Codec[T]) decoder(url string) func([]byte) (T, error) {
	if decode := c.decoders[StoredName(url)]; decode != nil {
		return decode
	}
	if strings.HasPrefix(url, jsonHost) && strings.HasPrefix(c.url, jsonHost) {
		return c.decode
	}
	return nil
}

// StoredName returns the part of a type URL that names what is stored: the full name of a
// message, whatever stands before the first slash, and all of the URL of a primitive or
// of JSON (protocol section 4.1).
func StoredName(url string) string {
	if strings.HasPrefix(url, primitiveHost) || strings.HasPrefix(url, jsonHost) {
		return url
	}
	if _, name, ok := strings.Cut(url, "/"); ok {
		return name
	}
	return url
}

// messageCodec returns the codec of a protobuf message type.
func messageCodec[T any](prototype proto.Message) *Codec[T] {
	typ := prototype.ProtoReflect().Type()
	return &Codec[T]{
		url: protocol.TypeURLPrefix + string(typ.Descriptor().FullName()),
		encode: func(dst []byte, v T) ([]byte, error) {
			message, ok := any(v).(proto.Message)
			if !ok || !message.ProtoReflect().IsValid() {
				return nil, fmt.Errorf("the value is a nil %T", v)
			}
			return proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, message)
		},
		create: func() T { return typ.New().Interface().(T) }, //nolint:errcheck // the type of T's prototype
		decode: func(data []byte) (T, error) {
			message := typ.New().Interface()
			if err := proto.Unmarshal(data, message); err != nil { //nolint:forbidigo // this is the codec
				var zero T
				return zero, err
			}
			return message.(T), nil //nolint:errcheck // the type of T's prototype
		},
	}
}
