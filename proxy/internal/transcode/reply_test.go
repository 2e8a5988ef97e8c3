package transcode_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/httprule"
	"github.com/cloudstate-go/cloudstate/proxy/internal/transcode"
	"github.com/cloudstate-go/cloudstate/proxy/internal/webtest"
)

// JSON of a reply to a request.
func reply(tb testing.TB, call string, message proto.Message) (string, error) {
	tb.Helper()
	encoded, err := proto.Marshal(message)
	require.NoError(tb, err)
	r, _ := find(tb, "POST", call)
	data, err := transcoder(tb).JSON(r.method, r.Binding, encoded)
	return string(data), err
}

// P-177: canonical JSON without white space, with defaults, and without what is not set.
func TestJSON_OfAMessage(t *testing.T) {
	t.Parallel()
	const defaults = `"aString":"","aBytes":"","aBool":false,"aFloat":0,"aDouble":0,"anInt32":0,"anInt64":"0","aUint32":0,"aUint64":"0",` +
		`"aSint32":0,"aSint64":"0","aFixed32":0,"aFixed64":"0","aSfixed32":0,"aSfixed64":"0","color":"COLOR_UNSPECIFIED"`
	const after = `"strings":[],"longs":[],"several":[],"counts":{}`
	tests := map[string]struct {
		message *webtest.Everything
		want    string
	}{
		"nothing": {&webtest.Everything{}, `{` + defaults + `,` + after + `,"colors":[]}`},
		"a message in it": {
			&webtest.Everything{Nested: &webtest.Nested{Deeper: &webtest.Nested{Number: 5}}},
			`{` + defaults + `,"nested":{"text":"","number":"0","deeper":{"text":"","number":"5"}},` + after + `,"colors":[]}`,
		},
		"what has presence": {
			&webtest.Everything{Maybe: new(""), Choice: &webtest.Everything_Right{}, Time: &timestamppb.Timestamp{}, Wrapped: wrapperspb.String("")},
			`{` + defaults + `,"maybe":"",` + after + `,"right":"","time":"1970-01-01T00:00:00Z","wrapped":"","colors":[]}`,
		},
		"anything": {
			&webtest.Everything{Any: anyOf(t, &webtest.Nested{Text: "a"})},
			`{` + defaults + `,` + after + `,"any":{"@type":"type.googleapis.com/webtest.Nested","text":"a","number":"0"},"colors":[]}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := reply(t, "/webtest.Kinds/Echo", tt.message)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// P-181: a response that is a field.
func TestJSON_OfAField(t *testing.T) {
	t.Parallel()
	full := &webtest.Everything{
		AString: "a \"b\" <ü>", ABytes: []byte{255, 254}, ABool: true, ADouble: 1.5, AnInt64: -1 << 63, Color: webtest.Color_COLOR_RED, Maybe: new("m"),
		Nested: &webtest.Nested{Text: "n"}, Strings: []string{"1", ""}, Longs: []int64{1, -1 << 63}, Several: []*webtest.Nested{{Text: "x"}, {}, {Number: 7}},
		Counts: map[string]int64{"a": 1}, Choice: &webtest.Everything_Left{Left: "l"}, Time: &timestamppb.Timestamp{}, Colors: []webtest.Color{1, 5},
	}
	for field, want := range map[string][2]string{
		"string":  {`"a \"b\" <ü>"`, `""`},
		"bytes":   {`"//4="`, `""`},
		"bool":    {`true`, `false`},
		"double":  {`1.5`, `0`},
		"long":    {`-9223372036854775808`, `0`},
		"color":   {`"COLOR_RED"`, `"COLOR_UNSPECIFIED"`},
		"nested":  {`{"text":"n","number":"0"}`, `{"text":"","number":"0"}`},
		"maybe":   {`"m"`, `""`},
		"strings": {`["1",""]`, `[]`},
		"longs":   {`[1,-9223372036854775808]`, `[]`},
		"several": {`[{"text":"x"},{},{"number":"7"}]`, `[]`},
		"counts":  {`{"a":"1"}`, `{}`},
		"left":    {`"l"`, `""`},
		"time":    {`"1970-01-01T00:00:00Z"`, `"1970-01-01T00:00:00Z"`},
		"colors":  {`["COLOR_RED",5]`, `[]`},
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			for i, message := range []*webtest.Everything{full, {}} {
				got, err := reply(t, "/field/"+field, message)
				require.NoError(t, err)
				require.Equal(t, want[i], got)
			}
		})
	}
}

// What cannot be printed is an error that names the method.
func TestJSON_Mistakes(t *testing.T) {
	t.Parallel()
	r, _ := find(t, "POST", "/webtest.Kinds/Echo")
	_, err := transcoder(t).JSON(r.method, r.Binding, []byte{0xff})
	require.EqualError(t, err, "webtest.Kinds.Echo: the reply is no webtest.Everything: cannot parse invalid wire-format data")
	_, err = transcoder(t).JSON(r.method, r.Binding, []byte("\x0a\x01\xff"))
	require.EqualError(t, err, "webtest.Kinds.Echo: the reply is no webtest.Everything: field webtest.Everything.a_string contains invalid UTF-8")
	_, err = reply(t, "/webtest.Kinds/Echo", &webtest.Everything{Any: anyOf(t, &descriptorpb.FileDescriptorSet{}), Time: &timestamppb.Timestamp{Nanos: -1}})
	require.ErrorContains(t, err, "webtest.Kinds.Echo: the reply cannot be written as JSON: ")
}

// P-182: a google.api.HttpBody is not JSON, wherever it is.
func TestBody(t *testing.T) {
	t.Parallel()
	body := &httpbody.HttpBody{ContentType: "text/csv", Data: []byte("a,b\n")}
	for call, message := range map[string]proto.Message{"/exchange": body, "/store/x": &webtest.Upload{File: body}} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			encoded, err := proto.Marshal(message)
			require.NoError(t, err)
			r, _ := find(t, "POST", call)
			require.True(t, transcode.IsBody(r.method, r.Binding))
			got, err := transcoder(t).Body(r.method, r.Binding, encoded)
			require.NoError(t, err)
			require.Equal(t, transcode.Body{ContentType: "text/csv", Data: []byte("a,b\n")}, got)

			got, err = transcoder(t).Body(r.method, r.Binding, nil)
			require.NoError(t, err)
			require.Equal(t, transcode.Body{}, got)
			_, err = transcoder(t).Body(r.method, r.Binding, []byte{0xff})
			require.ErrorContains(t, err, "the reply is no ")
		})
	}
	r, _ := find(t, "POST", "/webtest.Kinds/Echo")
	require.False(t, transcode.IsBody(r.method, r.Binding))
}

// Descriptors may refer to types that are not there; such fields are not understood, and
// do no harm. If not even their kind is known, there is no binding.
func TestTranscoder_ToleratesMissingTypes(t *testing.T) {
	t.Parallel()
	field := func(number int32, name, typeName string, kind descriptorpb.FieldDescriptorProto_Type, label descriptorpb.FieldDescriptorProto_Label) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, TypeName: &typeName, Type: kind.Enum(), Label: label.Enum()}
	}
	const optional, repeated = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	const enum, message = descriptorpb.FieldDescriptorProto_TYPE_ENUM, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	unknown := field(1, "unknown", ".gone.Unknown", enum, optional)
	unknown.Type = nil
	file, err := protodesc.FileOptions{AllowUnresolvable: true}.New(&descriptorpb.FileDescriptorProto{
		Name: new("gaps.proto"), Package: new("gaps"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: new("Gaps"), Field: []*descriptorpb.FieldDescriptorProto{
				field(1, "enum", ".gone.Enum", enum, optional), field(2, "message", ".gone.Message", message, optional),
				field(3, "enums", ".gone.Enum", enum, repeated), field(4, "messages", ".gone.Message", message, repeated),
			}},
			{Name: new("Unknown"), Field: []*descriptorpb.FieldDescriptorProto{unknown}},
			{Name: new("Deep"), Field: []*descriptorpb.FieldDescriptorProto{field(1, "unknown", ".gaps.Unknown", message, optional), field(2, "deep", ".gaps.Deep", message, optional)}},
		},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("Service"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: new("Do"), InputType: new(".gaps.Gaps"), OutputType: new(".gaps.Gaps")},
			{Name: new("Deep"), InputType: new(".gaps.Deep"), OutputType: new(".gaps.Gaps")},
		}}},
	}, nil)
	require.NoError(t, err)
	files := new(protoregistry.Files)
	require.NoError(t, files.RegisterFile(file))
	methods := file.Services().Get(0).Methods()
	bindings, err := httprule.Bindings(methods.ByName("Deep"))
	require.NoError(t, err)
	require.Empty(t, bindings)

	transcoder, method := transcode.New(files), methods.ByName("Do")
	bindings, err = httprule.Bindings(method)
	require.NoError(t, err)
	for _, response := range []string{"", "enum", "message", "enums", "messages"} {
		b := *bindings[0]
		if response != "" {
			b.ResponseBody = method.Output().Fields().ByTextName(response)
		}
		for _, payload := range []string{"", "\x08\x01", "\x12\x02\x08\x01", "\x18\x01", "\x1a\x02\x01\x02", "\x22\x02\x08\x01"} {
			data, err := transcoder.JSON(method, &b, []byte(payload))
			require.NoError(t, err)
			require.True(t, json.Valid(data), "%s", data)
		}
	}
	for body, accepted := range map[string]bool{`{"enum":1}`: true, `{"enum":"A"}`: false, `{"message":{}}`: true, `{"message":{"a":1}}`: false, `{"enums":[1]}`: true, `{"messages":[{}]}`: true} {
		_, err := transcoder.Request(method, bindings[0], transcode.Request{ContentType: jsonType, Body: []byte(body)})
		require.Equal(t, accepted, err == nil, "%s: %v", body, err)
	}
	noBody := *bindings[0]
	noBody.HasBody = false
	for _, query := range []string{"enum=1", "message=1", "message.a=1", "enums=1"} {
		_, err := transcoder.Request(method, &noBody, transcode.Request{Query: query})
		require.Error(t, err, query)
	}
}
