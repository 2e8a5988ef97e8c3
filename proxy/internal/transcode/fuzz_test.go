package transcode_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/transcode"
	"github.com/cloudstate-go/cloudstate/proxy/internal/webtest"
)

// FuzzRequest checks that any request makes a message or an error, and that the message
// survives a round trip through JSON.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][2]string{
		{"GET /v2/messages/123456?revision=2&sub.subfield=foo", ""},
		{"PATCH /v3/messages/123456?text=a", `{"text":"Hi!"}`},
		{"POST /webtest.Kinds/Echo", `{"aString":"ü","anInt64":"5","aFloat":"NaN","color":7,"counts":{"a":"1"},"time":"1970-01-01T00:00:01.5Z","wrapped":"w","nested":{"deeper":{}}}`},
		{"POST /webtest.Kinds/Echo", `{"any":{"@type":"type.googleapis.com/webtest.Everything","left":"l","any":{"@type":"type.googleapis.com/google.protobuf.Timestamp","value":"1970-01-01T00:00:01Z"}}}`},
		{"POST /webtest.Kinds/Take", `{"@type":"a/webtest.Nested","number":1e3}`},
		{"PUT /values/x/long", `1,"aString":"injected"`},
		{"PUT /values/x/color", `"COLOR_RED"`},
		{"GET /values/a/AQI=/true/-0/Inf/1/2/3/4/5/6/7/8/9/10", ""},
		{"GET /query?strings=a&longs=1&strings=&maybe=&branch.deeper.text=a&a_bytes=__8&%61_string=%2B+", ""},
		{"POST /exchange", "\x00\xff"},
		{"POST /store/a?file.content_type=x", "data"},
		{"GET /download/a%2Fb/c", ""},
	} {
		f.Add(seed[0], jsonType, seed[1])
	}
	all, t := routes(f), transcoder(f)
	f.Fuzz(func(tt *testing.T, call, contentType, body string) {
		verb, target, _ := strings.Cut(call, " ")
		path, query, _ := strings.Cut(target, "?")
		for _, r := range all {
			values, ok := r.Path.Match(path)
			if !ok || (r.Verb != verb && r.Verb != "*") {
				continue
			}
			encoded, err := t.Request(r.method, r.Binding, transcode.Request{Variables: values, Query: query, ContentType: contentType, Body: []byte(body)})
			if err != nil {
				require.NotEmpty(tt, err.Error())
				continue
			}
			requireRoundTrip(tt, t, r.method.Input(), encoded)
		}
	})
}

// requireRoundTrip requires that JSON has all of a message, however it came to be.
func requireRoundTrip(t *testing.T, transcoder *transcode.Transcoder, descriptor protoreflect.MessageDescriptor, encoded []byte) {
	t.Helper()
	original := dynamicpb.NewMessage(descriptor)
	require.NoError(t, proto.Unmarshal(encoded, original))
	echo := webtest.File_webtest_webtest_proto.Services().ByName("Kinds").Methods().ByName("Echo")
	if descriptor != echo.Input() {
		return // of the others, requests are not replies
	}
	whole, _ := find(t, "POST", "/webtest.Kinds/Echo")
	printed, err := transcoder.JSON(echo, whole.Binding, encoded)
	if err != nil {
		// What has come by parts, in a query, may be out of the bounds that JSON has.
		require.Contains(t, err.Error(), "the reply cannot be written as JSON: google.protobuf.")
		return
	}
	again, err := transcoder.Request(echo, whole.Binding, transcode.Request{ContentType: jsonType, Body: printed})
	require.NoError(t, err)
	copied := dynamicpb.NewMessage(descriptor)
	require.NoError(t, proto.Unmarshal(again, copied))
	require.True(t, proto.Equal(original, copied), "%v is not %v", original, copied)
}

// FuzzReply checks that any reply makes a line of JSON, or an error.
func FuzzReply(f *testing.F) {
	all, t := routes(f), transcoder(f)
	for _, message := range []proto.Message{
		&webtest.Everything{AString: "a", Longs: []int64{1}, Nested: &webtest.Nested{Number: 1}, Counts: map[string]int64{"a": 1}, Any: anyOf(f, &webtest.Nested{})},
		&webtest.Thing{Name: "line\nfeed"},
		anyOf(f, anyOf(f, &webtest.Thing{})),
	} {
		encoded, err := proto.Marshal(message)
		require.NoError(f, err)
		f.Add(encoded)
	}
	f.Add([]byte{0xff})
	f.Add([]byte("\xd2\x01\x00"))     // an Any without type
	f.Add([]byte("\xda\x01\x02\x10")) // a Timestamp that ends early
	f.Fuzz(func(tt *testing.T, reply []byte) {
		for _, r := range all {
			if transcode.IsBody(r.method, r.Binding) {
				if _, err := t.Body(r.method, r.Binding, reply); err != nil {
					require.NotEmpty(tt, err.Error())
				}
			}
			data, err := t.JSON(r.method, r.Binding, reply)
			if err == nil {
				require.True(tt, json.Valid(data), "%s", data)
				require.False(tt, bytes.ContainsAny(data, "\r\n"), "%s", data)
			}
		}
	})
}

// FuzzQuery checks that a string in a query arrives, whatever it is.
func FuzzQuery(f *testing.F) {
	f.Add("a b+c&d=e;%")
	f.Add("\xff")
	t := transcoder(f)
	r, _ := find(f, "GET", "/query")
	f.Fuzz(func(tt *testing.T, text string) {
		encoded, err := t.Request(r.method, r.Binding, transcode.Request{Query: url.Values{"a_string": {text}}.Encode()})
		if err != nil {
			require.ErrorContains(tt, err, "invalid UTF-8")
			return
		}
		got := &webtest.Everything{}
		require.NoError(tt, proto.Unmarshal(encoded, got))
		require.Equal(tt, text, got.GetAString())
	})
}

func BenchmarkRequest(b *testing.B) {
	t := transcoder(b)
	r, values := find(b, "PATCH", "/v4/messages/123456")
	request := transcode.Request{Variables: values, ContentType: jsonType, Body: []byte(`{"text":"Hi!","revision":"7","sub":{"subfield":"x"}}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.Request(r.method, r.Binding, request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	t := transcoder(b)
	r, _ := find(b, "GET", "/out/x")
	reply := []byte("\x0a\x0auser-00001")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.JSON(r.method, r.Binding, reply); err != nil {
			b.Fatal(err)
		}
	}
}
