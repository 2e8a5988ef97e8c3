package command

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// maxKeptValues is how much memory for values an answer keeps for its next use, in bytes.
const maxKeptValues = 64 << 10

// An Answer is what the client of a command gets, with the messages that it usually
// consists of and memory for the values in it. It is made to be used again once it has
// been sent, so that a command leaves next to nothing to the garbage collector.
//
// The zero value is not usable; use [Answer.Init].
type Answer struct {
	// Action is what is sent.
	Action protocol.ClientAction
	// Values has the encoded values of the answer, one after the other.
	Values []byte

	reply      protocol.ClientAction_Reply
	payload    protocol.Reply
	payloadAny anypb.Any
}

// Init makes a ready for use.
func (a *Answer) Init() {
	a.payload.Payload = &a.payloadAny
	a.reply.Reply = &a.payload
}

// Reset empties a. Nothing that was put into it may be in use any longer.
func (a *Answer) Reset() {
	a.Action.Action = nil
	a.payload.Metadata, a.payloadAny.Value = nil, nil
	if a.Values = a.Values[:0]; cap(a.Values) > maxKeptValues {
		a.Values = nil
	}
}

// Take returns the value that was appended to a.Values. What was taken before stays valid
// even if appending has moved the memory.
func (a *Answer) Take(values []byte) []byte {
	value := values[len(a.Values):len(values):len(values)]
	a.Values = values
	return value
}

// SetReply turns a into a reply, whose payload was appended to a.Values.
func (a *Answer) SetReply(url string, values []byte, metadata *protocol.Metadata) {
	a.payloadAny.TypeUrl, a.payloadAny.Value = url, a.Take(values)
	a.payload.Metadata = metadata
	a.Action.Action = &a.reply
}

// SetForward turns a into a forward.
func (a *Answer) SetForward(forward *protocol.Forward) {
	a.Action.Action = &protocol.ClientAction_Forward{Forward: forward}
}

// SetFailure turns a into a failure.
func (a *Answer) SetFailure(failure *protocol.Failure) {
	a.Action.Action = &protocol.ClientAction_Failure{Failure: failure}
}
