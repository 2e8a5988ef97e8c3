package eventsourced

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// replyFrame holds the messages that every reply consists of, so that they are allocated
// at once.
type replyFrame struct {
	out         eventsourcedpb.EventSourcedStreamOut
	message     eventsourcedpb.EventSourcedStreamOut_Reply
	reply       eventsourcedpb.EventSourcedReply
	action      protocol.ClientAction
	actionReply protocol.ClientAction_Reply
	payload     protocol.Reply
}

// replyOut returns a reply with a payload, and its inner part to be completed.
func replyOut(commandID int64, payload *anypb.Any, metadata *protocol.Metadata) (*eventsourcedpb.EventSourcedStreamOut, *eventsourcedpb.EventSourcedReply) {
	f := &replyFrame{}
	f.payload.Payload, f.payload.Metadata = payload, metadata
	f.actionReply.Reply = &f.payload
	f.action.Action = &f.actionReply
	f.reply.CommandId, f.reply.ClientAction = commandID, &f.action
	f.message.Reply = &f.reply
	f.out.Message = &f.message
	return &f.out, &f.reply
}

// failureOut returns a reply that tells the client of a failure. The entity lives on.
func failureOut(commandID int64, failure *protocol.Failure) *eventsourcedpb.EventSourcedStreamOut {
	return &eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Reply{
		Reply: &eventsourcedpb.EventSourcedReply{
			CommandId:    commandID,
			ClientAction: &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: failure}},
		},
	}}
}

// faultOut returns the failure that ends a stream.
func faultOut(f *fault) *eventsourcedpb.EventSourcedStreamOut {
	return &eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Failure{Failure: f.failure()}}
}
