package entities

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// NewValueEntities returns the runners of value entities, in the way of
// [NewEventSourced].
func NewValueEntities(ctx context.Context, config Config) *Runners {
	return newRunners(ctx, &valueEntities{
		userFunction: valueentitypb.NewValueEntityClient(config.UserFunction),
		values:       config.Values,
	}, config)
}

// valueEntities is the kind whose state is one value (protocol section 3.4).
type valueEntities struct {
	userFunction valueentitypb.ValueEntityClient
	values       store.Values
}

var valueTexts = texts{
	reply:       "Unexpected Value entity reply",
	failure:     "Unexpected Value entity failure",
	message:     "Unexpected Value entity failure",
	termination: "Unexpected Value entity termination",
	recovery:    "Unexpected Value entity failure",
	queued:      "Value entity terminated",
}

func (k *valueEntities) texts() *texts { return &valueTexts }

func (k *valueEntities) open(ctx context.Context, of entity) (stream, error) {
	wire, err := k.userFunction.Handle(ctx)
	if err != nil {
		return nil, err
	}
	return &valueStream{ValueEntity_HandleClient: wire, entity: of, values: k.values}, nil
}

// A valueStream is an activation of a value entity.
type valueStream struct {
	valueentitypb.ValueEntity_HandleClient
	entity

	values  store.Values
	version store.Version
}

// recover sends the stored value.
func (s *valueStream) recover(ctx context.Context) error {
	stored, err := s.values.Get(ctx, s.key())
	if err != nil {
		return fmt.Errorf("load the value of %v: %w", s.key(), err)
	}
	state := &valueentitypb.ValueEntityInitState{}
	if stored.Exists {
		state.Value = new(anypb.Any)
		if err := (proto.UnmarshalOptions{}).Unmarshal(stored.Data, state.GetValue()); err != nil {
			return fmt.Errorf("load the value of %v: it is not an encoded google.protobuf.Any: %w", s.key(), err)
		}
		s.Service.Meter.Size(observe.LoadedValues, 1, len(stored.Data))
	}
	s.version = stored.Version
	err = s.Send(&valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Init{
		Init: &valueentitypb.ValueEntityInit{ServiceName: s.Service.Name, EntityId: s.ID, State: state},
	}})
	if err != nil {
		return sendError{err}
	}
	return nil
}

func (s *valueStream) command(command *protocol.Command) error {
	return s.Send(&valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Command{Command: command}})
}

func (s *valueStream) receive() output {
	message, err := s.Recv()
	out := output{message: message, failure: message.GetFailure(), err: err}
	if reply := message.GetReply(); reply != nil {
		out.answer = s.answer(reply)
	}
	return out
}

// answer returns what a reply says. A failure changes nothing, and restarts
// nothing.
func (s *valueStream) answer(reply *valueentitypb.ValueEntityReply) *answer {
	a := &answer{
		command:  reply.GetCommandId(),
		response: routing.Response{Action: reply.GetClientAction(), SideEffects: reply.GetSideEffects()},
	}
	action := reply.GetStateAction().GetAction()
	switch {
	case action == nil:
	case reply.GetClientAction().GetFailure() != nil:
		a.violation = errors.New("the reply is a failure, but has a state action; it was ignored")
	default:
		a.commit = func(ctx context.Context) error { return s.apply(ctx, reply.GetStateAction()) }
	}
	return a
}

// apply stores a new value, or deletes the one that there is.
func (s *valueStream) apply(ctx context.Context, action *valueentitypb.ValueEntityAction) error {
	start := s.Service.Meter.Start()
	w := store.Write{Key: s.key(), Expected: s.version, OpID: store.OpID(uuid.New())}
	version, size, err := s.write(ctx, w, action)
	if errors.Is(err, store.ErrUnknown) {
		version, err = resolve(ctx, err, func() (store.Version, bool, error) { return s.values.ResolveWrite(ctx, w) })
	}
	if err != nil {
		return fmt.Errorf("store the state: %w", err)
	}
	s.version = version
	s.Service.Meter.Time(observe.Persisted, start)
	if action.GetDelete() != nil {
		s.Service.Meter.Count(observe.DeletedValues)
	} else {
		s.Service.Meter.Size(observe.PersistedValues, 1, size)
	}
	return nil
}

// write asks the store once. It returns how many bytes it has stored, too.
func (s *valueStream) write(ctx context.Context, w store.Write, action *valueentitypb.ValueEntityAction) (store.Version, int, error) {
	update, isUpdate := action.GetAction().(*valueentitypb.ValueEntityAction_Update)
	if !isUpdate {
		version, err := s.values.Delete(ctx, w)
		return version, 0, err
	}
	value := update.Update.GetValue()
	if value == nil {
		return 0, 0, errors.New("the reply has an update without a value, want one; to remove the state, send a delete")
	}
	data, err := proto.Marshal(value)
	if err != nil {
		return 0, 0, fmt.Errorf("encode the value: %w", err)
	}
	version, err := s.values.Put(ctx, w, data)
	return version, len(data), err
}
