package command

import (
	"bytes"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// anyName is the full name of google.protobuf.Any.
const anyName = "google.protobuf.Any"

// CheckPayload returns an error if payload is not of the input type of m. Only the
// name of the type counts: it may have any prefix. A method that takes
// google.protobuf.Any takes every payload (protocol section 4.5).
func (m *Method) CheckPayload(payload *anypb.Any) error {
	if payload.GetTypeUrl() == m.inputURL {
		return nil
	}
	if name := typeName(payload.GetTypeUrl()); name != string(m.input.FullName()) && m.input.FullName() != anyName {
		return fmt.Errorf("%s: the payload is a %q, want %q", m.FullName, payload.GetTypeUrl(), m.inputURL)
	}
	return nil
}

// DecodePayload decodes a payload that [Method.CheckPayload] accepts into request,
// which generated code has allocated and which shares nothing with it. An Any inside of an
// Any is unwrapped, a bare one is passed on as it is.
func (m *Method) DecodePayload(payload *anypb.Any, request any) error {
	if bare, ok := request.(*anypb.Any); ok && typeName(payload.GetTypeUrl()) != anyName {
		bare.TypeUrl, bare.Value = payload.GetTypeUrl(), bytes.Clone(payload.GetValue())
		return nil
	}
	message, ok := request.(proto.Message)
	if !ok {
		return fmt.Errorf("%s: decode into a %T, which is not a protobuf message", m.FullName, request)
	}
	if err := proto.Unmarshal(payload.GetValue(), message); err != nil { //nolint:forbidigo // this is the codec of requests
		return fmt.Errorf("%s: decode the payload as %s: %w", m.FullName, m.input.FullName(), err)
	}
	return nil
}

// typeName returns the part of a type URL that names the type: what follows the first
// slash, or all of it (protocol section 4.1).
func typeName(url string) string {
	if _, name, ok := strings.Cut(url, "/"); ok {
		return name
	}
	return url
}
