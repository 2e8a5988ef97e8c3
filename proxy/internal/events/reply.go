package events

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
)

// eventOf returns the event for a reply of a service: its payload, and the attributes that
// its metadata sets (protocol section 9.4). It shares the data with the reply.
func eventOf(service string, reply *protocol.Reply) (eventing.Event, error) {
	event := eventing.Event{ID: uuid.NewString(), Source: service, SpecVersion: eventing.SpecVersion, Time: time.Now().UTC()}
	if err := event.SetPayload(reply.GetPayload()); err != nil {
		return eventing.Event{}, fmt.Errorf("the reply: %w", err)
	}
	if err := override(&event, reply.GetMetadata()); err != nil {
		return eventing.Event{}, err
	}
	return event, event.Validate()
}

// override sets the attributes that metadata has as text. Of several with the same key the
// first one counts.
func override(event *eventing.Event, metadata *protocol.Metadata) error {
	seen := map[string]bool{}
	for _, entry := range metadata.GetEntries() {
		text, isText := entry.GetValue().(*protocol.MetadataEntry_StringValue)
		key := strings.ToLower(entry.GetKey())
		if key == strings.ToLower(contentTypeKey) {
			key = dataContentTypeKey
		}
		name, isAttribute := strings.CutPrefix(key, attributePrefix)
		if !isText || !isAttribute || seen[name] {
			continue
		}
		seen[name] = true
		if err := event.Set(name, text.StringValue); err != nil {
			return fmt.Errorf("the metadata of the reply: %w", err)
		}
	}
	return nil
}
