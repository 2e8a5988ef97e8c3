package eventing_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "google.golang.org/protobuf/types/known/anypb"       // imported by the specification
	_ "google.golang.org/protobuf/types/known/timestamppb" // imported by the specification

	"github.com/cloudstate-go/cloudstate/proxy/eventing"
)

// full has every attribute.
func full() eventing.Event {
	return eventing.Event{
		ID: "1", Source: "shop", SpecVersion: "1.0", Type: "shop.Sold", DataContentType: "application/protobuf",
		DataSchema: "https://example.com/schema", Subject: "jo", Time: time.Date(2026, 11, 25, 8, 30, 0, 5, time.UTC),
		Extensions: map[string]string{"tenant": "a", "region": ""}, Data: []byte{0, 1, 255},
	}
}

func TestAttributes_AreInOrder(t *testing.T) {
	t.Parallel()
	require.Equal(t, []eventing.Attribute{
		{Name: "id", Value: "1"},
		{Name: "source", Value: "shop"},
		{Name: "specversion", Value: "1.0"},
		{Name: "type", Value: "shop.Sold"},
		{Name: "datacontenttype", Value: "application/protobuf"},
		{Name: "dataschema", Value: "https://example.com/schema"},
		{Name: "subject", Value: "jo"},
		{Name: "time", Value: "2026-11-25T08:30:00.000000005Z"},
		{Name: "region", Value: ""},
		{Name: "tenant", Value: "a"},
	}, full().Attributes())
	require.Equal(t, []eventing.Attribute{{Name: "id"}, {Name: "source"}, {Name: "specversion"}, {Name: "type"}},
		eventing.Event{Extensions: map[string]string{"id": "another"}}.Attributes())
}

func TestSet_UndoesAttributes(t *testing.T) {
	t.Parallel()
	var e eventing.Event
	for _, a := range full().Attributes() {
		require.NoError(t, e.Set(a.Name, a.Value))
	}
	e.Data = full().Data
	require.Equal(t, full(), e)
	require.NoError(t, e.Set("SUBJECT", "bo"))
	require.Equal(t, "bo", e.Subject)
	require.ErrorContains(t, e.Set("time", "yesterday"), `the attribute time of event "1": want a time in the format of RFC 3339`)
	require.ErrorContains(t, e.Set("", "x"), "no name")
}

func TestValidate_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	require.NoError(t, full().Validate())
	require.NoError(t, eventing.Event{ID: "1", Source: "s", SpecVersion: "1.0"}.Validate())
	require.EqualError(t, eventing.Event{Type: "T"}.Validate(), `the event "" of type "T" has no id, source, specversion; set what is missing`)
	require.ErrorContains(t, eventing.Event{ID: "1", SpecVersion: "1.0"}.Validate(), "has no source;")
}

func TestMarshal_RoundTrips(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]eventing.Event{
		"everything":          full(),
		"nothing":             {},
		"no time":             {ID: "1"},
		"the first time":      {Time: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)},
		"the last time":       {Time: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)},
		"attributes of UTF-8": {ID: "\u65e5", Extensions: map[string]string{"ä": "\x00"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			encoded, err := e.MarshalBinary()
			require.NoError(t, err)
			var decoded eventing.Event
			require.NoError(t, decoded.UnmarshalBinary(encoded))
			require.Equal(t, e, decoded)
		})
	}
	away := eventing.Event{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600))}
	encoded, err := away.MarshalBinary()
	require.NoError(t, err)
	var decoded eventing.Event
	require.NoError(t, decoded.UnmarshalBinary(encoded))
	require.True(t, away.Time.Equal(decoded.Time))
}

func TestMarshal_RefusesWhatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]eventing.Event{
		`encode event "\xff": the attribute "id" is not valid UTF-8`:     {ID: "\xff"},
		`encode event "1": the attribute "\xff" is not valid UTF-8: "x"`: {ID: "1", Extensions: map[string]string{"\xff": "x"}},
		`encode event "1": an attribute has no name`:                     {ID: "1", Extensions: map[string]string{"": "x"}},
		`encode event "1": the time is in the year 10000`:                {ID: "1", Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, err := e.MarshalBinary()
		require.ErrorContains(t, err, want)
	}
}

// specification has the protobuf format of the CloudEvents specification, apart from the
// global registry.
func specification(tb testing.TB) protoreflect.MessageDescriptor {
	tb.Helper()
	field := func(number int32, name string, kind descriptorpb.FieldDescriptorProto_Type, typ string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		if typ != "" {
			f.TypeName = &typ
		}
		return f
	}
	const (
		text    = descriptorpb.FieldDescriptorProto_TYPE_STRING
		binary  = descriptorpb.FieldDescriptorProto_TYPE_BYTES
		message = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	)
	attributes := field(5, "attributes", message, ".io.cloudevents.v1.CloudEvent.AttributesEntry")
	attributes.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	oneof := func(fields ...*descriptorpb.FieldDescriptorProto) []*descriptorpb.FieldDescriptorProto {
		for _, f := range fields {
			f.OneofIndex = new(int32(0))
		}
		return fields
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("cloudevents.proto"), Package: new("io.cloudevents.v1"), Syntax: new("proto3"),
		Dependency: []string{"google/protobuf/timestamp.proto", "google/protobuf/any.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: new("CloudEvent"),
			Field: append([]*descriptorpb.FieldDescriptorProto{
				field(1, "id", text, ""), field(2, "source", text, ""), field(3, "spec_version", text, ""), field(4, "type", text, ""), attributes,
			}, oneof(field(6, "binary_data", binary, ""), field(7, "text_data", text, ""), field(8, "proto_data", message, ".google.protobuf.Any"))...),
			OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: new("data")}},
			NestedType: []*descriptorpb.DescriptorProto{
				{
					Name:    new("AttributesEntry"),
					Field:   []*descriptorpb.FieldDescriptorProto{field(1, "key", text, ""), field(2, "value", message, ".io.cloudevents.v1.CloudEvent.CloudEventAttributeValue")},
					Options: &descriptorpb.MessageOptions{MapEntry: new(true)},
				},
				{
					Name: new("CloudEventAttributeValue"),
					Field: oneof(
						field(1, "ce_boolean", descriptorpb.FieldDescriptorProto_TYPE_BOOL, ""),
						field(2, "ce_integer", descriptorpb.FieldDescriptorProto_TYPE_INT32, ""),
						field(3, "ce_string", text, ""), field(4, "ce_bytes", binary, ""),
						field(5, "ce_uri", text, ""), field(6, "ce_uri_ref", text, ""),
						field(7, "ce_timestamp", message, ".google.protobuf.Timestamp"),
					),
					OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: new("attr")}},
				},
			},
		}},
	}, protoregistry.GlobalFiles)
	require.NoError(tb, err)
	return file.Messages().ByName("CloudEvent")
}

// What is written is the format of the specification: another implementation of protobuf
// reads it, and what it writes can be read.
func TestMarshal_IsTheFormatOfTheSpecification(t *testing.T) {
	t.Parallel()
	encoded, err := full().MarshalBinary()
	require.NoError(t, err)
	message := dynamicpb.NewMessage(specification(t))
	require.NoError(t, proto.UnmarshalOptions{}.Unmarshal(encoded, message))
	require.Empty(t, message.GetUnknown())
	get := func(name string) protoreflect.Value {
		return message.Get(message.Descriptor().Fields().ByName(protoreflect.Name(name)))
	}
	require.Equal(t, "1", get("id").String())
	require.Equal(t, "shop", get("source").String())
	require.Equal(t, "1.0", get("spec_version").String())
	require.Equal(t, "shop.Sold", get("type").String())
	require.Equal(t, []byte{0, 1, 255}, get("binary_data").Bytes())
	require.Equal(t, 6, get("attributes").Map().Len())

	again, err := proto.Marshal(message)
	require.NoError(t, err)
	var decoded eventing.Event
	require.NoError(t, decoded.UnmarshalBinary(again))
	require.Equal(t, full(), decoded)
}

// attribute returns an encoded attribute with a value that is a field of its message.
func attribute(name string, field protowire.Number, wire protowire.Type, value []byte) []byte {
	inner := append(protowire.AppendTag(nil, field, wire), value...)
	entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), name)
	entry = protowire.AppendBytes(protowire.AppendTag(entry, 2, protowire.BytesType), inner)
	return protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), entry)
}

func TestUnmarshal_ReadsWhatOthersWrite(t *testing.T) {
	t.Parallel()
	varint := func(v uint64) []byte { return protowire.AppendVarint(nil, v) }
	text := func(v string) []byte { return protowire.AppendString(nil, v) }
	stamp := func(seconds, nanos uint64) []byte {
		s := append(protowire.AppendTag(nil, 1, protowire.VarintType), varint(seconds)...)
		return protowire.AppendBytes(nil, append(append(s, 0x10), varint(nanos)...))
	}
	for name, tt := range map[string]struct {
		encoded []byte
		want    string // the extension x, or the error
	}{
		"true":                     {attribute("x", 1, protowire.VarintType, varint(1)), "true"},
		"an integer":               {attribute("x", 2, protowire.VarintType, varint(math.MaxUint64)), "-1"},
		"text":                     {attribute("x", 3, protowire.BytesType, text("a")), "a"},
		"bytes":                    {attribute("x", 4, protowire.BytesType, text("\xff\xfe")), "//4="},
		"a URI":                    {attribute("x", 5, protowire.BytesType, text("u:v")), "u:v"},
		"a reference":              {attribute("x", 6, protowire.BytesType, text("/v")), "/v"},
		"a time":                   {attribute("x", 7, protowire.BytesType, stamp(1, 5)), "1970-01-01T00:00:01.000000005Z"},
		"a name in capitals":       {attribute("X", 3, protowire.BytesType, text("a")), "a"},
		"a kind nobody knows":      {attribute("x", 9, protowire.BytesType, text("a")), ""},
		"a time with 1 s of nanos": {attribute("x", 7, protowire.BytesType, stamp(1, 1e9)), `decode the event "": attribute "x": the time has 1000000000 nanoseconds`},
		"a time too late":          {attribute("x", 7, protowire.BytesType, stamp(1<<60, 0)), "want one between 1 and 9999"},
		"time as any text":         {attribute("time", 3, protowire.BytesType, text("now")), `attribute "time": the attribute time of event "": want a time`},
		"no name":                  {attribute("", 3, protowire.BytesType, text("a")), "an attribute has no name"},
		"text as a number":         {attribute("x", 3, protowire.VarintType, varint(1)), `attribute "x": field 3 has wire type 0`},
		"text that is not UTF-8":   {attribute("x", 3, protowire.BytesType, text("\xff")), `attribute "x": field 3 is not valid UTF-8`},
		"an attribute as a number": {[]byte{5 << 3, 1}, "field 5 has wire type 0"},
		"an id as a number":        {[]byte{1 << 3, 1}, "field 1 has wire type 0"},
		"data as a number":         {[]byte{6 << 3, 1}, "field 6 has wire type 0"},
		"data in an Any":           {[]byte{8<<3 | 2, 0}, "the data is a google.protobuf.Any"},
		"a field that is cut off":  {[]byte{1<<3 | 2, 5, 'a'}, "field 1: unexpected EOF"},
		"a tag that is cut off":    {[]byte{0x80}, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e eventing.Event
			if err := e.UnmarshalBinary(tt.encoded); err != nil {
				require.ErrorContains(t, err, tt.want)
				return
			}
			require.Equal(t, tt.want, e.Extensions["x"])
		})
	}
	var e eventing.Event
	require.NoError(t, e.UnmarshalBinary([]byte{7<<3 | 2, 2, 'h', 'i', 15<<3 | 5, 1, 2, 3, 4}), "text data, and a field of the future")
	require.Equal(t, "hi", string(e.Data))
}

// FuzzUnmarshal checks that decoding never panics, and that what it accepts survives a round
// trip.
func FuzzUnmarshal(f *testing.F) {
	encoded, err := full().MarshalBinary()
	require.NoError(f, err)
	f.Add(encoded)
	f.Add([]byte(nil))
	f.Add(attribute("time", 7, protowire.BytesType, []byte{2, 1 << 3, 1}))
	f.Add(attribute("x", 1, protowire.VarintType, []byte{1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e, again eventing.Event
		if e.UnmarshalBinary(data) != nil {
			return
		}
		encoded, err := e.MarshalBinary()
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalBinary(encoded))
		require.Equal(t, e, again)
	})
}

func ExampleEvent() {
	e := eventing.Event{
		ID:              "order-17",
		Source:          "example.com/shop",
		SpecVersion:     eventing.SpecVersion,
		Type:            "shop.OrderPlaced",
		DataContentType: "application/json",
		Data:            []byte(`{"user":"jo"}`),
	}
	for _, a := range e.Attributes() {
		fmt.Printf("ce-%s: %s\n", a.Name, a.Value)
	}
	// Output:
	// ce-id: order-17
	// ce-source: example.com/shop
	// ce-specversion: 1.0
	// ce-type: shop.OrderPlaced
	// ce-datacontenttype: application/json
}

func BenchmarkEvent_MarshalUnmarshal(b *testing.B) {
	e := full()
	b.ReportAllocs()
	for b.Loop() {
		encoded, err := e.MarshalBinary()
		if err != nil {
			b.Fatal(err)
		}
		var decoded eventing.Event
		if err := decoded.UnmarshalBinary(encoded); err != nil {
			b.Fatal(err)
		}
	}
}
