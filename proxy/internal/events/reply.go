package events

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
)

// anyURL is the type of replies that may be of any type.
const anyURL = protocol.TypeURLPrefix + "google.protobuf.Any"

// eventOf returns the event for a reply of a service: its payload by type, and the
// attributes that its metadata sets (protocol section 9.4). It shares the data with the
// reply.
func eventOf(service string, reply *protocol.Reply) (eventing.Event, error) {
	event, err := contentOf(reply.GetPayload())
	if err != nil {
		return eventing.Event{}, err
	}
	event.ID = uuid.NewString()
	event.Source = service
	event.SpecVersion = eventing.SpecVersion
	event.Time = time.Now().UTC()
	if err := override(&event, reply.GetMetadata()); err != nil {
		return eventing.Event{}, err
	}
	return event, event.Validate()
}

// contentOf returns an event with the type, the content type and the data of a payload. A
// payload that is a google.protobuf.Any counts as what it has in it, which is how a method
// publishes what is no message.
func contentOf(payload *anypb.Any) (eventing.Event, error) {
	if payload.GetTypeUrl() == anyURL {
		inner := &anypb.Any{}
		if err := proto.Unmarshal(payload.GetValue(), inner); err != nil { //nolint:forbidigo // a message of the protocol
			return eventing.Event{}, fmt.Errorf("decode the reply as google.protobuf.Any: %w", err)
		}
		payload = inner
	}
	url := payload.GetTypeUrl()
	host, name, found := strings.Cut(url, "/")
	switch {
	case host+"/" == jsonHost:
		data, err := unwrapped(payload)
		return eventing.Event{Type: name, DataContentType: jsonContentType, Data: data}, err
	case url == stringURL:
		text, err := stringCodec.Decode(payload)
		return eventing.Event{DataContentType: textContentType, Data: []byte(text)}, err
	case url == bytesURL:
		data, err := unwrapped(payload)
		return eventing.Event{DataContentType: bytesContentType, Data: data}, err
	case host+"/" == primitiveHost: // no content type has the others
		return eventing.Event{Type: url, DataContentType: anyContentType, Data: payload.GetValue()}, nil
	case !found || name == "":
		return eventing.Event{}, fmt.Errorf("the reply has the type URL %q, want one such as %spackage.Message", url, protocol.TypeURLPrefix)
	default:
		return eventing.Event{Type: name, DataContentType: protobufContentType, Data: payload.GetValue()}, nil
	}
}

// unwrapped returns field 1 of a pseudo-message.
func unwrapped(payload *anypb.Any) ([]byte, error) {
	data, err := bytesCodec.Decode(&anypb.Any{TypeUrl: bytesURL, Value: payload.GetValue()})
	if err != nil {
		return nil, fmt.Errorf("decode the reply as %s: %w", payload.GetTypeUrl(), err)
	}
	return data, nil
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
