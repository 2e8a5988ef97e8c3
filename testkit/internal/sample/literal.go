package sample

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// Literal returns a Go expression for a message of generated code, with fields in the order of
// declaration. For one whose fields are not exported it is the type, with the fields in a
// comment.
func Literal(m proto.Message) string {
	v := reflect.ValueOf(m)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Sprintf("%T /* %v */", m, m)
	}
	if text := structLiteral(v.Elem()); text != "{}" || proto.Size(m) == 0 {
		return "&" + v.Elem().Type().String() + text
	}
	return fmt.Sprintf("&%s{ /* %s */ }", v.Elem().Type(), strings.ReplaceAll(prototext.MarshalOptions{}.Format(m), "  ", " "))
}

func structLiteral(v reflect.Value) string {
	var fields []string
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
			fields = append(fields, f.Name+": "+literal(v.Field(i)))
		}
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

func literal(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Interface: // a oneof
		return "&" + v.Elem().Elem().Type().String() + structLiteral(v.Elem().Elem())
	case reflect.Pointer:
		if m, ok := reflect.TypeAssert[proto.Message](v); ok {
			return Literal(m)
		}
		return "new(" + typed(v.Elem()) + ")"
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return fmt.Sprintf("[]byte(%q)", v.Bytes())
		}
		parts := make([]string, 0, v.Len())
		for i := range v.Len() {
			parts = append(parts, literal(v.Index(i)))
		}
		return v.Type().String() + "{" + strings.Join(parts, ", ") + "}"
	case reflect.Map:
		parts := make([]string, 0, v.Len())
		for key, value := range v.Seq2() {
			parts = append(parts, literal(key)+": "+literal(value))
		}
		slices.Sort(parts)
		return v.Type().String() + "{" + strings.Join(parts, ", ") + "}"
	default:
		return scalar(v)
	}
}

// typed returns an expression that has the type of the value by itself.
func typed(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String, reflect.Bool:
		return scalar(v)
	default:
		return fmt.Sprintf("%s(%s)", v.Type(), scalar(v))
	}
}

func scalar(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(v.String())
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Float32, reflect.Float64:
		return float(v.Float())
	case reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	default:
		return strconv.FormatInt(v.Int(), 10) // enums, too
	}
}

func float(n float64) string {
	switch {
	case math.IsNaN(n):
		return "math.NaN()"
	case math.IsInf(n, 1):
		return "math.Inf(1)"
	case math.IsInf(n, -1):
		return "math.Inf(-1)"
	case n == 0 && math.Signbit(n):
		return "math.Copysign(0, -1)"
	default:
		return strconv.FormatFloat(n, 'g', -1, 64)
	}
}
