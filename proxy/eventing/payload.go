package eventing

import (
	"fmt"
	"mime"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// AnyContentType is the content type of data that is the value of a google.protobuf.Any, whose
// type URL is the type of the event.
const AnyContentType = "application/vnd.cloudstate.protobuf.any"

// The other content types of what is published (protocol section 9.4).
const (
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

// Payload returns what a method gets for the event, by the content type (protocol section 9.4):
// a protobuf message, JSON, a string or bytes. It may share the data with the event. It fails
// if the type of a message is unknown, and for text in a character set that is.
func (e Event) Payload() (*anypb.Any, error) {
	media, params, _ := mime.ParseMediaType(e.DataContentType) // without parameters if those are malformed
	switch {
	case media == AnyContentType:
		return &anypb.Any{TypeUrl: e.Type, Value: e.Data}, nil
	case media == protobufContentType, media == "application/x-protobuf", media == "application/vnd.google.protobuf":
		name := e.Type
		for _, param := range []string{"messagetype", "proto"} { // the last one counts
			if params[param] != "" {
				name = params[param]
			}
		}
		if name == "" {
			return nil, fmt.Errorf("the content type is %q, but neither that nor the attribute ce-type names a message; publish it as %s; proto=package.Message", e.DataContentType, protobufContentType)
		}
		return &anypb.Any{TypeUrl: protocol.TypeURLPrefix + name, Value: e.Data}, nil
	case media == jsonContentType, strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"):
		return wrapped(jsonHost+e.Type, e.Data)
	case strings.HasPrefix(media, "text/"):
		text, err := decodeText(e.Data, params["charset"])
		if err != nil {
			return nil, fmt.Errorf("the content type is %q, but %w; publish arbitrary bytes as %s", e.DataContentType, err, bytesContentType)
		}
		return stringCodec.Encode(text)
	default:
		return wrapped(bytesURL, e.Data)
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

// anyURL is the type of payloads that may be of any type.
const anyURL = protocol.TypeURLPrefix + "google.protobuf.Any"

// SetPayload sets the type, the content type and the data of the event to what is published for
// a payload (protocol section 9.4). A google.protobuf.Any counts as what it has in it, which is
// how a method publishes what is no message. The event shares the data with the payload. It
// fails if the payload cannot be decoded as what it is.
func (e *Event) SetPayload(payload *anypb.Any) error {
	if payload.GetTypeUrl() == anyURL {
		inner := &anypb.Any{}
		if err := proto.Unmarshal(payload.GetValue(), inner); err != nil { //nolint:forbidigo // a message of the protocol
			return fmt.Errorf("decode a google.protobuf.Any: %w", err)
		}
		payload = inner
	}
	url := payload.GetTypeUrl()
	host, name, found := strings.Cut(url, "/")
	var err error
	switch {
	case host+"/" == jsonHost:
		e.Type, e.DataContentType = name, jsonContentType
		e.Data, err = unwrapped(payload)
	case url == stringURL:
		var text string
		text, err = stringCodec.Decode(payload)
		e.Type, e.DataContentType, e.Data = "", textContentType, []byte(text)
	case url == bytesURL:
		e.Type, e.DataContentType = "", bytesContentType
		e.Data, err = unwrapped(payload)
	case host+"/" == primitiveHost: // no content type has the others
		e.Type, e.DataContentType, e.Data = url, AnyContentType, payload.GetValue()
	case !found || name == "":
		err = fmt.Errorf("the payload has the type URL %q, want one such as %spackage.Message", url, protocol.TypeURLPrefix)
	default:
		e.Type, e.DataContentType, e.Data = name, protobufContentType, payload.GetValue()
	}
	return err
}

// unwrapped returns field 1 of a pseudo-message.
func unwrapped(payload *anypb.Any) ([]byte, error) {
	data, err := bytesCodec.Decode(&anypb.Any{TypeUrl: bytesURL, Value: payload.GetValue()})
	if err != nil {
		return nil, fmt.Errorf("decode a %s: %w", payload.GetTypeUrl(), err)
	}
	return data, nil
}
