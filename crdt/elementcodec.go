package crdt

import (
	"fmt"
	"reflect"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
)

// elementCodec is a codec, or the reason why there is none: constructors of values return no
// errors, so that they can be nested in each other.
type elementCodec[T any] struct {
	codec *entity.Codec[T]
	err   error
	// text returns the element in the serialized form of a string, as part of that form; it
	// returns false if it needs the codec. Nil if T is not string.
	text func(serialized string) (T, bool)
}

// plainCodecs has the codecs that were made without options, by the type that they are for.
// They are many times the size of a counter, and values are made for every entry of a map.
var plainCodecs sync.Map // of reflect.Type to *elementCodec[T]

func newElementCodec[T any](options []entity.CodecOption) *elementCodec[T] {
	if len(options) > 0 {
		return makeElementCodec[T](options)
	}
	typ := reflect.TypeFor[T]()
	if known, ok := plainCodecs.Load(typ); ok {
		return known.(*elementCodec[T]) //nolint:errcheck // stored below
	}
	c := makeElementCodec[T](nil)
	plainCodecs.Store(typ, c)
	return c
}

func makeElementCodec[T any](options []entity.CodecOption) *elementCodec[T] {
	codec, err := entity.NewCodec[T](options...)
	c := &elementCodec[T]{codec: codec, err: err}
	c.text, _ = any(shortText).(func(string) (T, bool))
	return c
}

// shortText returns the text in the serialized form of a string that is not empty, and so
// short that its length is one byte.
func shortText(serialized string) (string, bool) {
	const tag = 1<<3 | byte(protowire.BytesType)
	if len(serialized) < 3 || serialized[0] != tag || int(serialized[1]) != len(serialized)-2 || serialized[1] >= utf8.RuneSelf {
		return "", false
	}
	text := serialized[2:]
	return text, utf8.ValidString(text)
}

// checkStable returns an error if T is a message whose bytes say nothing about whether two
// values are equal.
func checkStable[T any]() error {
	var zero T
	message, ok := any(zero).(proto.Message)
	if !ok {
		return nil
	}
	descriptor := message.ProtoReflect().Descriptor()
	field := mapField(descriptor, map[protoreflect.FullName]bool{})
	if field == nil {
		return nil
	}
	return fmt.Errorf("%s cannot be an element of a set or a key of a map: the field %s is a map, of which protobuf does not fix the order, and elements are compared by their bytes; use a message without map fields",
		descriptor.FullName(), field.FullName())
}

// mapField returns a map field in a message or in the messages inside it, or nil.
func mapField(message protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) protoreflect.FieldDescriptor {
	if seen[message.FullName()] {
		return nil
	}
	seen[message.FullName()] = true
	fields := message.Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.IsMap() {
			return field
		}
		if field.Message() == nil {
			continue
		}
		if found := mapField(field.Message(), seen); found != nil {
			return found
		}
	}
	return nil
}

// decode returns the value of an Any, and its id.
func (c *elementCodec[T]) decode(a *anypb.Any) (T, id, error) {
	if c.text != nil && a.GetTypeUrl() == c.codec.TypeURL() {
		i := c.identify(a)
		if v, ok := c.text(i.value); ok {
			return v, i, nil
		}
	}
	v, err := c.codec.Decode(a)
	if err != nil {
		return v, id{}, err
	}
	return v, c.identify(a), nil
}

// keep returns a copy of a value that was encoded as value, and its id. What is kept is what
// the bytes say, and not what the caller may change later.
func (c *elementCodec[T]) keep(value []byte) (T, id, error) {
	if c.text != nil {
		serialized := string(value)
		if v, ok := c.text(serialized); ok {
			return v, id{c.codec.TypeURL(), serialized}, nil
		}
	}
	v, i, err := c.decode(&anypb.Any{TypeUrl: c.codec.TypeURL(), Value: value})
	if err != nil {
		return v, i, fmt.Errorf("it was encoded, but cannot be read back: %w", err)
	}
	return v, i, nil
}

// identify returns the id of an Any, which shares nothing with it. Elements share the type
// URL, unless another node has written it differently.
func (c *elementCodec[T]) identify(a *anypb.Any) id {
	url := a.GetTypeUrl()
	if own := c.codec.TypeURL(); url == own {
		url = own
	}
	return id{url, string(a.GetValue())}
}
