package sample_test

import (
	"go/parser"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/typepb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/testkit/internal/sample"
)

// types are messages with fields of all sorts.
var types = []proto.Message{
	&structpb.Struct{}, &structpb.Value{}, &typepb.Type{}, &typepb.Field{}, &descriptorpb.FieldOptions{}, &crdtpb.CrdtDelta{},
	&timestamppb.Timestamp{}, &durationpb.Duration{}, &anypb.Any{}, &wrapperspb.DoubleValue{}, &wrapperspb.UInt64Value{}, &wrapperspb.BytesValue{},
}

// Whatever bytes stand for is a valid message, has simpler ones that are valid, too, and is Go
// code.
func FuzzGenerator(f *testing.F) {
	for i := range types {
		f.Add(i, []byte{})
		f.Add(i, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
		f.Add(i, []byte{3, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 4, 4, 4, 4, 5, 6, 7, 8})
	}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		m := generate(t, types[uint(i)%uint(len(types))], data)
		requireValid(t, m)
		n := 0
		for simpler := range sample.Simpler(m) {
			requireValid(t, simpler)
			require.False(t, proto.Equal(m, simpler), "%v", m)
			if n++; n == 50 {
				break
			}
		}
		_, err := parser.ParseExpr(sample.Literal(m))
		require.NoError(t, err, sample.Literal(m))
	})
}

func generate(t *testing.T, of proto.Message, data []byte) proto.Message {
	t.Helper()
	m := of.ProtoReflect().New().Interface()
	(&sample.Generator{}).Fill(sample.NewSource(data), m)
	return m
}

func requireValid(t *testing.T, m proto.Message) {
	t.Helper()
	data, err := proto.Marshal(m)
	require.NoError(t, err)
	again := m.ProtoReflect().New().Interface()
	require.NoError(t, proto.Unmarshal(data, again))
	require.True(t, proto.Equal(m, again), "%v\n%v", m, again)
}

func TestGenerator_KeepsToKeysAndExamples(t *testing.T) {
	t.Parallel()
	field := (&typepb.Field{}).ProtoReflect().Descriptor().Fields()
	g := &sample.Generator{}
	g.Key(field.ByName("name"))
	g.Learn(&typepb.Type{Fields: []*typepb.Field{{JsonName: "example", Number: 42}}})
	names, jsonNames, numbers := map[string]int{}, map[string]int{}, map[int32]int{}
	for b := range 200 {
		m := &typepb.Field{}
		g.Fill(sample.NewSource([]byte{byte(b), byte(b / 2), byte(b / 3), byte(b / 5), byte(b / 7), byte(b), byte(b), byte(b), byte(b), byte(b), byte(b)}), m)
		names[m.GetName()]++
		jsonNames[m.GetJsonName()]++
		numbers[m.GetNumber()]++
	}
	require.Len(t, names, 2)
	require.Greater(t, names["one"], names["two"])
	require.Greater(t, jsonNames["example"], 50)
	require.Greater(t, len(jsonNames), 2)
	require.Greater(t, numbers[42], 50)
}

// simplest follows Simpler for as long as a property holds.
func simplest(m proto.Message, holds func(proto.Message) bool) proto.Message {
	for {
		next := m
		for simpler := range sample.Simpler(m) {
			if holds(simpler) {
				next = simpler
				break
			}
		}
		if next == m {
			return m
		}
		m = next
	}
}

func TestSimpler_LeadsToWhatMatters(t *testing.T) {
	t.Parallel()
	from := &typepb.Type{
		Name:   "long name",
		Oneofs: []string{"x", "y", "zz"},
		Fields: []*typepb.Field{
			{Name: "f", Number: 77, Packed: true},
			{Name: "g", Number: 100, Kind: typepb.Field_TYPE_BOOL, Options: []*typepb.Option{{Name: "o"}}},
		},
	}
	got := simplest(from, func(m proto.Message) bool {
		typ, _ := m.(*typepb.Type)
		found := len(typ.GetOneofs()) > 0
		for _, f := range typ.GetFields() {
			if f.GetNumber() > 1 && found {
				return true
			}
		}
		return false
	})
	want := &typepb.Type{Oneofs: []string{"a"}, Fields: []*typepb.Field{{Number: 2}}}
	require.True(t, proto.Equal(want, got), "%v", got)

	entries, err := structpb.NewStruct(map[string]any{"a": 5, "b": "text", "c": []any{1, "x"}})
	require.NoError(t, err)
	got = simplest(entries, func(m proto.Message) bool {
		s, _ := m.(*structpb.Struct)
		return s.GetFields()["b"].GetStringValue() != ""
	})
	require.True(t, proto.Equal(&structpb.Struct{Fields: map[string]*structpb.Value{"b": structpb.NewStringValue("a")}}, got), "%v", got)
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]proto.Message{
		`&typepb.Field{Kind: 8, Number: -1, Name: "a\"b", Packed: true}`:                                  &typepb.Field{Kind: typepb.Field_TYPE_BOOL, Number: -1, Name: `a"b`, Packed: true},
		`&structpb.Value{Kind: &structpb.Value_NumberValue{NumberValue: 1.5}}`:                            structpb.NewNumberValue(1.5),
		`&structpb.Value{Kind: &structpb.Value_NumberValue{NumberValue: math.NaN()}}`:                     structpb.NewNumberValue(math.NaN()),
		`&structpb.Value{Kind: &structpb.Value_NumberValue{NumberValue: math.Inf(-1)}}`:                   structpb.NewNumberValue(math.Inf(-1)),
		`&wrapperspb.BytesValue{Value: []byte("\x00a")}`:                                                  wrapperspb.Bytes([]byte("\x00a")),
		`&descriptorpb.FieldOptions{Packed: new(true), Jstype: new(descriptorpb.FieldOptions_JSType(1))}`: &descriptorpb.FieldOptions{Packed: new(true), Jstype: descriptorpb.FieldOptions_JS_STRING.Enum()},
		`&typepb.Type{Fields: []*typepb.Field{&typepb.Field{Number: 1}}, Oneofs: []string{"x"}}`:          &typepb.Type{Fields: []*typepb.Field{{Number: 1}}, Oneofs: []string{"x"}},
		`&structpb.Struct{Fields: map[string]*structpb.Value{"a": &structpb.Value{Kind: &structpb.Value_BoolValue{BoolValue: true}}, "b": &structpb.Value{}}}`: &structpb.Struct{
			Fields: map[string]*structpb.Value{"b": {}, "a": structpb.NewBoolValue(true)},
		},
		`&emptypb.Empty{}`: &emptypb.Empty{},
	} {
		require.Equal(t, want, sample.Literal(m))
	}
}
