// Package transcode turns HTTP requests into the messages of methods, and replies into
// JSON (protocol sections 8.4 and 8.5). It knows messages from their descriptors only.
//
//	t := transcode.New(spec.Files)
//	message, err := t.Request(method, binding, request) // bytes, as gRPC would bring them
//	body, err := t.Reply(method, binding, reply)
package transcode

import (
	"strings"
	"unicode"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A Transcoder knows the types of a user function, so that google.protobuf.Any may have
// each of them. It may be used concurrently.
type Transcoder struct {
	types *dynamicpb.Types

	// How replies are printed: as a whole, and as part of a list.
	whole, part protojson.MarshalOptions
	parse       protojson.UnmarshalOptions
	decode      proto.UnmarshalOptions
	encode      proto.MarshalOptions
}

// New returns a transcoder for the types in files, which must not change any more.
func New(files *protoregistry.Files) *Transcoder {
	types := dynamicpb.NewTypes(files)
	return &Transcoder{
		types:  types,
		whole:  protojson.MarshalOptions{EmitDefaultValues: true, AllowPartial: true, Resolver: types},
		part:   protojson.MarshalOptions{AllowPartial: true, Resolver: types},
		parse:  protojson.UnmarshalOptions{AllowPartial: true, Resolver: types}, // what is missing may be in the path
		decode: proto.UnmarshalOptions{AllowPartial: true, Resolver: types},
		encode: proto.MarshalOptions{Deterministic: true},
	}
}

// httpBody has the fields of google.api.HttpBody.
type httpBody struct{ contentType, data protoreflect.FieldDescriptor }

// asHTTPBody returns the fields of a message that is google.api.HttpBody, whose content is
// what HTTP carries, instead of JSON.
func asHTTPBody(message protoreflect.MessageDescriptor) (fields httpBody, ok bool) {
	if message == nil || message.FullName() != "google.api.HttpBody" {
		return httpBody{}, false
	}
	fields = httpBody{contentType: message.Fields().ByName("content_type"), data: message.Fields().ByName("data")}
	return fields, isSingular(fields.contentType, protoreflect.StringKind) && isSingular(fields.data, protoreflect.BytesKind)
}

// isSingular says whether a field is there, of a kind, and not repeated.
func isSingular(field protoreflect.FieldDescriptor, kind protoreflect.Kind) bool {
	return field != nil && field.Kind() == kind && field.Cardinality() != protoreflect.Repeated
}

// because returns the text of an error of the protobuf library, without its prefix, whose
// white space is random.
func because(err error) string {
	text, _ := strings.CutPrefix(err.Error(), "proto:")
	return strings.TrimLeftFunc(text, unicode.IsSpace)
}
