package events

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
)

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
	back, err := event.Payload()
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
	event := eventing.Event{ID: "1", Source: "carts", SpecVersion: "1.0", Type: "type.googleapis.com/shop.Sold", DataContentType: eventing.AnyContentType, Subject: "jo"}
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
