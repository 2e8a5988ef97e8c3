package conformance

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// explicitDefault is the empty string as it must not be written.
var explicitDefault = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "")

// onRegister changes the values of registers that come from the proxy.
func onRegister(change func(value *anypb.Any)) mutation {
	return onDelta(func(delta *crdtpb.CrdtDelta) {
		if delta.GetLwwregister() != nil {
			change(delta.GetLwwregister().GetValue())
		}
	})
}

var encodingMutations = mutations{
	"P-160": {"an empty string is written": onUpdate(func(delta *crdtpb.CrdtDelta) {
		for _, value := range append(delta.GetGset().GetAdded(), delta.GetLwwregister().GetValue()) {
			if value != nil && len(value.GetValue()) == 0 {
				value.Value = explicitDefault
			}
		}
	})},
	"P-161": {
		"an explicit default is text": onRegister(func(value *anypb.Any) {
			if bytes.Equal(value.GetValue(), explicitDefault) {
				value.Value = packString("default").GetValue()
			}
		}),
		"text is not UTF-8": onUpdate(func(delta *crdtpb.CrdtDelta) {
			value := delta.GetLwwregister().GetValue()
			value.Value = bytes.ReplaceAll(value.GetValue(), []byte("ü"), []byte{0xfc})
		}),
	},
	"P-162": {
		"the first field is read": onRegister(func(value *anypb.Any) {
			if bytes.Contains(value.GetValue(), []byte("skipped")) {
				value.Value = packString("skipped").GetValue()
			}
		}),
		"an unknown primitive is an empty string": onRegister(func(value *anypb.Any) {
			if value.GetTypeUrl() != stringURL {
				value.TypeUrl, value.Value = stringURL, nil
			}
		}),
	},
	"P-163": {
		"the document without a field": eachESReply(func(r *esAnswer) {
			for _, event := range r.GetEvents() {
				event.Value = event.GetValue()[2:]
			}
		}),
		"the type of a message": eachESReply(func(r *esAnswer) {
			for _, event := range r.GetEvents() {
				event.TypeUrl = "type.googleapis.com/JsonEvent"
			}
		}),
		"the document has the name of the language": eachESReply(func(r *esAnswer) {
			for _, event := range r.GetEvents() {
				event.Value = bytes.Replace(event.GetValue(), []byte("message"), []byte("Message"), 1)
			}
		}),
		"only types that the language knows are read": inEach(func(m proto.Message) {
			if c, ok := m.(*actionpb.ActionCommand); ok && c.GetPayload().GetTypeUrl() == jsonEvent("").GetTypeUrl() {
				c.Payload = &anypb.Any{}
			}
		}),
	},
	"P-164": {"elements are encoded anew": onDelta(func(delta *crdtpb.CrdtDelta) {
		for _, element := range delta.GetOrset().GetAdded() {
			element.Value = protowire.AppendVarint(protowire.AppendTag(element.GetValue(), 2, protowire.VarintType), 0)
		}
	})},
}
