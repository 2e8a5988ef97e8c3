package proxy

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// handle carries out a call of a client. The front end lets none in before the
// services are published.
func (p *Proxy) handle(call frontend.Call) error {
	ctx, method := call.Context(), call.Method()
	command := &routing.Command{Method: method}
	next := func() (*anypb.Any, error) {
		request, err := call.Recv()
		if err != nil {
			return nil, err
		}
		return &anypb.Any{TypeUrl: method.InputURL, Value: request}, nil
	}
	if method.Descriptor.IsStreamingClient() {
		command.Requests = next
	} else {
		payload, err := next()
		if err != nil {
			return err
		}
		command.Payload = payload
	}
	if p.EntityMetadata || method.Service.EntityType == spec.Action {
		command.Metadata = requestMetadata(ctx)
	}
	first := true
	return p.running.Load().router.Call(ctx, command, func(reply *protocol.Reply) error {
		if header := replyHeader(reply.GetMetadata()); first && len(header) > 0 {
			if err := grpc.SetHeader(ctx, header); err != nil {
				return err
			}
		}
		first = false // later ones come after the headers
		return call.Send(reply.GetPayload().GetValue())
	})
}

// hopByHop are headers that concern a connection, or the encoding of a message, and
// not the call (protocol sections 6.2 and 6.4).
var hopByHop = map[string]bool{
	"connection": true, "content-length": true, "content-type": true, "host": true, "keep-alive": true,
	"proxy-connection": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// reserved says whether a header, in lower case, is not for entities, and not for them
// to set.
func reserved(name string) bool {
	return hopByHop[name] || strings.HasPrefix(name, ":") || strings.HasPrefix(name, "grpc-")
}

// requestMetadata returns the headers of a call, sorted by name, or nil if there are
// none. Binary headers are text in base64, as on the wire.
func requestMetadata(ctx context.Context) *protocol.Metadata {
	header, _ := metadata.FromIncomingContext(ctx)
	var entries []*protocol.MetadataEntry
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if reserved(name) {
			continue
		}
		for _, value := range header[name] {
			if strings.HasSuffix(name, "-bin") {
				value = base64.RawStdEncoding.EncodeToString([]byte(value))
			}
			value = strings.ToValidUTF8(value, "\uFFFD") // or it could not be encoded
			entries = append(entries, &protocol.MetadataEntry{Key: name, Value: &protocol.MetadataEntry_StringValue{StringValue: value}})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return &protocol.Metadata{Entries: entries}
}

// replyHeader returns the headers that the metadata of a reply asks for: its text
// entries, as far as they can be sent.
func replyHeader(from *protocol.Metadata) metadata.MD {
	header := metadata.MD{}
	for _, entry := range from.GetEntries() {
		text, isText := entry.GetValue().(*protocol.MetadataEntry_StringValue)
		name := strings.ToLower(entry.GetKey())
		if isText && !reserved(name) && sendable(name, text.StringValue) {
			header.Append(name, text.StringValue)
		}
	}
	return header
}

// sendable says whether HTTP/2 can carry a header as text.
func sendable(name, value string) bool {
	const nameChars = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	isNot := func(allowed func(rune) bool) func(rune) bool { return func(r rune) bool { return !allowed(r) } }
	return name != "" && strings.Trim(name, nameChars) == "" && !strings.HasSuffix(name, "-bin") &&
		!strings.ContainsFunc(value, isNot(func(r rune) bool { return r >= ' ' && r <= '~' }))
}
