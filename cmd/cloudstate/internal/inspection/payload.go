package inspection

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// A payload is what was stored, in JSON. It has Data if its type is known, and Base64 if not.
type payload struct {
	TypeURL string          `json:"typeUrl"`
	Data    json.RawMessage `json:"data,omitempty"`
	Base64  string          `json:"base64,omitempty"`
}

// A decoder makes JSON of what is stored, with the descriptors of the service that stored it.
type decoder struct {
	types *dynamicpb.Types
	// unknown is called with the type URL of what cannot be decoded, and why.
	unknown func(typeURL string, why error)
}

// newDecoder returns a decoder for what a user function has stored. If the error says what is
// wrong with the descriptors, the decoder knows no messages.
func newDecoder(spec *protocol.EntitySpec, unknown func(string, error)) (*decoder, error) {
	d := &decoder{types: dynamicpb.NewTypes(new(protoregistry.Files)), unknown: unknown}
	var set descriptorpb.FileDescriptorSet
	if err := (proto.UnmarshalOptions{}).Unmarshal(spec.GetProto(), &set); err != nil {
		return d, fmt.Errorf("decode the descriptors of the service: %w", err)
	}
	byName := map[string]*descriptorpb.FileDescriptorProto{} // of several, the last one counts
	for _, file := range set.GetFile() {
		byName[file.GetName()] = file
	}
	addWellKnown(byName)
	set.File = slices.Collect(maps.Values(byName))
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(&set)
	if err != nil {
		return d, fmt.Errorf("link the descriptors of the service: %w", err)
	}
	d.types = dynamicpb.NewTypes(files)
	return d, nil
}

// addWellKnown adds the files of protobuf itself that others import. Not every user function
// sends them, and JSON has forms of its own for their types.
func addWellKnown(byName map[string]*descriptorpb.FileDescriptorProto) {
	for _, file := range slices.Collect(maps.Values(byName)) {
		for _, name := range file.GetDependency() {
			if byName[name] != nil || !strings.HasPrefix(name, "google/protobuf/") {
				continue
			}
			if known, err := protoregistry.GlobalFiles.FindFileByPath(name); err == nil {
				byName[name] = protodesc.ToFileDescriptorProto(known)
			}
		}
	}
}

// encoded returns the payload of an encoded google.protobuf.Any.
func (d *decoder) encoded(data []byte) (*payload, error) {
	var stored anypb.Any
	if err := (proto.UnmarshalOptions{}).Unmarshal(data, &stored); err != nil {
		return nil, fmt.Errorf("it is not an encoded google.protobuf.Any: %w", err)
	}
	shown := d.payload(&stored)
	return &shown, nil
}

// payload returns what was stored. What cannot be decoded is there all the same.
func (d *decoder) payload(stored *anypb.Any) payload {
	p := payload{TypeURL: stored.GetTypeUrl()}
	data, err := d.json(stored)
	if err != nil {
		d.unknown(p.TypeURL, err)
		p.Base64 = base64.StdEncoding.EncodeToString(stored.GetValue())
		return p
	}
	p.Data = data
	return p
}

// Hosts of type URLs of what is no message (protocol section 4.1).
const (
	primitiveHost = "p.cloudstate.io/"
	jsonHost      = "json.cloudstate.io/"
)

func (d *decoder) json(stored *anypb.Any) (json.RawMessage, error) {
	switch url := stored.GetTypeUrl(); {
	case strings.HasPrefix(url, primitiveHost):
		return primitive(stored)
	case strings.HasPrefix(url, jsonHost):
		return document(stored)
	default:
		return d.message(stored)
	}
}

// message returns a protobuf message in its canonical form, with the fields that are not set.
func (d *decoder) message(stored *anypb.Any) (_ json.RawMessage, err error) {
	name := protoreflect.FullName(entity.StoredName(stored.GetTypeUrl()))
	defer func() { // protojson panics if a type of google.protobuf is not what everybody knows
		if recover() != nil {
			err = fmt.Errorf("the descriptors that the service has sent for %s are incomplete or contradict protobuf's own", name)
		}
	}()
	typ, err := d.types.FindMessageByName(name)
	if err != nil {
		return nil, fmt.Errorf("%s is not among the descriptors that the service has sent; a file that it sends must have it, or import the one that has", name)
	}
	message := typ.New().Interface()
	if err := (proto.UnmarshalOptions{Resolver: d.types, AllowPartial: true}).Unmarshal(stored.GetValue(), message); err != nil {
		return nil, fmt.Errorf("it is not an encoded %s", name) // what protobuf says varies on purpose
	}
	text, err := protojson.MarshalOptions{Resolver: d.types, EmitDefaultValues: true, AllowPartial: true}.Marshal(message)
	if err != nil {
		return nil, err
	}
	return compact(text)
}

// primitive returns a primitive; bytes are in base64, as JSON has them.
func primitive(stored *anypb.Any) (json.RawMessage, error) {
	switch strings.TrimPrefix(stored.GetTypeUrl(), primitiveHost) {
	case "string":
		return decoded[string](stored)
	case "bytes":
		return decoded[[]byte](stored)
	case "int32":
		return decoded[int32](stored)
	case "int64":
		return decoded[int64](stored)
	case "float":
		return decoded[float32](stored)
	case "double":
		return decoded[float64](stored)
	case "bool":
		return decoded[bool](stored)
	default:
		return nil, fmt.Errorf("%s is no primitive of protocol 0.2", stored.GetTypeUrl())
	}
}

func decoded[T any](stored *anypb.Any) (json.RawMessage, error) {
	codec, err := entity.NewCodec[T]()
	if err != nil {
		return nil, err
	}
	value, err := codec.Decode(stored)
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// document returns what was stored as JSON, which is in bytes (protocol section 4.3).
func document(stored *anypb.Any) (json.RawMessage, error) {
	codec, err := entity.NewCodec[[]byte]()
	if err != nil {
		return nil, err
	}
	text, err := codec.Decode(&anypb.Any{TypeUrl: codec.TypeURL(), Value: stored.GetValue()})
	if err != nil {
		return nil, err
	}
	return compact(text)
}

// compact removes the space that means nothing, of which protojson makes more or less on
// purpose.
func compact(text []byte) (json.RawMessage, error) {
	var compacted bytes.Buffer
	if err := json.Compact(&compacted, text); err != nil {
		return nil, err
	}
	return compacted.Bytes(), nil
}
