package frontend

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// hopByHop are headers that concern a connection, or the encoding of a message, and
// not the call (protocol sections 6.2 and 6.4).
var hopByHop = map[string]bool{
	"connection": true, "content-encoding": true, "content-length": true, "content-type": true, "host": true, "keep-alive": true,
	"proxy-authenticate": true, "proxy-authorization": true, "proxy-connection": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// reserved says whether a header, in lower case, is not for components, and not for them
// to set.
func reserved(name string) bool {
	return hopByHop[name] || strings.HasPrefix(name, ":") || strings.HasPrefix(name, "grpc-")
}

// requestMetadata returns the headers of a request, sorted by name, or nil if there are
// none. The names become lower case; text returns the text of a value.
func requestMetadata(header map[string][]string, text func(name, value string) string) *protocol.Metadata {
	var entries []*protocol.MetadataEntry
	for _, original := range slices.Sorted(maps.Keys(header)) {
		name := strings.ToLower(original)
		if reserved(name) {
			continue
		}
		for _, value := range header[original] {
			value = strings.ToValidUTF8(text(name, value), "\uFFFD") // or it could not be encoded
			entries = append(entries, &protocol.MetadataEntry{Key: name, Value: &protocol.MetadataEntry_StringValue{StringValue: value}})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return &protocol.Metadata{Entries: entries}
}

// replyHeaders returns the headers that the metadata of a reply asks for, with names in
// lower case: its text entries, as far as they can be sent.
func replyHeaders(from *protocol.Metadata) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for name, value := range textEntries(from) {
			if !reserved(name) && sendable(name, value) && !yield(name, value) {
				return
			}
		}
	}
}

// textEntries returns the text entries of metadata, with names in lower case.
func textEntries(from *protocol.Metadata) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, entry := range from.GetEntries() {
			text, isText := entry.GetValue().(*protocol.MetadataEntry_StringValue)
			if isText && !yield(strings.ToLower(entry.GetKey()), text.StringValue) {
				return
			}
		}
	}
}

// sendable says whether HTTP can carry a header as text, in any version.
func sendable(name, value string) bool {
	const nameChars = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	isNot := func(allowed func(rune) bool) func(rune) bool { return func(r rune) bool { return !allowed(r) } }
	return name != "" && strings.Trim(name, nameChars) == "" && !strings.HasSuffix(name, "-bin") &&
		!strings.ContainsFunc(value, isNot(func(r rune) bool { return r >= ' ' && r <= '~' }))
}
