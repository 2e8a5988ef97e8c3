package eventing_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
)

const anyURL = protocol.TypeURLPrefix + "google.protobuf.Any"

// P-207, A-37: what a method gets for a message of a topic, by its content type.
func TestPayload_FollowsTheTable(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		contentType, typ, data string
		url, value             string // want
		err                    string // or that
	}{
		"protobuf, type of the event":        {"application/protobuf", "shop.Sold", "\x0a\x01a", "type.googleapis.com/shop.Sold", "\x0a\x01a", ""},
		"protobuf, empty":                    {"application/protobuf", "shop.Sold", "", "type.googleapis.com/shop.Sold", "", ""},
		"protobuf, other names":              {"application/x-protobuf", "shop.Sold", "a", "type.googleapis.com/shop.Sold", "a", ""},
		"protobuf, yet another name":         {"application/vnd.google.protobuf", "shop.Sold", "a", "type.googleapis.com/shop.Sold", "a", ""},
		"protobuf, in capitals":              {"Application/Protobuf", "shop.Sold", "a", "type.googleapis.com/shop.Sold", "a", ""},
		"protobuf, parameter proto":          {"application/protobuf; proto=shop.A", "shop.Sold", "a", "type.googleapis.com/shop.A", "a", ""},
		"protobuf, parameter messageType":    {"application/protobuf; messageType=shop.B", "shop.Sold", "a", "type.googleapis.com/shop.B", "a", ""},
		"protobuf, both parameters":          {`application/protobuf; messageType="shop.B"; proto=shop.A`, "shop.Sold", "a", "type.googleapis.com/shop.A", "a", ""},
		"protobuf, malformed parameters":     {"application/protobuf; proto", "shop.Sold", "a", "type.googleapis.com/shop.Sold", "a", ""},
		"protobuf, no type at all":           {"application/protobuf", "", "a", "", "", `neither that nor the attribute ce-type names a message; publish it as application/protobuf; proto=package.Message`},
		"an Any":                             {eventing.AnyContentType, "example.com/shop.Sold", "a", "example.com/shop.Sold", "a", ""},
		"an Any of JSON":                     {eventing.AnyContentType, "json.cloudstate.io/sold", "\x0a\x02{}", "json.cloudstate.io/sold", "\x0a\x02{}", ""},
		"JSON":                               {"application/json", "sold", `{"a":1}`, "json.cloudstate.io/sold", "\x0a\x07" + `{"a":1}`, ""},
		"JSON, empty":                        {"application/json", "sold", "", "json.cloudstate.io/sold", "", ""},
		"JSON, with a character set":         {"application/json; charset=utf-8", "sold", "1", "json.cloudstate.io/sold", "\x0a\x011", ""},
		"JSON, of a kind":                    {"application/cloudevents+json", "sold", "1", "json.cloudstate.io/sold", "\x0a\x011", ""},
		"JSON, of no application":            {"image/x+json", "sold", "1", "p.cloudstate.io/bytes", "\x0a\x011", ""},
		"text":                               {"text/plain", "sold", "hi", "p.cloudstate.io/string", "\x0a\x02hi", ""},
		"text, empty":                        {"text/plain", "sold", "", "p.cloudstate.io/string", "", ""},
		"text, of a kind":                    {"text/html; charset=UTF-8", "", "ä", "p.cloudstate.io/string", "\x0a\x02ä", ""},
		"text, in Latin 1":                   {"text/plain; charset=ISO-8859-1", "", "\xe4", "p.cloudstate.io/string", "\x0a\x02ä", ""},
		"text, in UTF-16":                    {"text/plain; charset=utf-16", "", "\xfe\xff\x00h\xd8\x3d\xde\x00", "p.cloudstate.io/string", "\x0a\x05h\U0001F600", ""},
		"text, in UTF-16 without a mark":     {"text/plain; charset=utf-16", "", "\x00h", "p.cloudstate.io/string", "\x0a\x01h", ""},
		"text, in UTF-16, the little end":    {"text/plain; charset=utf-16", "", "\xff\xfeh\x00", "p.cloudstate.io/string", "\x0a\x01h", ""},
		"text, in UTF-16LE":                  {"text/plain; charset=utf-16le", "", "h\x00", "p.cloudstate.io/string", "\x0a\x01h", ""},
		"text, in UTF-16BE":                  {"text/plain; charset=utf-16be", "", "\xff\xfd", "p.cloudstate.io/string", "\x0a\x03\uFFFD", ""},
		"text that is not UTF-8":             {"text/plain", "", "\xff", "", "", `the content type is "text/plain", but the data is not valid UTF-8; publish arbitrary bytes as application/octet-stream`},
		"text, in half of UTF-16":            {"text/plain; charset=utf-16be", "", "\x00h\x00", "", "", "it has 3 bytes, which is odd"},
		"text, in broken UTF-16":             {"text/plain; charset=utf-16be", "", "\xd8\x3d\x00h", "", "", "half of a surrogate pair"},
		"text, in a set that nobody knows":   {"text/plain; charset=ebcdic", "", "a", "", "", `the character set "ebcdic" is not supported, want UTF-8`},
		"bytes":                              {"application/octet-stream", "sold", "\x00\xff", "p.cloudstate.io/bytes", "\x0a\x02\x00\xff", ""},
		"bytes, empty":                       {"application/octet-stream", "sold", "", "p.cloudstate.io/bytes", "", ""},
		"anything else":                      {"image/png", "sold", "a", "p.cloudstate.io/bytes", "\x0a\x01a", ""},
		"no content type":                    {"", "sold", "a", "p.cloudstate.io/bytes", "\x0a\x01a", ""},
		"no content type that can be parsed": {";;;", "sold", "a", "p.cloudstate.io/bytes", "\x0a\x01a", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := (eventing.Event{DataContentType: tt.contentType, Type: tt.typ, Data: []byte(tt.data)}).Payload()
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.url, got.GetTypeUrl())
			require.Equal(t, tt.value, string(got.GetValue()))
		})
	}
}

// anyIn returns an Any in an Any.
func anyIn(t *testing.T, url, value string) string {
	t.Helper()
	data, err := proto.Marshal(&anypb.Any{TypeUrl: url, Value: []byte(value)})
	require.NoError(t, err)
	return string(data)
}

// P-207: what is published for a reply, by its type, and back again.
func TestSetPayload_FollowsTheTable(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		url, value             string
		typ, contentType, data string // want
		err                    string // or that
		back                   string // the URL when it comes back; the same if empty
	}{
		"JSON":                    {"json.cloudstate.io/sold", "\x0a\x02{}", "sold", "application/json", "{}", "", ""},
		"JSON, empty":             {"json.cloudstate.io/sold", "", "sold", "application/json", "", "", ""},
		"a string":                {"p.cloudstate.io/string", "\x0a\x02hi", "", "text/plain; charset=utf-8", "hi", "", ""},
		"a string, empty":         {"p.cloudstate.io/string", "", "", "text/plain; charset=utf-8", "", "", ""},
		"bytes":                   {"p.cloudstate.io/bytes", "\x0a\x02\x00\xff", "", "application/octet-stream", "\x00\xff", "", ""},
		"bytes, empty":            {"p.cloudstate.io/bytes", "", "", "application/octet-stream", "", "", ""},
		"a message":               {"type.googleapis.com/shop.Sold", "a", "shop.Sold", "application/protobuf", "a", "", ""},
		"a message, empty":        {"type.googleapis.com/shop.Sold", "", "shop.Sold", "application/protobuf", "", "", ""},
		"a message, other host":   {"example.com/shop.Sold", "a", "shop.Sold", "application/protobuf", "a", "", "type.googleapis.com/shop.Sold"},
		"another primitive":       {"p.cloudstate.io/int32", "\x08\x01", "p.cloudstate.io/int32", eventing.AnyContentType, "\x08\x01", "", ""},
		"JSON in an Any":          {anyURL, anyIn(t, "json.cloudstate.io/sold", "\x0a\x02{}"), "sold", "application/json", "{}", "", "json.cloudstate.io/sold"},
		"an Any in an Any":        {anyURL, anyIn(t, anyURL, "a"), "google.protobuf.Any", "application/protobuf", "a", "", anyURL},
		"no Any in an Any":        {anyURL, "\xff", "", "", "", "decode a google.protobuf.Any", ""},
		"nothing in an Any":       {anyURL, "", "", "", "", `the payload has the type URL "", want one such as type.googleapis.com/package.Message`, ""},
		"no host":                 {"shop.Sold", "", "", "", "", `the payload has the type URL "shop.Sold"`, ""},
		"no name":                 {"type.googleapis.com/", "", "", "", "", `the payload has the type URL "type.googleapis.com/"`, ""},
		"a string as a number":    {"p.cloudstate.io/string", "\x08\x01", "", "", "", "decode p.cloudstate.io/string", ""},
		"JSON as a number":        {"json.cloudstate.io/sold", "\x08\x01", "", "", "", "decode a json.cloudstate.io/sold", ""},
		"a string that is no UTF": {"p.cloudstate.io/string", "\x0a\x01\xff", "", "", "", "not valid UTF-8", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var event eventing.Event
			err := event.SetPayload(&anypb.Any{TypeUrl: tt.url, Value: []byte(tt.value)})
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.typ, event.Type)
			require.Equal(t, tt.contentType, event.DataContentType)
			require.Equal(t, tt.data, string(event.Data))

			back, err := event.Payload()
			require.NoError(t, err)
			if tt.back == "" {
				require.Equal(t, tt.url, back.GetTypeUrl())
				require.Equal(t, tt.value, string(back.GetValue()))
				return
			}
			require.Equal(t, tt.back, back.GetTypeUrl())
		})
	}
}

// FuzzPayload checks that every message of a topic gives a payload or an error, and that a
// payload that is published comes back as it was.
func FuzzPayload(f *testing.F) {
	f.Add("application/protobuf; proto=shop.A", "shop.Sold", []byte("a"))
	f.Add("application/json", "sold", []byte("{}"))
	f.Add("text/plain; charset=utf-16", "", []byte{0xfe, 0xff, 0, 'h'})
	f.Add("application/vnd.cloudstate.protobuf.any", anyURL, []byte{0x0a, 0})
	f.Add("", "", []byte(nil))
	f.Fuzz(func(t *testing.T, contentType, typ string, data []byte) {
		payload, err := (eventing.Event{DataContentType: contentType, Type: typ, Data: data}).Payload()
		if err != nil {
			return
		}
		var event eventing.Event
		if event.SetPayload(payload) != nil || payload.GetTypeUrl() == anyURL {
			return // an Any of anything
		}
		again, err := event.Payload()
		require.NoError(t, err)
		host, name, _ := strings.Cut(payload.GetTypeUrl(), "/")
		if host != "json.cloudstate.io" && host != "p.cloudstate.io" {
			require.Equal(t, protocol.TypeURLPrefix+name, again.GetTypeUrl())
		} else {
			require.Equal(t, payload.GetTypeUrl(), again.GetTypeUrl())
		}
	})
}
