package events

import (
	"fmt"
	"mime"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
)

// The content types of what is published (protocol section 9.4).
const (
	anyContentType      = "application/vnd.cloudstate.protobuf.any"
	protobufContentType = "application/protobuf"
	jsonContentType     = "application/json"
	textContentType     = "text/plain; charset=utf-8"
	bytesContentType    = "application/octet-stream"
)

// The hosts of type URLs that do not name messages, and the primitives that topics have.
const (
	jsonHost      = "json.cloudstate.io/"
	primitiveHost = "p.cloudstate.io/"
	stringURL     = primitiveHost + "string"
	bytesURL      = primitiveHost + "bytes"
)

// The codecs of primitives. JSON is wrapped like bytes.
var (
	stringCodec = mustCodec[string]()
	bytesCodec  = mustCodec[[]byte]()
)

func mustCodec[T any]() *entity.Codec[T] {
	codec, err := entity.NewCodec[T]()
	if err != nil {
		panic(err) //nolint:forbidigo // strings and bytes have a codec
	}
	return codec
}

// payloadOf returns the payload of a command for an event, by the content type (protocol
// section 9.4). It shares the data with the event.
func payloadOf(event eventing.Event) (*anypb.Any, error) {
	media, params, _ := mime.ParseMediaType(event.DataContentType) // without parameters if those are malformed
	switch {
	case media == anyContentType:
		return &anypb.Any{TypeUrl: event.Type, Value: event.Data}, nil
	case media == protobufContentType, media == "application/x-protobuf", media == "application/vnd.google.protobuf":
		name := event.Type
		for _, param := range []string{"messagetype", "proto"} { // the last one counts
			if params[param] != "" {
				name = params[param]
			}
		}
		if name == "" {
			return nil, fmt.Errorf("the content type is %q, but neither that nor the attribute ce-type names a message; publish it as %s; proto=package.Message", event.DataContentType, protobufContentType)
		}
		return &anypb.Any{TypeUrl: protocol.TypeURLPrefix + name, Value: event.Data}, nil
	case media == jsonContentType, strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"):
		return wrapped(jsonHost+event.Type, event.Data)
	case strings.HasPrefix(media, "text/"):
		text, err := decodeText(event.Data, params["charset"])
		if err != nil {
			return nil, fmt.Errorf("the content type is %q, but %w; publish arbitrary bytes as %s", event.DataContentType, err, bytesContentType)
		}
		return stringCodec.Encode(text)
	default:
		return wrapped(bytesURL, event.Data)
	}
}

// wrapped returns data as field 1 of a pseudo-message.
func wrapped(typeURL string, data []byte) (*anypb.Any, error) {
	payload, err := bytesCodec.Encode(data)
	if err != nil {
		return nil, err
	}
	payload.TypeUrl = typeURL
	return payload, nil
}

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

// The metadata keys of attributes (protocol section 6.3).
const (
	attributePrefix    = "ce-"
	dataContentTypeKey = attributePrefix + "datacontenttype"
	contentTypeKey     = "Content-Type"
)
