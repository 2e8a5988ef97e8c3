package entity_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
)

func blob(key string, value ...byte) *protocol.MetadataEntry {
	return &protocol.MetadataEntry{Key: key, Value: &protocol.MetadataEntry_BytesValue{BytesValue: value}}
}

// metadataOf returns what a handler sees of these entries.
func metadataOf(t *testing.T, entries ...*protocol.MetadataEntry) entity.Metadata {
	t.Helper()
	seen := make(chan entity.Metadata, 1)
	kinds["action"].run(t, nil, func(ctx context.Context, _ *pb.AddLineItem) (*emptypb.Empty, error) {
		seen <- entity.MetadataOf(ctx)
		return &emptypb.Empty{}, nil
	}, &protocol.Metadata{Entries: entries})
	return <-seen
}

// Section 6.1: ordered, multi-valued, without regard to case, text and bytes.
func TestMetadata_IsReadByKeyAndType(t *testing.T) {
	t.Parallel()
	m := metadataOf(t, text("X-User", "jo"), blob("key", 1), text("x-user", "anne"), blob("KEY", 2), text("key", "text"), &protocol.MetadataEntry{Key: "none"})
	require.Equal(t, []string{"X-User", "key", "none"}, m.Keys())
	require.Equal(t, "jo", m.Get("x-USER"))
	require.Equal(t, []string{"jo", "anne"}, m.GetAll("x-user"))
	require.Nil(t, m.GetBinary("x-user"))
	require.Equal(t, []byte{1}, m.GetBinary("Key"))
	require.Equal(t, [][]byte{{1}, {2}}, m.GetBinaryAll("key"))
	require.Equal(t, "text", m.Get("key"))
	require.True(t, m.Has("NONE"))
	require.Empty(t, m.GetAll("none"))
	require.False(t, m.Has("other"))
	require.Empty(t, m.Get("other"))
	require.Nil(t, m.GetBinaryAll("other"))

	var none entity.Metadata
	require.Empty(t, none.Keys())
	require.False(t, none.Has(""))
}

// P-208, protocol section 6.3: the attributes by their keys, in any case.
func TestCloudEvent_HasTheAttributesOfTheEvent(t *testing.T) {
	t.Parallel()
	required := []*protocol.MetadataEntry{
		text("ce-specversion", "1.0"), text("CE-ID", "17"), text("ce-source", "shopping-cart"), text("Ce-Type", "json.cloudstate.io/x"),
	}
	without := func(i int) []*protocol.MetadataEntry {
		return append(append([]*protocol.MetadataEntry{}, required[:i]...), required[i+1:]...)
	}
	e, err := metadataOf(t, required...).CloudEvent()
	require.NoError(t, err)
	require.Equal(t, entity.CloudEvent{SpecVersion: "1.0", ID: "17", Source: "shopping-cart", Type: "json.cloudstate.io/x"}, e)

	e, err = metadataOf(t, append(required[:4:4], text("content-type", "application/json"), text("ce-dataschema", "urn:s"),
		text("ce-subject", "u1"), text("ce-time", "2026-11-23T08:00:00.5+01:00"), text("ce-datacontenttype", "is no key"))...).CloudEvent()
	require.NoError(t, err)
	require.Equal(t, []string{"application/json", "urn:s", "u1"}, []string{e.DataContentType, e.DataSchema, e.Subject})
	require.True(t, e.Time.Equal(time.Date(2026, 11, 23, 7, 0, 0, 5e8, time.UTC)))

	for i, key := range []string{"ce-specversion", "ce-id", "ce-source", "ce-type"} {
		_, err := metadataOf(t, without(i)...).CloudEvent()
		require.EqualError(t, err, "the metadata is not that of a CloudEvent: it has no "+key)
		_, err = metadataOf(t, append(without(i), blob(key, 'x'))...).CloudEvent() // is no text
		require.ErrorContains(t, err, "it has no "+key)
	}
	_, err = metadataOf(t, append(required[:4:4], text("ce-time", "yesterday"))...).CloudEvent()
	require.ErrorContains(t, err, "the attribute ce-time of the CloudEvent: parsing time")
	_, err = entity.Metadata{}.CloudEvent()
	require.EqualError(t, err, "the metadata is not that of a CloudEvent: it has no ce-specversion, ce-id, ce-source, ce-type")
}
