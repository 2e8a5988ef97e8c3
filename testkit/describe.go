package testkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
)

// describe returns a stored or emitted value as text, such that two values have the same
// text if they are stored alike.
func describe(value any) (string, error) {
	switch v := value.(type) {
	case *anypb.Any:
		return describeStored(v)
	case proto.Message:
		return describeMessage(v), nil
	case []byte:
		return fmt.Sprintf("bytes %x", v), nil
	case float32:
		return fmt.Sprintf("float %v", v+0), nil // negative zero is stored as zero
	case float64:
		return fmt.Sprintf("double %v", v+0), nil
	case string, int32, int64, bool:
		return fmt.Sprintf("%T %#v", v, v), nil
	}
	document, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("%T is neither a protobuf message nor a primitive, and cannot be JSON: %w", value, err)
	}
	return describeJSON(document)
}

func describeMessage(m proto.Message) string {
	text := prototext.MarshalOptions{Multiline: true, Indent: "  ", EmitUnknown: true}.Format(m)
	return fmt.Sprintf("%s {\n%s}", m.ProtoReflect().Descriptor().FullName(), indent(text))
}

func describeJSON(document []byte) (string, error) {
	var generic any
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber() // tells numbers apart that a float64 does not
	if err := d.Decode(&generic); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(generic, "", "  ")
	if err != nil {
		return "", err
	}
	return "JSON " + string(text), nil
}

// describeStored decodes what is stored by its own type.
func describeStored(stored *anypb.Any) (string, error) {
	switch kind, name, _ := strings.Cut(stored.GetTypeUrl(), "/"); kind {
	case "json.cloudstate.io":
		document, err := decode[json.RawMessage](stored, entity.JSON(name))
		if err != nil {
			return "", err
		}
		return describeJSON(document.(json.RawMessage)) //nolint:errcheck // decode returns its type argument
	case "p.cloudstate.io":
		v, err := describePrimitive(name, stored)
		if err != nil {
			return "", err
		}
		return describe(v)
	}
	m, err := stored.UnmarshalNew()
	if err != nil {
		return "", fmt.Errorf("decode %s: %w", stored.GetTypeUrl(), err)
	}
	return describeMessage(m), nil
}

func describePrimitive(name string, stored *anypb.Any) (any, error) {
	switch name {
	case "string":
		return decode[string](stored)
	case "bytes":
		return decode[[]byte](stored)
	case "int32":
		return decode[int32](stored)
	case "int64":
		return decode[int64](stored)
	case "float":
		return decode[float32](stored)
	case "double":
		return decode[float64](stored)
	case "bool":
		return decode[bool](stored)
	}
	return nil, fmt.Errorf("%s is no primitive of the protocol", stored.GetTypeUrl())
}

func decode[T any](stored *anypb.Any, options ...entity.CodecOption) (any, error) {
	codec, err := entity.NewCodec[T](options...)
	if err != nil {
		return nil, err
	}
	return codec.Decode(stored)
}

func indent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}

// describeAll describes values. It fails the test at once if one of them cannot be.
func describeAll[V any](tb testing.TB, values []V) []string {
	tb.Helper()
	texts := make([]string, 0, len(values))
	for i, value := range values {
		text, err := describe(value)
		if err != nil {
			tb.Fatalf("testkit: value %d: %v", i+1, err)
		}
		texts = append(texts, text)
	}
	return texts
}

// requireStored fails the test at once, with the difference, unless what was stored are these
// values.
func requireStored(tb testing.TB, what string, want []any, got ...*anypb.Any) {
	tb.Helper()
	requireSame(tb, what, describeAll(tb, want), describeAll(tb, got))
}

// requireSame fails the test at once, with the difference, unless both lists are the same.
func requireSame(tb testing.TB, what string, want, got []string) {
	tb.Helper()
	if !assert.Equal(tb, numbered(want), numbered(got), "testkit: %s differs", what) {
		tb.FailNow()
	}
}

func numbered(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	var b strings.Builder
	for i, text := range list {
		fmt.Fprintf(&b, "%d: %s\n", i+1, text)
	}
	return b.String()
}
