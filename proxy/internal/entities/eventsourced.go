package entities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// NewEventSourced returns the runners of event sourced entities, none of them active.
// When the context ends, every command is answered with UNAVAILABLE and all runners end
// without waiting for the user function. Close must be called in any case.
func NewEventSourced(ctx context.Context, config Config) *Runners {
	return newRunners(ctx, &eventSourced{
		userFunction: eventsourcedpb.NewEventSourcedClient(config.UserFunction),
		journal:      config.Journal,
	}, config)
}

// eventSourced is the kind whose state is a journal of events (protocol section 3.3).
type eventSourced struct {
	userFunction eventsourcedpb.EventSourcedClient
	journal      store.Journal
}

func (k *eventSourced) texts() *texts { return &eventSourcedTexts }

func (k *eventSourced) open(ctx context.Context, of entity) (stream, error) {
	wire, err := k.userFunction.Handle(ctx)
	if err != nil {
		return nil, err
	}
	return &eventSourcedStream{EventSourced_HandleClient: wire, entity: of, journal: k.journal}, nil
}

// An eventSourcedStream is an activation of an event sourced entity.
type eventSourcedStream struct {
	eventsourcedpb.EventSourced_HandleClient
	entity

	journal store.Journal
	head    store.Head
}

func (s *eventSourcedStream) command(command *protocol.Command) error {
	return s.Send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Command{Command: command}})
}

func (s *eventSourcedStream) receive() output {
	message, err := s.Recv()
	out := output{message: message, failure: message.GetFailure(), err: err}
	if reply := message.GetReply(); reply != nil {
		out.answer = s.answer(reply)
	}
	return out
}

// answer returns what a reply says. A failure changes nothing.
func (s *eventSourcedStream) answer(reply *eventsourcedpb.EventSourcedReply) *answer {
	failure := reply.GetClientAction().GetFailure()
	events, snapshot := len(reply.GetEvents()), reply.GetSnapshot()
	a := &answer{
		command:  reply.GetCommandId(),
		response: routing.Response{Action: reply.GetClientAction(), SideEffects: reply.GetSideEffects()},
		restart:  failure.GetRestart(),
	}
	switch {
	case failure != nil && (events > 0 || snapshot != nil):
		a.violation = errors.New("the reply is a failure, but has events or a snapshot; they were ignored")
	case events == 0 && snapshot != nil:
		a.violation = errors.New("the reply has a snapshot, but no events; the snapshot was ignored")
	case failure == nil && events > 0:
		a.commit = func(ctx context.Context) error { return s.append(ctx, reply) }
	}
	return a
}

// append stores the events of a reply, with its snapshot.
func (s *eventSourcedStream) append(ctx context.Context, reply *eventsourcedpb.EventSourcedReply) error {
	request := store.Append{
		Key:      s.key(),
		Expected: s.head,
		Events:   make([][]byte, len(reply.GetEvents())),
		OpID:     store.OpID(uuid.New()),
	}
	for i, event := range reply.GetEvents() {
		data, err := proto.Marshal(event)
		if err != nil {
			return fmt.Errorf("encode event %d: %w", i+1, err)
		}
		request.Events[i] = data
	}
	if reply.GetSnapshot() != nil {
		data, err := proto.Marshal(reply.GetSnapshot())
		if err != nil {
			return fmt.Errorf("encode the snapshot: %w", err)
		}
		request.Snapshot = data
	}
	start := s.Service.Meter.Start()
	head, err := s.journal.Append(ctx, request)
	if errors.Is(err, store.ErrUnknown) {
		head, err = resolve(ctx, err, func() (store.Head, bool, error) {
			return s.journal.Resolve(ctx, request.Key, request.OpID)
		})
	}
	if err != nil {
		return fmt.Errorf("store %d events: %w", len(request.Events), err)
	}
	s.head = head
	s.persisted(request, start)
	return nil
}

// persisted tells the meter what has been stored.
func (s *eventSourcedStream) persisted(request store.Append, start time.Time) {
	size := 0
	for _, event := range request.Events {
		size += len(event)
	}
	s.Service.Meter.Time(observe.Persisted, start)
	s.Service.Meter.Size(observe.PersistedEvents, len(request.Events), size)
	if request.Snapshot != nil {
		s.Service.Meter.Size(observe.PersistedSnapshots, 1, len(request.Snapshot))
	}
}
