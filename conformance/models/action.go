package models

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/action"
	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/entity"
)

// Action declares ActionTckModel.
var Action = &action.Action{
	Service: &pb.ActionTckModel_ServiceDesc,
	Server:  actionModel{},
}

// actionModel answers as its requests say.
type actionModel struct{ pb.UnsafeActionTckModelServer }

var _ pb.ActionTckModelServer = actionModel{}

// ProcessUnary makes one response of all groups.
func (actionModel) ProcessUnary(ctx context.Context, request *pb.Request) (*pb.Response, error) {
	var steps answerSteps
	if err := steps.take(ctx, request.GetGroups()...); err != nil {
		return nil, err
	}
	return steps.answer(ctx)
}

// ProcessStreamedIn makes one response of all groups of all requests.
func (actionModel) ProcessStreamedIn(stream grpc.ClientStreamingServer[pb.Request, pb.Response]) error {
	var steps answerSteps
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = steps.take(stream.Context(), request.GetGroups()...)
		}
		if err != nil {
			return err
		}
	}
	response, err := steps.answer(stream.Context())
	if err != nil || !steps.reply() {
		return err
	}
	return stream.SendAndClose(response)
}

// ProcessStreamedOut makes a response of each group.
func (actionModel) ProcessStreamedOut(request *pb.Request, stream grpc.ServerStreamingServer[pb.Response]) error {
	return sendAnswers(stream, request)
}

// ProcessStreamed makes a response of each group of each request, before it receives the
// next one.
func (actionModel) ProcessStreamed(stream grpc.BidiStreamingServer[pb.Request, pb.Response]) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = sendAnswers(stream, request)
		}
		if err != nil {
			return err
		}
	}
}

// sendAnswers sends a response for each group.
func sendAnswers(stream grpc.ServerStreamingServer[pb.Response], request *pb.Request) error {
	for _, group := range request.GetGroups() {
		var steps answerSteps
		err := steps.take(stream.Context(), group)
		if err == nil {
			err = steps.send(stream)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// answerSteps are the steps that make one response. The zero value has none.
type answerSteps struct {
	last *pb.ProcessStep // of those that answer
}

// take asks for the side effects of groups, and remembers how they answer.
func (s *answerSteps) take(ctx context.Context, groups ...*pb.ProcessGroup) error {
	for _, group := range groups {
		for _, step := range group.GetSteps() {
			effect := step.GetEffect()
			if effect == nil {
				s.last = step
				continue
			}
			if _, err := pb.NewActionTwoClient(effectOf(ctx, effect)).Call(ctx, &pb.OtherRequest{Id: effect.GetId()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// reply reports whether the answer is a reply.
func (s *answerSteps) reply() bool { return s.last.GetReply() != nil }

// answer returns the answer as a handler with one reply returns it.
func (s *answerSteps) answer(ctx context.Context) (*pb.Response, error) {
	switch step := s.last.GetStep().(type) {
	case *pb.ProcessStep_Reply:
		return &pb.Response{Message: step.Reply.GetMessage()}, nil
	case *pb.ProcessStep_Forward:
		return pb.NewActionTwoClient(entity.Forward(ctx)).Call(ctx, &pb.OtherRequest{Id: step.Forward.GetId()})
	case *pb.ProcessStep_Fail:
		return nil, errors.New(step.Fail.GetMessage())
	default:
		return nil, nil //nolint:nilnil // an answer without a reply
	}
}

// send sends the answer as the next element of a stream.
func (s *answerSteps) send(stream grpc.ServerStreamingServer[pb.Response]) error {
	response, err := s.answer(stream.Context())
	switch {
	case s.last.GetForward() != nil: // was sent by entity.Forward
		return err
	case err != nil:
		return action.SendFailure(stream, err)
	default:
		return stream.Send(response)
	}
}
