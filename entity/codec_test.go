package entity_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
)

// codec returns the codec of T, which the test needs to exist.
func codec[T any](tb testing.TB, options ...entity.CodecOption) *entity.Codec[T] {
	tb.Helper()
	c, err := entity.NewCodec[T](options...)
	require.NoError(tb, err)
	return c
}

// golden checks that v encodes to exactly these bytes, and that they decode to v.
func golden[T any](t *testing.T, v T, url string, value []byte, options ...entity.CodecOption) {
	t.Helper()
	c := codec[T](t, options...)
	a, err := c.Encode(v)
	require.NoError(t, err)
	require.Equal(t, url, a.GetTypeUrl())
	require.Equal(t, value, a.GetValue())
	got, err := c.Decode(&anypb.Any{TypeUrl: url, Value: value})
	require.NoError(t, err)
	require.Equal(t, v, got)
}

// P-160, P-161, P-163: the examples of protocol section 4.2 and the defaults.
func TestCodec_WritesTheBytesOfTheProtocol(t *testing.T) {
	t.Parallel()
	golden(t, "foo", "p.cloudstate.io/string", []byte{0x0a, 3, 'f', 'o', 'o'})
	golden(t, "", "p.cloudstate.io/string", nil)
	golden(t, []byte{0, 0xff}, "p.cloudstate.io/bytes", []byte{0x0a, 2, 0, 0xff})
	golden(t, []byte(nil), "p.cloudstate.io/bytes", nil)
	golden(t, int32(10), "p.cloudstate.io/int32", []byte{0x08, 0x0a})
	golden(t, int32(-1), "p.cloudstate.io/int32", []byte{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	golden(t, int32(0), "p.cloudstate.io/int32", nil)
	golden(t, int64(10), "p.cloudstate.io/int64", []byte{0x08, 0x0a})
	golden(t, int64(0), "p.cloudstate.io/int64", nil)
	golden(t, float32(1), "p.cloudstate.io/float", []byte{0x0d, 0, 0, 0x80, 0x3f})
	golden(t, float32(0), "p.cloudstate.io/float", nil)
	golden(t, 1.0, "p.cloudstate.io/double", []byte{0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f})
	golden(t, 0.0, "p.cloudstate.io/double", nil)
	golden(t, true, "p.cloudstate.io/bool", []byte{0x08, 0x01})
	golden(t, false, "p.cloudstate.io/bool", nil)
	golden(t, map[string]any{"b": true, "a": "<x>"}, "json.cloudstate.io/thing",
		append([]byte{0x0a, 20}, `{"a":"<x>","b":true}`...), entity.JSON("thing"))
}

func TestCodec_OmitsNegativeZero(t *testing.T) {
	t.Parallel()
	a, err := codec[float64](t).Encode(math.Copysign(0, -1))
	require.NoError(t, err)
	require.Empty(t, a.GetValue())
}

func TestCodec_WritesMessagesUnderTheirName(t *testing.T) {
	t.Parallel()
	event := &domain.ItemRemoved{ProductId: "a"}
	c := codec[*domain.ItemRemoved](t)
	a, err := c.Encode(event)
	require.NoError(t, err)
	require.Equal(t, "type.googleapis.com/com.example.shoppingcart.persistence.ItemRemoved", a.GetTypeUrl())
	require.Equal(t, []byte{0x0a, 1, 'a'}, a.GetValue())
	require.Equal(t, a.GetTypeUrl(), c.TypeURL())

	for _, prefix := range []string{"type.googleapis.com/", "example.org/", "/", ""} {
		got, err := c.Decode(&anypb.Any{TypeUrl: prefix + "com.example.shoppingcart.persistence.ItemRemoved", Value: a.GetValue()})
		require.NoError(t, err)
		require.True(t, proto.Equal(event, got))
	}
}

// P-161, P-162: what other encoders may have written.
func TestCodec_ReadsWhatTheFormatAllows(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		value []byte
		want  int64
	}{
		"explicit default":           {[]byte{0x08, 0}, 0},
		"unknown field before":       {[]byte{0x12, 1, 'x', 0x08, 7}, 7},
		"unknown field after":        {[]byte{0x08, 7, 0x25, 1, 2, 3, 4}, 7},
		"of repeated ones the last":  {[]byte{0x08, 7, 0x08, 8}, 8},
		"a varint longer than needs": {[]byte{0x08, 0x87, 0}, 7},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := codec[int64](t).Decode(&anypb.Any{TypeUrl: "p.cloudstate.io/int64", Value: tt.value})
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestCodec_RefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	decode := func(a *anypb.Any) error {
		_, err := codec[string](t).Decode(a)
		return err
	}
	tests := map[string]struct {
		err  error
		want string
	}{
		"another primitive": {
			decode(&anypb.Any{TypeUrl: "p.cloudstate.io/bytes"}), `found "p.cloudstate.io/bytes"`,
		},
		"an unknown primitive (P-162)": {
			decode(&anypb.Any{TypeUrl: "p.cloudstate.io/uint32"}), `found "p.cloudstate.io/uint32"`,
		},
		"another wire type": {
			decode(&anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte{0x08, 1}}), "field 1 has wire type 0, want 2",
		},
		"a length beyond the end": {
			decode(&anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte{0x0a, 5, 'x'}}), "read field 1: unexpected EOF",
		},
		"a broken tag": {
			decode(&anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte{0xff}}), "read the tag of a field",
		},
		"bytes that are not UTF-8": {
			decode(&anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte{0x0a, 1, 0xff}}), "not valid UTF-8",
		},
		"nothing at all": {
			decode(nil), `found ""`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, tt.err, tt.want)
		})
	}
	_, err := codec[int32](t).Decode(&anypb.Any{TypeUrl: "p.cloudstate.io/int32", Value: []byte{0x08, 0x80, 0x80, 0x80, 0x80, 0x08}})
	require.ErrorContains(t, err, "2147483648 does not fit into an int32")
	_, err = codec[*domain.ItemAdded](t).Decode(&anypb.Any{TypeUrl: "type.googleapis.com/" + "com.example.shoppingcart.persistence.ItemAdded", Value: []byte{0x0a, 9}})
	require.ErrorContains(t, err, "decode type.googleapis.com/com.example.shoppingcart.persistence.ItemAdded")
}

func TestCodec_RefusesToWriteWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := codec[string](t).Encode("\xff")
	require.ErrorContains(t, err, "not valid UTF-8")
	_, err = codec[*domain.ItemAdded](t).Encode(nil)
	require.ErrorContains(t, err, "nil *domain.ItemAdded")
	_, err = codec[*domain.ItemRemoved](t).Encode(&domain.ItemRemoved{ProductId: "\xff"})
	require.ErrorContains(t, err, "invalid UTF-8")
	_, err = codec[float64](t, entity.JSON("number")).Encode(math.NaN())
	require.ErrorContains(t, err, "unsupported value")
}

type temperature struct {
	Celsius float64 `json:"celsius"`
	Room    string  `json:"room,omitempty"`
}

// P-163: a JSON value may have any type name.
func TestCodec_ReadsJSONOfAnyName(t *testing.T) {
	t.Parallel()
	c := codec[temperature](t, entity.JSON("temperature"))
	got, err := c.Decode(&anypb.Any{TypeUrl: "json.cloudstate.io/com.example.Temperature", Value: append([]byte{0x0a, 13}, `{"celsius":7}`...)})
	require.NoError(t, err)
	require.Equal(t, temperature{Celsius: 7}, got)

	for name, value := range map[string][]byte{
		"JSON: unexpected end":                   {0x0a, 1, '{'},
		"it has no JSON document":                nil,
		"JSON: json: cannot unmarshal":           append([]byte{0x0a, 2}, `[]`...),
		"JSON: invalid character 'x' after top-": append([]byte{0x0a, 3}, `{}x`...),
	} {
		_, err := c.Decode(&anypb.Any{TypeUrl: "json.cloudstate.io/temperature", Value: value})
		require.ErrorContains(t, err, name)
	}
}

// P-164: the order of map keys and of fields does not show.
func TestCodec_EncodesEqualValuesAlike(t *testing.T) {
	t.Parallel()
	type fields struct {
		B int64 `json:"b"`
		A int64 `json:"a"`
	}
	large := int64(1)<<62 + 1 // more than a float64 can hold
	ordered, err := codec[fields](t, entity.JSON("x")).Encode(fields{A: large, B: 2})
	require.NoError(t, err)
	mapped, err := codec[map[string]int64](t, entity.JSON("x")).Encode(map[string]int64{"b": 2, "a": large})
	require.NoError(t, err)
	require.True(t, proto.Equal(mapped, ordered))
	require.Contains(t, string(ordered.GetValue()), fmt.Sprintf(`{"a":%d,"b":2}`, large))
}

func TestCodec_AppendsToABuffer(t *testing.T) {
	t.Parallel()
	got, err := codec[int64](t).Append([]byte("x"), 10)
	require.NoError(t, err)
	require.Equal(t, []byte{'x', 0x08, 0x0a}, got)
}

func TestAlias_ReadsFormerNames(t *testing.T) {
	t.Parallel()
	c := codec[*domain.ItemRemoved](t, entity.Alias("shop.v1.Removed", "type.googleapis.com/shop.v0.Removed"))
	require.Equal(t, []string{"com.example.shoppingcart.persistence.ItemRemoved", "shop.v0.Removed", "shop.v1.Removed"}, c.Names())
	for _, name := range []string{"shop.v1.Removed", "shop.v0.Removed"} {
		got, err := c.Decode(&anypb.Any{TypeUrl: "type.googleapis.com/" + name, Value: []byte{0x0a, 1, 'a'}})
		require.NoError(t, err)
		require.Equal(t, "a", got.GetProductId())
	}

	j := codec[temperature](t, entity.JSON("temperature"), entity.Alias("temp"))
	require.Equal(t, []string{"json.cloudstate.io/temp", "json.cloudstate.io/temperature"}, j.Names())
}

func TestUpcast_ReadsFormerShapes(t *testing.T) {
	t.Parallel()
	toFahrenheit := func(t temperature) float64 { return t.Celsius*9/5 + 32 }
	fromString := func(s string) temperature { return temperature{Celsius: float64(len(s))} }
	c := codec[float64](t, entity.Upcast(toFahrenheit, entity.JSON("temperature"), entity.Upcast(fromString)))
	require.Equal(t, []string{"json.cloudstate.io/temperature", "p.cloudstate.io/double", "p.cloudstate.io/string"}, c.Names())

	got, err := c.Decode(&anypb.Any{TypeUrl: "json.cloudstate.io/temperature", Value: append([]byte{0x0a, 15}, `{"celsius":100}`...)})
	require.NoError(t, err)
	require.InDelta(t, 212, got, 0)
	got, err = c.Decode(&anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: append([]byte{0x0a, 10}, "0123456789"...)})
	require.NoError(t, err)
	require.InDelta(t, 50, got, 0)
	_, err = c.Decode(&anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte{0x08, 1}})
	require.ErrorContains(t, err, "field 1 has wire type 0")
}

type hidden struct{ amount int }

func TestNewCodec_NamesTheMistake(t *testing.T) {
	t.Parallel()
	failure := func(_ any, err error) error { return err }
	type name string
	require.Zero(t, hidden{}.amount)
	identity := func(s string) string { return s }
	tests := map[string]struct {
		err  error
		want string
	}{
		"a type that is nothing of all":     {failure(entity.NewCodec[temperature]()), `entity.JSON("a-stable-name")`},
		"a type defined as a primitive":     {failure(entity.NewCodec[name]()), "neither a pointer to a protobuf message"},
		"a message as JSON":                 {failure(entity.NewCodec[*domain.Cart](entity.JSON("cart"))), `remove entity.JSON("cart")`},
		"JSON without a name":               {failure(entity.NewCodec[temperature](entity.JSON(""))), "entity.JSON needs a name"},
		"a message without a type":          {failure(entity.NewCodec[*dynamicpb.Message]()), "it is no generated message type"},
		"a message by value":                {failure(entity.NewCodec[domain.Cart]()), "use *domain.Cart"},
		"JSON that would keep nothing":      {failure(entity.NewCodec[hidden](entity.JSON("a"))), "none of its fields would be stored"},
		"JSON of a channel":                 {failure(entity.NewCodec[struct{ C chan int }](entity.JSON("a"))), "it cannot be stored as JSON: json: unsupported type: chan int"},
		"a JSON name that is a URL":         {failure(entity.NewCodec[temperature](entity.JSON("json.cloudstate.io/a"))), "contains a slash"},
		"two JSON names":                    {failure(entity.NewCodec[temperature](entity.JSON("a"), entity.JSON("b"))), `two JSON names, "a" and "b"`},
		"an alias twice":                    {failure(entity.NewCodec[string](entity.Alias("a", "a"))), `the alias "a" is declared twice`},
		"an empty alias":                    {failure(entity.NewCodec[string](entity.Alias(""))), "empty name"},
		"an upcast of its own shape":        {failure(entity.NewCodec[string](entity.Upcast(identity))), "p.cloudstate.io/string is read twice"},
		"an upcast to another type":         {failure(entity.NewCodec[bool](entity.Upcast(identity))), "the Upcast from string returns string"},
		"an upcast without a function":      {failure(entity.NewCodec[string](entity.Upcast[bool, string](nil))), "without a function"},
		"an upcast from an impossible type": {failure(entity.NewCodec[string](entity.Upcast(func(temperature) string { return "" }))), "codec for entity_test.temperature"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, tt.err, tt.want)
		})
	}
}

// fuzzDecode checks that decoding arbitrary bytes never panics and that what is accepted
// survives a round trip, to the same bytes each time.
func fuzzDecode[T any](f *testing.F, seeds [][]byte, options ...entity.CodecOption) {
	f.Helper()
	c := codec[T](f, options...)
	f.Add([]byte(nil))
	f.Add([]byte{0x08, 0x01})
	f.Add([]byte{0x0a, 0x03, 'f', 'o', 'o'})
	f.Add([]byte{0x0a, 0xff, 0x01})
	f.Add([]byte{0x0d, 0, 0, 0x80, 0x3f})
	f.Add([]byte{0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f})
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := c.Decode(&anypb.Any{TypeUrl: c.TypeURL(), Value: data})
		if err != nil {
			return
		}
		once, err := c.Encode(v)
		require.NoError(t, err)
		again, err := c.Decode(once)
		require.NoError(t, err)
		twice, err := c.Encode(again)
		require.NoError(t, err)
		require.True(t, proto.Equal(once, twice), "%x and %x", once.GetValue(), twice.GetValue())
	})
}

func FuzzDecodeString(f *testing.F) { fuzzDecode[string](f, nil) }
func FuzzDecodeBytes(f *testing.F)  { fuzzDecode[[]byte](f, nil) }
func FuzzDecodeInt32(f *testing.F) {
	fuzzDecode[int32](f, [][]byte{{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}})
}
func FuzzDecodeInt64(f *testing.F)  { fuzzDecode[int64](f, nil) }
func FuzzDecodeFloat(f *testing.F)  { fuzzDecode[float32](f, nil) }
func FuzzDecodeDouble(f *testing.F) { fuzzDecode[float64](f, nil) }
func FuzzDecodeBool(f *testing.F)   { fuzzDecode[bool](f, nil) }

func FuzzDecodeJSON(f *testing.F) {
	seeds := [][]byte{append([]byte{0x0a, 13}, `{"celsius":7}`...), append([]byte{0x0a, 2}, `[]`...)}
	fuzzDecode[map[string]any](f, seeds, entity.JSON("x"))
}

func FuzzDecodeMessage(f *testing.F) {
	fuzzDecode[*domain.ItemAdded](f, [][]byte{{0x0a, 3, 0x0a, 1, 'a'}})
}

// P-161: wrappers of protobuf have the same bytes, by which the codecs are compared.
func FuzzPrimitives_MatchTheWrappersOfProtobuf(f *testing.F) {
	f.Add("foo", int32(-1), int64(10), true, 1.5)
	f.Fuzz(func(t *testing.T, s string, i int32, l int64, b bool, d float64) {
		same(t, s, wrapperspb.String(s))
		same(t, i, wrapperspb.Int32(i))
		same(t, l, wrapperspb.Int64(l))
		same(t, b, wrapperspb.Bool(b))
		if d != 0 { // protobuf writes negative zero, the protocol omits it
			same(t, d, wrapperspb.Double(d))
			same(t, float32(d)+1, wrapperspb.Float(float32(d)+1))
		}
	})
}

func same[T any](t *testing.T, v T, wrapper proto.Message) {
	t.Helper()
	got, gotErr := codec[T](t).Encode(v)
	want, wantErr := proto.Marshal(wrapper)
	require.Equal(t, wantErr == nil, gotErr == nil)
	if wantErr == nil {
		require.Equal(t, string(want), string(got.GetValue()))
	}
}

func BenchmarkCodec_Message(b *testing.B) {
	c := codec[*domain.ItemAdded](b)
	event := &domain.ItemAdded{Item: &domain.LineItem{ProductId: "p", Name: "a product", Quantity: 2}}
	b.ReportAllocs()
	for b.Loop() {
		a, err := c.Encode(event)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Decode(a); err != nil {
			b.Fatal(err)
		}
	}
}
