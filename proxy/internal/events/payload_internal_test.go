package events

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
)

// P-207, A-37: what a method gets for a message of a topic, by its content type.
func TestPayloadOf_FollowsTheTable(t *testing.T) {
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
		"an Any":                             {anyContentType, "example.com/shop.Sold", "a", "example.com/shop.Sold", "a", ""},
		"an Any of JSON":                     {anyContentType, "json.cloudstate.io/sold", "\x0a\x02{}", "json.cloudstate.io/sold", "\x0a\x02{}", ""},
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
			got, err := payloadOf(eventing.Event{ID: "1", DataContentType: tt.contentType, Type: tt.typ, Data: []byte(tt.data)})
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
func TestEventOf_FollowsTheTable(t *testing.T) {
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
		"another primitive":       {"p.cloudstate.io/int32", "\x08\x01", "p.cloudstate.io/int32", anyContentType, "\x08\x01", "", ""},
		"JSON in an Any":          {anyURL, anyIn(t, "json.cloudstate.io/sold", "\x0a\x02{}"), "sold", "application/json", "{}", "", "json.cloudstate.io/sold"},
		"an Any in an Any":        {anyURL, anyIn(t, anyURL, "a"), "google.protobuf.Any", "application/protobuf", "a", "", anyURL},
		"no Any in an Any":        {anyURL, "\xff", "", "", "", "decode the reply as google.protobuf.Any", ""},
		"nothing in an Any":       {anyURL, "", "", "", "", `the reply has the type URL "", want one such as type.googleapis.com/package.Message`, ""},
		"no host":                 {"shop.Sold", "", "", "", "", `the reply has the type URL "shop.Sold"`, ""},
		"no name":                 {"type.googleapis.com/", "", "", "", "", `the reply has the type URL "type.googleapis.com/"`, ""},
		"a string as a number":    {"p.cloudstate.io/string", "\x08\x01", "", "", "", "decode p.cloudstate.io/string", ""},
		"JSON as a number":        {"json.cloudstate.io/sold", "\x08\x01", "", "", "", "decode the reply as json.cloudstate.io/sold", ""},
		"a string that is no UTF": {"p.cloudstate.io/string", "\x0a\x01\xff", "", "", "", "not valid UTF-8", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event, err := eventOf("shop.Sales", &protocol.Reply{Payload: &anypb.Any{TypeUrl: tt.url, Value: []byte(tt.value)}})
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.typ, event.Type)
			require.Equal(t, tt.contentType, event.DataContentType)
			require.Equal(t, tt.data, string(event.Data))

			back, err := payloadOf(event)
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

func text(key, value string) *protocol.MetadataEntry {
	return &protocol.MetadataEntry{Key: key, Value: &protocol.MetadataEntry_StringValue{StringValue: value}}
}

func replyWith(entries ...*protocol.MetadataEntry) *protocol.Reply {
	return &protocol.Reply{Payload: &anypb.Any{TypeUrl: "type.googleapis.com/shop.Sold"}, Metadata: &protocol.Metadata{Entries: entries}}
}

func TestEventOf_HasAttributesOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		event, err := eventOf("shop.Sales", replyWith())
		require.NoError(t, err)
		other, err := eventOf("shop.Sales", replyWith())
		require.NoError(t, err)
		require.Len(t, event.ID, 36)
		require.NotEqual(t, event.ID, other.ID)
		event.ID = ""
		require.Equal(t, eventing.Event{
			Source: "shop.Sales", SpecVersion: "1.0", Type: "shop.Sold", DataContentType: "application/protobuf", Time: time.Now().UTC(),
		}, event)
	})
}

// Section 9.4: the metadata of a reply sets attributes of its event.
func TestEventOf_TakesAttributesFromTheMetadata(t *testing.T) {
	t.Parallel()
	event, err := eventOf("shop.Sales", replyWith(
		text("ce-id", "7"), text("CE-Source", "/shop"), text("ce-specversion", "1.1"), text("ce-type", "sold"),
		text("content-type", "application/protobuf; proto=shop.Sold"), text("ce-dataschema", "https://example.com"), text("ce-subject", "jo"),
		text("ce-time", "2026-11-25T08:30:00+01:00"), text("ce-tenant", "a"),
		text("ce-id", "8"), text("x-other", "b"), // the first one counts, and what is no attribute does not
		&protocol.MetadataEntry{Key: "ce-bytes", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte("c")}},
	))
	require.NoError(t, err)
	require.True(t, event.Time.Equal(time.Date(2026, 11, 25, 7, 30, 0, 0, time.UTC)))
	event.Time = time.Time{}
	require.Equal(t, eventing.Event{
		ID: "7", Source: "/shop", SpecVersion: "1.1", Type: "sold", DataContentType: "application/protobuf; proto=shop.Sold",
		DataSchema: "https://example.com", Subject: "jo", Extensions: map[string]string{"tenant": "a"},
	}, event)
	back, err := payloadOf(event)
	require.NoError(t, err)
	require.Equal(t, "type.googleapis.com/shop.Sold", back.GetTypeUrl(), "the content type says what the type does not say any more")
}

func TestEventOf_RefusesAttributesThatAreWrong(t *testing.T) {
	t.Parallel()
	for want, entry := range map[string]*protocol.MetadataEntry{
		"the metadata of the reply: the attribute time": text("ce-time", "now"),
		"has no id; set what is missing":                text("ce-id", ""),
		"has no source; set what is missing":            text("ce-source", ""),
		"an attribute has no name":                      text("ce-", "x"),
	} {
		_, err := eventOf("shop.Sales", replyWith(entry))
		require.ErrorContains(t, err, want)
	}
}

// Section 9.3: the metadata of an event, in that order; what is not there is not.
func TestMetadataOf_HasTheAttributesInOrder(t *testing.T) {
	t.Parallel()
	event := eventing.Event{ID: "1", Source: "carts", SpecVersion: "1.0", Type: "type.googleapis.com/shop.Sold", DataContentType: anyContentType, Subject: "jo"}
	requireMetadata(t, event, "ce-id: 1", "ce-source: carts", "ce-specversion: 1.0", "ce-type: type.googleapis.com/shop.Sold",
		"Content-Type: application/vnd.cloudstate.protobuf.any", "ce-subject: jo")
	requireMetadata(t, eventing.Event{ID: "1", Source: "s", SpecVersion: "1.0"}, "ce-id: 1", "ce-source: s", "ce-specversion: 1.0", "ce-type: ")
	event.DataSchema, event.Time, event.Extensions = "u", time.Unix(0, 0).UTC(), map[string]string{"b": "\xff", "a": "1"}
	requireMetadata(t, event, "ce-id: 1", "ce-source: carts", "ce-specversion: 1.0", "ce-type: type.googleapis.com/shop.Sold",
		"Content-Type: application/vnd.cloudstate.protobuf.any", "ce-dataschema: u", "ce-subject: jo", "ce-time: 1970-01-01T00:00:00Z", "ce-a: 1", "ce-b: \uFFFD")
}

func requireMetadata(t *testing.T, event eventing.Event, want ...string) {
	t.Helper()
	entries := metadataOf(event).GetEntries()
	got := make([]string, 0, len(entries))
	for _, e := range entries {
		got = append(got, e.GetKey()+": "+e.GetStringValue())
	}
	require.Equal(t, want, got)
}

// FuzzPayloadOf checks that every message of a topic gives a payload or an error, and that a
// payload that is published comes back as it was.
func FuzzPayloadOf(f *testing.F) {
	f.Add("application/protobuf; proto=shop.A", "shop.Sold", []byte("a"))
	f.Add("application/json", "sold", []byte("{}"))
	f.Add("text/plain; charset=utf-16", "", []byte{0xfe, 0xff, 0, 'h'})
	f.Add("application/vnd.cloudstate.protobuf.any", anyURL, []byte{0x0a, 0})
	f.Add("", "", []byte(nil))
	f.Fuzz(func(t *testing.T, contentType, typ string, data []byte) {
		payload, err := payloadOf(eventing.Event{ID: "1", DataContentType: contentType, Type: typ, Data: data})
		if err != nil {
			return
		}
		event, err := contentOf(payload)
		if err != nil || payload.GetTypeUrl() == anyURL {
			return // an Any of anything
		}
		again, err := payloadOf(event)
		require.NoError(t, err)
		host, name, _ := strings.Cut(payload.GetTypeUrl(), "/")
		if host+"/" != jsonHost && host+"/" != primitiveHost {
			require.Equal(t, protocol.TypeURLPrefix+name, again.GetTypeUrl())
		} else {
			require.Equal(t, payload.GetTypeUrl(), again.GetTypeUrl())
		}
	})
}
