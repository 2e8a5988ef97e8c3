package transcode_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/webtest"
)

// The examples of google/api/http.proto, each with the request and the message that it
// gives.
func TestRequest_PublishedExamples(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		call, contentType, body string
		want                    *webtest.MessageRequest
	}{
		"GET /v1/messages/123456 is GetMessage(name: messages/123456)": {
			"GET /v1/messages/123456", "", "",
			&webtest.MessageRequest{Name: "messages/123456"},
		},
		"what is not in the path is in the query": {
			"GET /v2/messages/123456?revision=2&sub.subfield=foo", "", "",
			&webtest.MessageRequest{MessageId: "123456", Revision: 2, Sub: &webtest.SubMessage{Subfield: "foo"}},
		},
		"the body is a field": {
			"PATCH /v3/messages/123456", jsonType, `{ "text": "Hi!" }`,
			&webtest.MessageRequest{MessageId: "123456", Message: &webtest.Message{Text: "Hi!"}},
		},
		"the body is everything else": {
			"PATCH /v4/messages/123456", jsonType, `{ "text": "Hi!" }`,
			&webtest.MessageRequest{MessageId: "123456", Text: "Hi!"},
		},
		"the first of two paths": {
			"GET /v5/messages/123456", "", "",
			&webtest.MessageRequest{MessageId: "123456"},
		},
		"the second of two paths": {
			"GET /v5/users/me/messages/123456", "", "",
			&webtest.MessageRequest{UserId: "me", MessageId: "123456"},
		},
		"with a body that is everything, there are no parameters": {
			"PATCH /v4/messages/123456?text=query", jsonType, `{}`,
			&webtest.MessageRequest{MessageId: "123456"},
		},
		"with a body that is a field, there are": {
			"PATCH /v3/messages/123456?text=query&revision=3", jsonType, `{}`,
			&webtest.MessageRequest{MessageId: "123456", Text: "query", Revision: 3, Message: &webtest.Message{}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := request(t, &webtest.MessageRequest{}, tt.call, tt.contentType, tt.body)
			require.NoError(t, err)
			require.True(t, proto.Equal(tt.want, got), "got %v", got)
		})
	}
}

// P-176, P-180: where the fields of a message come from.
func TestRequest_Fields(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		call, contentType, body string
		want                    *webtest.Everything
	}{
		"the path overrides the body (P-176)": {
			"POST /values/path", jsonType, `{"aString":"body","anInt32":1}`,
			&webtest.Everything{AString: "path", AnInt32: 1},
		},
		"the path overrides the query": {
			"GET /number/7?an_int32=8&a_string=x", "", "",
			&webtest.Everything{AnInt32: 7, AString: "x"},
		},
		"without body in the rule, the body is ignored": {
			"GET /number/7", "text/plain", "whatever",
			&webtest.Everything{AnInt32: 7},
		},
		"a body that is a field overrides the query": {
			"PUT /values/x?nested.text=query", jsonType, `{"number":"1"}`,
			&webtest.Everything{AString: "x", Nested: &webtest.Nested{Number: 1}},
		},
		"a body that is an enum": {
			"PUT /values/x/color", jsonType, ` "COLOR_RED" `,
			&webtest.Everything{AString: "x", Color: webtest.Color_COLOR_RED},
		},
		"a body that is a number": {
			"PUT /values/x/long?an_int64=1", jsonType, "12",
			&webtest.Everything{AString: "x", AnInt64: 12},
		},
		"a body that is zero": {
			"PUT /values/x/long?an_int64=1", jsonType, "0",
			&webtest.Everything{AString: "x"},
		},
		"all scalars in a path": {
			"GET /values/a%20b/AQL_/TRUE/1.5/-2.5e3/-1/-2/3/4/-5/-6/7/8/-9/+10", "", "",
			&webtest.Everything{
				AString: "a b", ABytes: []byte{1, 2, 255}, ABool: true, AFloat: 1.5, ADouble: -2500, AnInt32: -1, AnInt64: -2,
				AUint32: 3, AUint64: 4, ASint32: -5, ASint64: -6, AFixed32: 7, AFixed64: 8, ASfixed32: -9, ASfixed64: 10,
			},
		},
		"nothing in a query": {"GET /query?", "", "", &webtest.Everything{}},
		"scalars in a query": {
			"GET /query?a_string=a+b%20c&a_bytes=AQL/&a_bool=false&a_float=NaN&a_uint64=18446744073709551615&&maybe=", "", "",
			&webtest.Everything{AString: "a b c", ABytes: []byte{1, 2, 255}, AFloat: float32(math.NaN()), AUint64: 1<<64 - 1, Maybe: new("")},
		},
		"repeated fields in a query (P-180)": {
			"GET /query?strings=a&longs=1&strings=&strings=c&longs=-2", "", "",
			&webtest.Everything{Strings: []string{"a", "", "c"}, Longs: []int64{1, -2}},
		},
		"names of JSON in a query": {
			"GET /query?aString=a&anInt32=1", "", "",
			&webtest.Everything{AString: "a", AnInt32: 1},
		},
		"fields of fields in a query": {
			"GET /query?nested.deeper.text=a&nested.number=2&time.seconds=3&wrapped.value=w", "", "",
			&webtest.Everything{
				Nested: &webtest.Nested{Number: 2, Deeper: &webtest.Nested{Text: "a"}}, Time: &timestamppb.Timestamp{Seconds: 3}, Wrapped: wrapperspb.String("w"),
			},
		},
		"one of several in a query": {
			"GET /query?branch.text=a&branch.number=1", "", "",
			&webtest.Everything{Choice: &webtest.Everything_Branch{Branch: &webtest.Nested{Text: "a", Number: 1}}},
		},
		"JSON with parameters": {
			"POST /webtest.Kinds/Echo", "Application/JSON; charset=utf-8", `{"aString":"ü"}`,
			&webtest.Everything{AString: "ü"},
		},
		"canonical JSON": {
			"POST /webtest.Kinds/Echo", jsonType,
			`{"a_string":"original name","anInt64":"5","aUint64":6,"color":"COLOR_RED","time":"1970-01-01T00:00:01Z","wrapped":"w","counts":{"a":"1"},"aBytes":"AQI=","left":"l","nested":null}`,
			&webtest.Everything{
				AString: "original name", AnInt64: 5, AUint64: 6, Color: webtest.Color_COLOR_RED, Time: &timestamppb.Timestamp{Seconds: 1},
				Wrapped: wrapperspb.String("w"), Counts: map[string]int64{"a": 1}, ABytes: []byte{1, 2}, Choice: &webtest.Everything_Left{Left: "l"},
			},
		},
		"any message of the descriptor set": {
			"POST /webtest.Kinds/Echo", jsonType, `{"any":{"@type":"type.googleapis.com/webtest.Nested","text":"a"}}`,
			&webtest.Everything{Any: anyOf(t, &webtest.Nested{Text: "a"})},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := request(t, &webtest.Everything{}, tt.call, tt.contentType, tt.body)
			require.NoError(t, err)
			require.True(t, proto.Equal(tt.want, got), "got %v", got)
		})
	}
}

// A method may take anything at all.
func TestRequest_Any(t *testing.T) {
	t.Parallel()
	got, err := request(t, &anypb.Any{}, "POST /webtest.Kinds/Take", jsonType, `{"@type":"type.googleapis.com/webtest.Thing","name":"n"}`)
	require.NoError(t, err)
	require.True(t, proto.Equal(anyOf(t, &webtest.Thing{Name: "n"}), got), "got %v", got)
}

// A google.api.HttpBody is the body, whatever its content type.
func TestRequest_HttpBody(t *testing.T) {
	t.Parallel()
	whole, err := request(t, &httpbody.HttpBody{}, "POST /exchange", "text/csv; header=absent", "a,\xff\x00")
	require.NoError(t, err)
	require.True(t, proto.Equal(&httpbody.HttpBody{ContentType: "text/csv; header=absent", Data: []byte("a,\xff\x00")}, whole), "got %v", whole)

	field, err := request(t, &webtest.Upload{}, "POST /store/a.csv", "", "a,b")
	require.NoError(t, err)
	require.True(t, proto.Equal(&webtest.Upload{Name: "a.csv", File: &httpbody.HttpBody{Data: []byte("a,b")}}, field), "got %v", field)
}

// P-179: what is wrong with a request is said.
func TestRequest_Mistakes(t *testing.T) {
	t.Parallel()
	const echo = "POST /webtest.Kinds/Echo"
	tests := map[string]struct{ call, contentType, body, want string }{
		"no content type":          {echo, "", "{}", `the content type is "", want application/json`},
		"another content type":     {echo, "text/json", "{}", `the content type is "text/json", want application/json`},
		"a broken content type":    {echo, "application/json; =", "{}", `the content type is "application/json; =", want application/json`},
		"the same, of a field":     {"PUT /values/x", "text/plain", "{}", `the content type is "text/plain", want application/json`},
		"the same, of a number":    {"PUT /values/x/long", "text/plain", "1", `the content type is "text/plain", want application/json`},
		"no JSON":                  {echo, jsonType, " \n", "the body is empty, want the JSON of webtest.Everything; send {} for one without fields"},
		"invalid JSON":             {echo, jsonType, `{"aString":}`, "the body is not the JSON of webtest.Everything: syntax error (line 1:12): unexpected token }"},
		"more than JSON":           {echo, jsonType, `{} {}`, "the body is not the JSON of webtest.Everything: syntax error (line 1:4): unexpected token {"},
		"an unknown field":         {echo, jsonType, `{"other":1}`, `the body is not the JSON of webtest.Everything: (line 1:2): unknown field "other"`},
		"a wrong type":             {echo, jsonType, `{"anInt32":"x"}`, `the body is not the JSON of webtest.Everything: (line 1:12): invalid value for int32 field anInt32: "x"`},
		"a list":                   {echo, jsonType, `[]`, "the body is not the JSON of webtest.Everything: syntax error (line 1:1): unexpected token ["},
		"no UTF-8":                 {echo, jsonType, "{\"aString\":\"\xff\"}", "the body is not the JSON of webtest.Everything: syntax error (line 1:12): invalid UTF-8 in string"},
		"an unknown type":          {echo, jsonType, `{"any":{"@type":"type.googleapis.com/gone.Type"}}`, `the body is not the JSON of webtest.Everything: (line 1:17): unable to resolve "type.googleapis.com/gone.Type": "not found"`},
		"an unknown field of one":  {"PUT /values/x", jsonType, `{"other":1}`, `the body is not the JSON of webtest.Nested: (line 1:2): unknown field "other"`},
		"a number that is none":    {"PUT /values/x/long", jsonType, `"x"`, `the body is not the JSON of webtest.Everything: (line 1:13): invalid value for int64 field anInt64: "x"`},
		"a number and more":        {"PUT /values/x/long", jsonType, `1,"aString":"injected"`, `the body is not JSON, want that of the field webtest.Everything.an_int64`},
		"no number in the path":    {"GET /number/x", "", "", `path: "x" is no value of webtest.Everything.an_int32, which has the type int32: invalid syntax`},
		"an empty one":             {"GET /number/", "", "", `path: "" is no value of webtest.Everything.an_int32, which has the type int32: invalid syntax`},
		"too large a number":       {"GET /number/2147483648", "", "", `path: "2147483648" is no value of webtest.Everything.an_int32, which has the type int32: value out of range`},
		"no UTF-8 in the path":     {"POST /values/%ff", jsonType, "{}", `path: "\xff" is no value of webtest.Everything.a_string, which has the type string: invalid UTF-8`},
		"no bool":                  {"GET /query?a_bool=1", "", "", `query: parameter "a_bool": "1" is no value of webtest.Everything.a_bool, which has the type bool: want true or false`},
		"no base64":                {"GET /query?a_bytes=A", "", "", `query: parameter "a_bytes": "A" is no value of webtest.Everything.a_bytes, which has the type bytes: illegal base64 data at input byte 0`},
		"no double":                {"GET /query?a_double=x", "", "", `query: parameter "a_double": "x" is no value of webtest.Everything.a_double, which has the type double: invalid syntax`},
		"a negative uint":          {"GET /query?a_uint32=-1", "", "", `query: parameter "a_uint32": "-1" is no value of webtest.Everything.a_uint32, which has the type uint32: invalid syntax`},
		"no number in a list":      {"GET /query?longs=1&longs=x", "", "", `query: parameter "longs": "x" is no value of webtest.Everything.longs, which has the type int64: invalid syntax`},
		"an unknown parameter":     {"GET /query?other=1", "", "", `query: parameter "other": webtest.Everything has no field "other"`},
		"an unknown nested one":    {"GET /query?nested.other=1", "", "", `query: parameter "nested.other": webtest.Nested has no field "other"`},
		"a field of a scalar":      {"GET /query?a_string.x=1", "", "", `query: parameter "a_string.x": webtest.Everything.a_string has no fields`},
		"a field of a list":        {"GET /query?several.text=1", "", "", `query: parameter "several.text": webtest.Everything.several has no fields`},
		"two values":               {"GET /query?a_string=a&a_string=b", "", "", `query: parameter "a_string": it has 2 values, want one`},
		"two names":                {"GET /query?a_string=a&aString=b", "", "", `query: parameter "a_string": it has 2 values, want one`},
		"a message":                {"GET /query?nested=a", "", "", `query: parameter "nested": it is a message; name one of its fields, or use a body`},
		"a list of messages":       {"GET /query?several=a", "", "", `query: parameter "several": it is a message; name one of its fields, or use a body`},
		"an enum":                  {"GET /query?color=COLOR_RED", "", "", `query: parameter "color": it is an enum, which only a body can have`},
		"a list of enums":          {"GET /query?colors=COLOR_RED", "", "", `query: parameter "colors": it is an enum, which only a body can have`},
		"a map":                    {"GET /query?counts=1", "", "", `query: parameter "counts": it is a map, which only a body can have`},
		"two of a oneof":           {"GET /query?left=a&right=b", "", "", `query: parameter "right": left is set as well, and webtest.Everything.choice has only one of both`},
		"two of a oneof, deeper":   {"GET /query?left=a&branch.text=b", "", "", `query: parameter "branch.text": left is set as well, and webtest.Everything.choice has only one of both`},
		"a semicolon":              {"GET /query?left=a;right=b", "", "", `query: "left=a;right=b" has a semicolon, want %3B, or & between parameters`},
		"a wrong encoding":         {"GET /query?left=%zz", "", "", `query: invalid URL escape "%zz"`},
		"a wrong encoding of name": {"GET /query?%zz=1", "", "", `query: invalid URL escape "%zz"`},
		"no UTF-8 in the query":    {"GET /query?left=%ff", "", "", `query: parameter "left": "\xff" is no value of webtest.Everything.left, which has the type string: invalid UTF-8`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := request(t, &webtest.Everything{}, tt.call, tt.contentType, tt.body)
			require.EqualError(t, err, tt.want)
		})
	}
}

func anyOf(tb testing.TB, message proto.Message) *anypb.Any {
	tb.Helper()
	packed, err := anypb.New(message)
	require.NoError(tb, err)
	return packed
}
