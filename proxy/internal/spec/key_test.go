package spec_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// keyed is the method test.S/M of an entity whose request has these fields, numbered
// from 1, and the enum test.Size.
func keyed(tb testing.TB, fields ...*descriptorpb.FieldDescriptorProto) *spec.Method {
	tb.Helper()
	f := serviceFile(service("S", rpc("M", "In", "Keyed")))
	f.EnumType = []*descriptorpb.EnumDescriptorProto{{
		Name: new("Size"),
		Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: new("SMALL"), Number: new(int32(0))}, {Name: new("LARGE"), Number: new(int32(9))}, {Name: new("NONE"), Number: new(int32(-1))},
		},
	}}
	in := message("In", fields...)
	for _, field := range fields {
		if field.OneofIndex != nil && len(in.GetOneofDecl()) == 0 {
			in.OneofDecl = []*descriptorpb.OneofDescriptorProto{{Name: new("choice")}}
		}
	}
	f.MessageType = append(f.MessageType, in)
	s, err := spec.New(answer(tb, files(f), entity(spec.ValueEntity, "test.S")), spec.Options{})
	require.NoError(tb, err)
	return s.Services[0].Methods[0]
}

func choice(f *descriptorpb.FieldDescriptorProto) *descriptorpb.FieldDescriptorProto {
	f.OneofIndex = new(int32(0))
	return f
}

// addItem is a method with one string as key.
func addItem(tb testing.TB) *spec.Method {
	tb.Helper()
	s, err := spec.New(cartAnswer(tb), spec.Options{})
	require.NoError(tb, err)
	return s.Services[0].Method("AddItem")
}

func TestMethod_EntityKey_ReadsAString(t *testing.T) {
	t.Parallel()
	m := addItem(t)
	tests := map[string]struct {
		request *shoppingcartpb.AddLineItem
		suffix  []byte
		want    string
	}{
		"set":                   {&shoppingcartpb.AddLineItem{UserId: "u1", ProductId: "p", Name: "n", Quantity: 3}, nil, "u1"},
		"any characters":        {&shoppingcartpb.AddLineItem{UserId: "a/b-c |ü"}, nil, "a/b-c |ü"},
		"not set":               {&shoppingcartpb.AddLineItem{ProductId: "p"}, nil, ""},
		"empty":                 {&shoppingcartpb.AddLineItem{}, []byte{0x0a, 0}, ""},
		"the last one wins":     {&shoppingcartpb.AddLineItem{UserId: "u1"}, []byte{0x0a, 2, 'u', '2'}, "u2"},
		"unknown fields around": {&shoppingcartpb.AddLineItem{UserId: "u1"}, []byte{0xf3, 0x07, 0x08, 1, 0xf4, 0x07, 0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8}, "u1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload, err := proto.Marshal(tt.request)
			require.NoError(t, err)
			got, err := m.EntityKey(append(payload, tt.suffix...))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// P-174: several keys are in order of declaration, not of their numbers or arrival.
func TestMethod_EntityKey_JoinsSeveral(t *testing.T) {
	t.Parallel()
	str, integer := descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_INT64
	first, second := entityKey(field("first", str, "")), entityKey(field("second", integer, ""))
	first.Number, second.Number = new(int32(7)), new(int32(1))
	m := keyed(t, first, field("other", str, ""), second)

	tests := map[string]struct{ payload, want string }{
		"both":             {"\x3a\x01a\x08\x05", "a-5"},
		"in another order": {"\x08\x05\x3a\x01a", "a-5"},
		"one":              {"\x3a\x01a", "a-0"},
		"none":             {"", "-0"},
		"dashes":           {"\x3a\x03a-b\x08\x05", "a-b-5"},
		"longer than 64":   {"\x3a\x46" + strings.Repeat("x", 70), strings.Repeat("x", 70) + "-0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := m.EntityKey([]byte(tt.payload))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// More keys than anybody has are joined as well; if all are empty, so is the result.
func TestMethod_EntityKey_JoinsMany(t *testing.T) {
	t.Parallel()
	fields := make([]*descriptorpb.FieldDescriptorProto, 6)
	for i, name := range []string{"a", "b", "c", "d", "e", "f"} {
		fields[i] = entityKey(field(name, descriptorpb.FieldDescriptorProto_TYPE_STRING, ""))
	}
	m := keyed(t, fields...)
	got, err := m.EntityKey([]byte("\x0a\x01a\x32\x01f"))
	require.NoError(t, err)
	require.Equal(t, "a-----f", got)
	got, err = m.EntityKey(nil)
	require.NoError(t, err)
	require.Empty(t, got)
}

// Section 7.4: the text of each type, and of its default.
func TestMethod_EntityKey_Text(t *testing.T) {
	t.Parallel()
	varint := func(v uint64) []byte { return protowire.AppendVarint([]byte{0x08}, v) }
	fixed32 := func(v uint32) []byte { return protowire.AppendFixed32([]byte{0x0d}, v) }
	fixed64 := func(v uint64) []byte { return protowire.AppendFixed64([]byte{0x09}, v) }
	minus := func(v int64) uint64 { return uint64(-v) }
	tests := map[string]struct {
		kind   descriptorpb.FieldDescriptorProto_Type
		absent string
		texts  map[string][]byte
	}{
		"bool":     {descriptorpb.FieldDescriptorProto_TYPE_BOOL, "false", map[string][]byte{"true": varint(1), "false": varint(0)}},
		"int32":    {descriptorpb.FieldDescriptorProto_TYPE_INT32, "0", map[string][]byte{"5": varint(5), "-5": varint(minus(5)), "1": varint(1<<32 + 1)}},
		"int64":    {descriptorpb.FieldDescriptorProto_TYPE_INT64, "0", map[string][]byte{"5": varint(5), "-9223372036854775808": varint(1 << 63)}},
		"uint32":   {descriptorpb.FieldDescriptorProto_TYPE_UINT32, "0", map[string][]byte{"4294967295": varint(math.MaxUint32)}},
		"uint64":   {descriptorpb.FieldDescriptorProto_TYPE_UINT64, "0", map[string][]byte{"18446744073709551615": varint(math.MaxUint64)}},
		"sint32":   {descriptorpb.FieldDescriptorProto_TYPE_SINT32, "0", map[string][]byte{"-1": varint(1), "-2147483648": varint(math.MaxUint32)}},
		"sint64":   {descriptorpb.FieldDescriptorProto_TYPE_SINT64, "0", map[string][]byte{"-1": varint(1), "1": varint(2)}},
		"fixed32":  {descriptorpb.FieldDescriptorProto_TYPE_FIXED32, "0", map[string][]byte{"4294967295": fixed32(math.MaxUint32)}},
		"fixed64":  {descriptorpb.FieldDescriptorProto_TYPE_FIXED64, "0", map[string][]byte{"18446744073709551615": fixed64(math.MaxUint64)}},
		"sfixed32": {descriptorpb.FieldDescriptorProto_TYPE_SFIXED32, "0", map[string][]byte{"-1": fixed32(math.MaxUint32)}},
		"sfixed64": {descriptorpb.FieldDescriptorProto_TYPE_SFIXED64, "0", map[string][]byte{"-1": fixed64(math.MaxUint64)}},
		"enum":     {descriptorpb.FieldDescriptorProto_TYPE_ENUM, "SMALL", map[string][]byte{"LARGE": varint(9), "NONE": varint(minus(1)), "4": varint(4), "SMALL": varint(0)}},
		"float": {descriptorpb.FieldDescriptorProto_TYPE_FLOAT, "0.0", map[string][]byte{
			"1.0": fixed32(math.Float32bits(1)), "0.1": fixed32(math.Float32bits(0.1)), "1.4E-45": fixed32(1), "3.4028235E38": fixed32(math.Float32bits(math.MaxFloat32)),
		}},
		"double": {descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, "0.0", map[string][]byte{
			"1.0": fixed64(math.Float64bits(1)), "1.0E10": fixed64(math.Float64bits(1e10)), "-1.5": fixed64(math.Float64bits(-1.5)),
			"1.0E7": fixed64(math.Float64bits(1e7)), "9999999.0": fixed64(math.Float64bits(9999999)), "0.001": fixed64(math.Float64bits(1e-3)),
			"9.99E-4": fixed64(math.Float64bits(0.000999)), "1.0E-5": fixed64(math.Float64bits(1e-5)), "-1.25E100": fixed64(math.Float64bits(-1.25e100)),
			"4.9E-324": fixed64(1), "-0.0": fixed64(1 << 63), "1.7976931348623157E308": fixed64(math.Float64bits(math.MaxFloat64)),
			"NaN": fixed64(math.Float64bits(math.NaN())), "Infinity": fixed64(math.Float64bits(math.Inf(1))), "-Infinity": fixed64(math.Float64bits(math.Inf(-1))),
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			typeName := ""
			if name == "enum" {
				typeName = ".test.Size"
			}
			m := keyed(t, entityKey(field("k", tt.kind, typeName)))
			got, err := m.EntityKey(nil)
			require.NoError(t, err)
			require.Equal(t, tt.absent, got)
			for want, payload := range tt.texts {
				got, err := m.EntityKey(payload)
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		})
	}
}

// A member of a oneof is unset by the others.
func TestMethod_EntityKey_InAOneof(t *testing.T) {
	t.Parallel()
	str := descriptorpb.FieldDescriptorProto_TYPE_STRING
	m := keyed(t, choice(entityKey(field("a", str, ""))), choice(field("b", str, "")), choice(entityKey(field("c", str, ""))))
	tests := map[string]struct{ payload, want string }{
		"the first":  {"\x0a\x01x", "x-"},
		"the last":   {"\x1a\x01z", "-z"},
		"replaced":   {"\x0a\x01x\x1a\x01z", "-z"},
		"unset":      {"\x0a\x01x\x12\x01y", ""},
		"set again":  {"\x12\x01y\x0a\x01x", "x-"},
		"other wire": {"\x0a\x01x\x10\x01", "x-"}, // an unknown field for protobuf
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := m.EntityKey([]byte(tt.payload))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// The default of a proto2 field counts.
func TestMethod_EntityKey_ExplicitDefault(t *testing.T) {
	t.Parallel()
	f := serviceFile(service("S", rpc("M", "In", "Keyed")))
	f.Syntax = new("proto2")
	id := entityKey(field("id", descriptorpb.FieldDescriptorProto_TYPE_STRING, ""))
	id.DefaultValue = new("main")
	f.MessageType = append(f.MessageType, message("In", id))
	s, err := spec.New(answer(t, files(f), entity(spec.CRDT, "test.S")), spec.Options{})
	require.NoError(t, err)
	got, err := s.Services[0].Methods[0].EntityKey(nil)
	require.NoError(t, err)
	require.Equal(t, "main", got)
}

// Actions have no keys, whatever their requests are.
func TestMethod_EntityKey_OfAnAction(t *testing.T) {
	t.Parallel()
	s, err := spec.New(answer(t, cartFiles(), entity(spec.Action, shoppingCart)), spec.Options{})
	require.NoError(t, err)
	got, err := s.Services[0].Method("AddItem").EntityKey([]byte{0xff})
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestMethod_EntityKey_RefusesWhatIsNoRequest(t *testing.T) {
	t.Parallel()
	m := addItem(t)
	tests := map[string]struct{ payload, want string }{
		"another wire type":  {"\x08\x01", "field com.example.shoppingcart.AddLineItem.user_id has wire type 0, want 2"},
		"not UTF-8":          {"\x0a\x01\xff", "field com.example.shoppingcart.AddLineItem.user_id is not valid UTF-8"},
		"ends early":         {"\x0a\x05ab", "field com.example.shoppingcart.AddLineItem.user_id: the request is no com.example.shoppingcart.AddLineItem: invalid value of field 1 at byte 1: unexpected EOF"},
		"no tag":             {"\x0a\x01a\xff", "invalid field at byte 3: unexpected EOF"},
		"field number zero":  {"\x00\x01", "invalid field at byte 0: "},
		"an end of no group": {"\xf4\x07", "invalid value of field 126 at byte 2: "},
		"wire type 7":        {"\x0f", "invalid value of field 1 at byte 1: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := m.EntityKey([]byte(tt.payload))
			require.ErrorContains(t, err, "com.example.shoppingcart.ShoppingCart/AddItem: read the entity key")
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// One string is all that a method with one string as key allocates: its text.
func TestMethod_EntityKey_Allocations(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of other tests
	m := addItem(t)
	payload, err := proto.Marshal(&shoppingcartpb.AddLineItem{UserId: strings.Repeat("u", 100), ProductId: "p", Name: "n", Quantity: 3})
	require.NoError(t, err)
	require.InDelta(t, 1, testing.AllocsPerRun(100, func() { _, _ = m.EntityKey(payload) }), 0)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = m.EntityKey(nil) }))
}

func BenchmarkMethod_EntityKey(b *testing.B) {
	str, integer := descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_INT64
	item, err := proto.Marshal(&shoppingcartpb.AddLineItem{UserId: "user-0001", ProductId: "product-17", Name: "Hat", Quantity: 3})
	require.NoError(b, err)
	for name, m := range map[string]*spec.Method{
		"string": addItem(b),
		"two": keyed(b, entityKey(field("user_id", str, "")), field("product_id", str, ""), field("name", str, ""),
			entityKey(field("quantity", integer, ""))),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = m.EntityKey(item)
			}
		})
	}
}
