package events

import (
	"strings"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
)

// The metadata keys of attributes (protocol section 6.3).
const (
	attributePrefix    = "ce-"
	dataContentTypeKey = attributePrefix + "datacontenttype"
	contentTypeKey     = "Content-Type"
)

// metadataOf returns the metadata of a command for an event: its attributes in the order of
// protocol section 9.3.
func metadataOf(event eventing.Event) *protocol.Metadata {
	attributes := event.Attributes()
	metadata := &protocol.Metadata{Entries: make([]*protocol.MetadataEntry, len(attributes))}
	for i, a := range attributes {
		key := attributePrefix + a.Name
		if key == dataContentTypeKey {
			key = contentTypeKey
		}
		metadata.Entries[i] = &protocol.MetadataEntry{
			Key:   strings.ToValidUTF8(key, "\uFFFD"), // or it could not be sent
			Value: &protocol.MetadataEntry_StringValue{StringValue: strings.ToValidUTF8(a.Value, "\uFFFD")},
		}
	}
	return metadata
}
