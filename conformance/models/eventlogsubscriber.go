package models

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/action"
	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/eventlogmodel"
	"github.com/cloudstate-go/cloudstate/entity"
)

// EventLogSubscriber declares EventLogSubscriberModel.
var EventLogSubscriber = &action.Action{
	Service: &pb.EventLogSubscriberModel_ServiceDesc,
	Server:  eventLogSubscriber{},
}

// eventLogSubscriber gets the events of [EventSourcedOne] and [EventSourcedJSON].
type eventLogSubscriber struct {
	pb.UnsafeEventLogSubscriberModelServer
}

var _ pb.EventLogSubscriberModelServer = eventLogSubscriber{}

// ProcessEventOne replies or forwards.
func (eventLogSubscriber) ProcessEventOne(ctx context.Context, event *pb.EventOne) (*pb.Response, error) {
	return answerStep(ctx, event.GetStep())
}

// ProcessEventTwo replies or forwards for each step.
func (eventLogSubscriber) ProcessEventTwo(event *pb.EventTwo, stream grpc.ServerStreamingServer[pb.Response]) error {
	for _, step := range event.GetStep() {
		response, err := answerStep(stream.Context(), step)
		if err == nil && step.GetForward() == nil { // a forward was sent by entity.Forward
			err = stream.Send(response)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Effect replies with what it was called with.
func (eventLogSubscriber) Effect(_ context.Context, request *pb.EffectRequest) (*pb.Response, error) {
	return &pb.Response{Id: request.GetId(), Message: request.GetMessage()}, nil
}

// ProcessAnyEvent replies with the message of a JSON event.
func (eventLogSubscriber) ProcessAnyEvent(ctx context.Context, event *anypb.Any) (*pb.Response, error) {
	codec, err := entity.NewCodec[jsonEvent](entity.JSON(jsonEventName))
	if err != nil {
		return nil, err
	}
	decoded, err := codec.Decode(event)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &pb.Response{Id: subject(ctx), Message: decoded.Message}, nil
}

// answerStep does what a step says.
func answerStep(ctx context.Context, step *pb.ProcessStep) (*pb.Response, error) {
	switch s := step.GetStep().(type) {
	case *pb.ProcessStep_Reply:
		return &pb.Response{Id: subject(ctx), Message: s.Reply.GetMessage()}, nil
	case *pb.ProcessStep_Forward:
		return pb.NewEventLogSubscriberModelClient(entity.Forward(ctx)).Effect(ctx, &pb.EffectRequest{Id: subject(ctx), Message: s.Forward.GetMessage()})
	default:
		return nil, fmt.Errorf("the step %v is neither a reply nor a forward", step)
	}
}

// subject returns the id of the entity that has emitted the event. An event that was sent
// without metadata has none.
func subject(ctx context.Context) string { return entity.MetadataOf(ctx).Get("ce-subject") }
