package command

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// binarySuffix marks the keys of binary metadata in gRPC.
const binarySuffix = "-bin"

// WithMetadata returns ctx with the metadata of a command as gRPC's incoming metadata.
func WithMetadata(ctx context.Context, m *protocol.Metadata) context.Context {
	if len(m.GetEntries()) == 0 {
		return ctx
	}
	return metadata.NewIncomingContext(ctx, MD(m))
}

// MD returns the metadata of the protocol as gRPC has it: keys in lower case, bytes under keys
// that end in "-bin".
func MD(m *protocol.Metadata) metadata.MD {
	md := make(metadata.MD, len(m.GetEntries()))
	for _, e := range m.GetEntries() {
		key := strings.ToLower(e.GetKey())
		switch v := e.GetValue().(type) {
		case *protocol.MetadataEntry_StringValue:
			md[key] = append(md[key], textValue(key, v.StringValue))
		case *protocol.MetadataEntry_BytesValue:
			if !strings.HasSuffix(key, binarySuffix) {
				key += binarySuffix
			}
			md[key] = append(md[key], string(v.BytesValue))
		}
	}
	return md
}

// textValue returns the value of a text entry as gRPC has it. Proxies send binary headers in
// base64, as they are on the wire (protocol section 6.2), with or without padding.
func textValue(key, text string) string {
	if !strings.HasSuffix(key, binarySuffix) {
		return text
	}
	if decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=")); err == nil {
		return string(decoded)
	}
	return text
}

// toMetadata returns gRPC metadata as that of the protocol, sorted by key, and nil if
// there is none. Values of keys that end in "-bin" become bytes.
func toMetadata(md metadata.MD) *protocol.Metadata {
	if len(md) == 0 {
		return nil
	}
	m := &protocol.Metadata{}
	for _, key := range slices.Sorted(maps.Keys(md)) {
		for _, value := range md[key] {
			entry := &protocol.MetadataEntry{Key: key}
			if strings.HasSuffix(key, binarySuffix) {
				entry.Value = &protocol.MetadataEntry_BytesValue{BytesValue: []byte(value)}
			} else {
				entry.Value = &protocol.MetadataEntry_StringValue{StringValue: value}
			}
			m.Entries = append(m.Entries, entry)
		}
	}
	return m
}

// checkMetadata returns an error if md is not what the protocol can carry. Without it, the
// message that the metadata is part of could not be sent, and nobody would know why.
func checkMetadata(md metadata.MD) error {
	for key, values := range md {
		if !utf8.ValidString(key) {
			return fmt.Errorf("the metadata key %q is not valid UTF-8", key)
		}
		for _, value := range values {
			if !strings.HasSuffix(key, binarySuffix) && !utf8.ValidString(value) {
				return fmt.Errorf("the metadata %s: %q is not valid UTF-8; a key for bytes ends in %q", key, value, binarySuffix)
			}
		}
	}
	return nil
}
