package entity

import (
	"context"
	"strings"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// Metadata accompanies a command: entries of text or bytes, in order, in which a key may
// occur more than once. Keys are found without regard to case. The zero value has no
// entries. It does not change.
//
// For what is text, metadata.FromIncomingContext of gRPC does as well.
type Metadata struct {
	entries []*protocol.MetadataEntry
}

// MetadataOf returns the metadata of the command that ctx belongs to. It has no entries if
// the proxy sends none, which is usual for entities, or if ctx does not come from a
// command. With streamed requests it is that of the last request received that had some.
func MetadataOf(ctx context.Context) Metadata {
	if c := command.FromContext(ctx); c != nil {
		return Metadata{entries: c.Metadata().GetEntries()}
	}
	return Metadata{}
}

// Keys returns the keys in order of their first entries, each once, as they are spelled
// there.
func (m Metadata) Keys() []string {
	keys := make([]string, 0, len(m.entries))
	seen := map[string]bool{}
	for _, e := range m.entries {
		if lower := strings.ToLower(e.GetKey()); !seen[lower] {
			seen[lower] = true
			keys = append(keys, e.GetKey())
		}
	}
	return keys
}

// Has reports whether there is an entry for key, of text or bytes.
func (m Metadata) Has(key string) bool {
	for _, e := range m.entries {
		if strings.EqualFold(e.GetKey(), key) {
			return true
		}
	}
	return false
}

// Get returns the first text for key, or "".
func (m Metadata) Get(key string) string {
	if all := m.GetAll(key); len(all) > 0 {
		return all[0]
	}
	return ""
}

// GetAll returns all texts for key, in order.
func (m Metadata) GetAll(key string) []string {
	return collect(m, key, func(e *protocol.MetadataEntry) (string, bool) {
		_, ok := e.GetValue().(*protocol.MetadataEntry_StringValue)
		return e.GetStringValue(), ok
	})
}

// GetBinary returns the first bytes for key, or nil. They must not be changed.
func (m Metadata) GetBinary(key string) []byte {
	if all := m.GetBinaryAll(key); len(all) > 0 {
		return all[0]
	}
	return nil
}

// GetBinaryAll returns all bytes for key, in order. They must not be changed.
func (m Metadata) GetBinaryAll(key string) [][]byte {
	return collect(m, key, func(e *protocol.MetadataEntry) ([]byte, bool) {
		_, ok := e.GetValue().(*protocol.MetadataEntry_BytesValue)
		return e.GetBytesValue(), ok
	})
}

// collect returns the values of one type for key.
func collect[V any](m Metadata, key string, value func(*protocol.MetadataEntry) (V, bool)) []V {
	var values []V
	for _, e := range m.entries {
		if !strings.EqualFold(e.GetKey(), key) {
			continue
		}
		if v, ok := value(e); ok {
			values = append(values, v)
		}
	}
	return values
}
