package action

import (
	"sync"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// maxKeptValue is how much memory for a value a response keeps for its next use, in bytes.
const maxKeptValue = 64 << 10

// A response is a message to the proxy, with memory for what it usually consists of. It is
// used again once it has been sent.
type response struct {
	message actionpb.ActionResponse

	oneof   actionpb.ActionResponse_Reply
	reply   protocol.Reply
	payload anypb.Any
	value   []byte
}

var responses = sync.Pool{New: func() any {
	r := &response{}
	r.reply.Payload = &r.payload
	r.oneof.Reply = &r.reply
	return r
}}

// acquireResponse returns a response with nothing in it. Whoever has it frees it.
func acquireResponse() *response {
	return responses.Get().(*response) //nolint:errcheck // the pool has nothing else
}

// Message implements wire.Reply.
func (r *response) Message() any { return &r.message }

// Free lets r be used again. Nothing that was put into it may be in use any longer.
func (r *response) Free() {
	r.message.Response, r.message.SideEffects = nil, nil
	r.reply.Metadata, r.payload.Value = nil, nil
	if r.value = r.value[:0]; cap(r.value) > maxKeptValue {
		r.value = nil
	}
	responses.Put(r)
}

// setReply makes r a reply, whose payload was appended to r.value.
func (r *response) setReply(url string, value []byte) {
	r.value = value
	r.payload.TypeUrl, r.payload.Value = url, value
	r.message.Response = &r.oneof
}

// isReply reports whether r is a reply.
func (r *response) isReply() bool { return r.message.GetReply() != nil }

// setMetadata sets the metadata of a reply; nil for none.
func (r *response) setMetadata(metadata *protocol.Metadata) { r.reply.Metadata = metadata }

func (r *response) setForward(forward *protocol.Forward) {
	r.message.Response = &actionpb.ActionResponse_Forward{Forward: forward}
}

func (r *response) setFailure(failure *protocol.Failure) {
	r.message.Response = &actionpb.ActionResponse_Failure{Failure: failure}
}
