package testkit

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// watchCall is an interceptor of the unary methods of the protocol.
func (k *Kit) watchCall(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	command, ok := req.(*actionpb.ActionCommand)
	if !ok || info.FullMethod != actionpb.ActionProtocol_HandleUnary_FullMethodName {
		return handler(ctx, req)
	}
	l := newLink(k, nil)
	defer l.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.cut, cancel)() //nolint:contextcheck // it says when, and has nothing else
	o := k.newActionOutcome(command)
	out, err := handler(ctx, req) // and wait for it, because the memory of req is used again
	if l.severed() {
		return nil, errBroken
	}
	if response, ok := out.(*actionpb.ActionResponse); ok {
		o.respond(response)
		k.outcomes.add(o)
	}
	return out, err
}

func (k *Kit) newActionOutcome(c *actionpb.ActionCommand) *Outcome {
	return &Outcome{
		Method:   "/" + c.GetServiceName() + "/" + c.GetName(),
		Request:  message(c.GetPayload()),
		Metadata: header(c.GetMetadata()),
		tb:       k.tb,
		place:    c.GetServiceName() + ": " + c.GetName(),
	}
}

// respond adds what a response has.
func (o *Outcome) respond(response *actionpb.ActionResponse) {
	action := &protocol.ClientAction{}
	switch r := response.GetResponse().(type) {
	case *actionpb.ActionResponse_Reply:
		action.Action = &protocol.ClientAction_Reply{Reply: r.Reply}
	case *actionpb.ActionResponse_Forward:
		action.Action = &protocol.ClientAction_Forward{Forward: r.Forward}
	case *actionpb.ActionResponse_Failure:
		action.Action = &protocol.ClientAction_Failure{Failure: r.Failure}
	}
	o.reply(action, response.GetSideEffects())
}

// actionSession is the session of a streamed call of an action, whose handler may send while
// it receives.
type actionSession struct {
	kit *Kit

	mu      sync.Mutex
	outcome *Outcome // nil before the first message
	added   bool
}

func (s *actionSession) received(in proto.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	command, _ := in.(*actionpb.ActionCommand)
	if s.outcome == nil {
		s.outcome = s.kit.newActionOutcome(command)
		return
	}
	request := message(command.GetPayload())
	s.kit.outcomes.change(func() { s.outcome.Request = request })
}

func (s *actionSession) sent(out proto.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	response, _ := out.(*actionpb.ActionResponse)
	if s.outcome == nil {
		return // an answer to nothing
	}
	s.kit.outcomes.change(func() { s.outcome.respond(response) })
	s.add()
}

func (s *actionSession) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add()
}

// add adds the outcome, once. The caller holds the lock.
func (s *actionSession) add() {
	if s.outcome != nil && !s.added {
		s.added = true
		s.kit.outcomes.add(s.outcome)
	}
}
