package entity

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// A CodecOption says how values of a type are stored, or what else is read as them.
type CodecOption interface {
	extend(settings *codecSettings) error
}

// codecSettings is what the options of a codec add up to.
type codecSettings struct {
	decoded  reflect.Type // what the codec decodes to
	jsonName string
	aliases  []string
	former   []formerShape
}

// formerShape reads values of another type, by the name they are stored under.
type formerShape struct {
	decoders map[string]func([]byte) (any, error)
}

type optionFunc func(*codecSettings) error

func (f optionFunc) extend(s *codecSettings) error { return f(s) }

// JSON stores values as JSON under a name. The name goes into the journal, so it
// must never change; it is not derived from the Go type for that reason.
//
// Values are encoded with encoding/json, then put into one form: keys sorted, no white
// space. What encoding/json leaves out, such as unexported fields, is not stored, and
// of text that is not UTF-8 the replacement character is.
func JSON(name string) CodecOption {
	return optionFunc(func(s *codecSettings) error {
		if name == "" {
			return fmt.Errorf("codec for %s: entity.JSON needs a name; values are stored under it", s.decoded)
		}
		if strings.Contains(name, "/") {
			return fmt.Errorf("codec for %s: the JSON name %q contains a slash; it is only the part of the type URL after json.cloudstate.io/", s.decoded, name)
		}
		if s.jsonName != "" {
			return fmt.Errorf("codec for %s: it has two JSON names, %q and %q; read what was stored under the former one with entity.Alias", s.decoded, s.jsonName, name)
		}
		s.jsonName = name
		return nil
	})
}

// Alias also reads what was stored under other names: the full names of protobuf
// messages of the same shape, or former JSON names.
func Alias(names ...string) CodecOption {
	return optionFunc(func(s *codecSettings) error {
		if slices.Contains(names, "") {
			return fmt.Errorf("codec for %s: entity.Alias with an empty name", s.decoded)
		}
		s.aliases = append(s.aliases, names...)
		return nil
	})
}

// Upcast also reads what was stored in a former shape, and converts it. The options
// are those of the former type. Upcasts can be nested: one for the second version may
// have one for the first among its options.
//
// The function must depend on nothing but its argument, because it runs whenever the
// value is read. If it panics, reading fails.
func Upcast[Old, New any](convert func(Old) New, options ...CodecOption) CodecOption {
	return optionFunc(func(s *codecSettings) error {
		if convert == nil {
			return errors.New("codec: entity.Upcast without a function")
		}
		if got := reflect.TypeFor[New](); got != s.decoded {
			return fmt.Errorf("codec for %s: the Upcast from %s returns %s", s.decoded, reflect.TypeFor[Old](), got)
		}
		old, err := NewCodec[Old](options...)
		if err != nil {
			return err
		}
		former := formerShape{decoders: map[string]func([]byte) (any, error){}}
		for name, decode := range old.decoders {
			former.decoders[name] = func(data []byte) (any, error) {
				v, err := decode(data)
				if err != nil {
					return nil, err
				}
				return convert(v), nil
			}
		}
		s.former = append(s.former, former)
		return nil
	})
}
