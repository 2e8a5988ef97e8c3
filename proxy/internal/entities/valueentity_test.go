package entities_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/entities"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

// askValue sends a question to a value entity.
func (f *fixture) askValue(id, text string) *call {
	return f.callService(f.ctx, scripted.Value, scripted.Question(id, text))
}

// openValue lets a value entity answer its first command, and returns its stream and
// the state that it got.
func (f *fixture) openValue(id string) (*scripted.ValueStream, *valueentitypb.ValueEntityInitState) {
	f.t.Helper()
	c := f.askValue(id, "hello")
	stream := f.AcceptValue()
	state := stream.RequireInit(id)
	stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("hello"), nil)
	c.requireAnswer("hello")
	return stream, state
}

// passivateValue passivates a value entity.
func (f *fixture) passivateValue(id string, stream *scripted.ValueStream) {
	f.t.Helper()
	done := make(chan error, 1)
	go func() { done <- f.valued.Passivate(f.ctx, f.spec.Service(scripted.Value), id) }()
	stream.Close()
	require.NoError(f.t, <-done)
}

// valueKey is the key of the value entity u1.
var valueKey = store.Key{Type: scripted.PersistenceID(scripted.Value), ID: "u1"}

// requireStored requires that this is the stored value of the entity u1, nil for none.
func (f *fixture) requireStored(want *anypb.Any) {
	f.t.Helper()
	value, err := f.stored.Get(f.ctx, valueKey)
	require.NoError(f.t, err)
	require.Equal(f.t, want != nil, value.Exists)
	if want != nil {
		require.Equal(f.t, encode(f.t, want), value.Data)
	}
}

// store stores a value of the entity u1, past the proxy.
func (f *fixture) store(data []byte) {
	f.t.Helper()
	value, err := f.stored.Get(f.ctx, valueKey)
	require.NoError(f.t, err)
	w := store.Write{Key: valueKey, Expected: value.Version, OpID: store.OpID(uuid.New())}
	_, err = f.stored.Put(f.ctx, w, data)
	require.NoError(f.t, err)
}

// P-070, P-020, P-021.
func TestValueEntity_GetsItsStateAndThenCommands(t *testing.T) {
	t.Parallel()
	tests := map[string]*anypb.Any{
		"without a value":     nil,
		"with a value":        scripted.Event("state"),
		"with an empty value": {},
	}
	for name, value := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			if value != nil {
				f.store(encode(t, value))
			}
			c := f.askValue("u1", "one")
			stream := f.AcceptValue()
			state := stream.RequireInit("u1")
			require.True(t, proto.Equal(&valueentitypb.ValueEntityInitState{Value: value}, state), "got %v", state)
			command := stream.RequireCommand(1, "Ask")
			require.True(t, proto.Equal(&protocol.Command{
				EntityId: "u1", Id: 1, Name: "Ask", Payload: scripted.Question("u1", "one"),
			}, command), "got %v", command)
			stream.Reply(command, scripted.Answer("1"), nil)
			c.requireAnswer("1")
			c = f.askValue("u1", "two")
			stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("2"), nil)
			c.requireAnswer("2")
			f.requireStored(value)
		})
	}
}

// P-074, P-075: a deleted entity lives on, and can come back.
func TestValueEntity_UpdatesAndDeletes(t *testing.T) {
	t.Parallel()
	f := start(t)
	stream, _ := f.openValue("u1")
	steps := []struct {
		action *valueentitypb.ValueEntityAction
		stored *anypb.Any
	}{
		{scripted.Delete(), nil}, // what is not there
		{scripted.Update(scripted.Event("a")), scripted.Event("a")},
		{scripted.Update(scripted.Event("b")), scripted.Event("b")},
		{nil, scripted.Event("b")},
		{&valueentitypb.ValueEntityAction{}, scripted.Event("b")}, // an empty action is none
		{scripted.Delete(), nil},
		{scripted.Delete(), nil},
		{scripted.Update(&anypb.Any{}), &anypb.Any{}},
		{scripted.Delete(), nil},
	}
	for i, step := range steps {
		c := f.askValue("u1", "do")
		stream.Reply(stream.RequireCommand(int64(i+2), "Ask"), scripted.Answer("ok"), step.action)
		c.requireAnswer("ok")
		f.requireStored(step.stored)
	}
	f.passivateValue("u1", stream)
	stream, state := f.openValue("u1")
	require.Nil(t, state.GetValue())
	c := f.askValue("u1", "again")
	stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("ok"), scripted.Update(scripted.Event("c")))
	c.requireAnswer("ok")
	f.passivateValue("u1", stream)
	_, state = f.openValue("u1")
	require.True(t, proto.Equal(scripted.Event("c"), state.GetValue()))
}

// P-034, P-035.
func TestValueEntity_CommandsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		stream, _ := f.openValue("u1")
		calls := make([]*call, 3)
		for i := range calls {
			calls[i] = f.askValue("u1", string(rune('a'+i)))
			synctest.Wait() // so that the order is known
		}
		f.openValue("u2") // goes on
		for i, c := range calls {
			command := stream.RequireCommand(int64(i+2), "Ask")
			require.True(t, proto.Equal(scripted.Question("u1", string(rune('a'+i))), command.GetPayload()))
			synctest.Wait()
			select {
			case <-c.done:
				require.Fail(t, "a command was answered before the user function did")
			default:
			}
			stream.Reply(command, scripted.Answer("ok"), nil)
			c.requireAnswer("ok")
		}
	})
}

// P-023, P-024.
func TestValueEntity_IsPassivatedWhenItIsIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		f.spec.Service(scripted.Value).PassivationTimeout = 100 * time.Millisecond
		stream, _ := f.openValue("u1")
		replied := time.Now()
		stream.Close()
		require.Equal(t, 100*time.Millisecond, time.Since(replied))
		synctest.Wait()
		f.openValue("u1")
	})
}

// shutter is a store whose writes wait.
type shutter struct {
	store.Values

	open chan struct{}
}

func (s shutter) Put(ctx context.Context, w store.Write, value []byte) (store.Version, error) {
	<-s.open
	return s.Values.Put(ctx, w, value)
}

// P-076, P-079: the state is durable before the reply leaves, and before side effects
// and forwards.
func TestValueEntity_StateIsStoredBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := shutter{open: make(chan struct{})}
		f := start(t, func(c *entities.Config) { s.Values = c.Values; c.Values = s })
		c := f.askValue("u1", "update")
		stream := f.AcceptValue()
		stream.RequireInit("u1")
		stream.Answer(&valueentitypb.ValueEntityReply{
			CommandId:    stream.RequireCommand(1, "Ask").GetId(),
			ClientAction: scripted.Forwarded(scripted.First, "Ask", scripted.Question("f1", "forwarded")),
			SideEffects:  effects(scripted.Second, "e1"),
			StateAction:  scripted.Update(scripted.Event("a")),
		})
		synctest.Wait()
		f.requireStored(nil)
		close(s.open)
		for range 2 {
			target := f.Accept()
			id := target.Receive().GetInit().GetEntityId()
			f.requireStored(scripted.Event("a"))
			if id == "e1" {
				target.Reply(target.RequireCommand(1, "Tell"), scripted.Nothing())
			} else {
				target.Reply(target.RequireCommand(1, "Ask"), scripted.Answer("from the other"))
			}
		}
		c.requireAnswer("from the other")
	})
}

// P-077, P-078 and the table of protocol section 3.1: what the clients see, and that
// the next command starts over.
func TestValueEntity_Crashes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		misbehave func(*fixture, *scripted.ValueStream)
		text      string
		fault     string
	}{
		"on a stream-level failure": {
			func(_ *fixture, s *scripted.ValueStream) { s.GiveUp(2, "out of memory") },
			"Unexpected Value entity failure", "out of memory",
		},
		"when the stream breaks": {
			func(_ *fixture, s *scripted.ValueStream) { s.End(status.Error(codes.Aborted, "no more")) },
			"Unexpected Value entity termination", "no more",
		},
		"when the stream ends": {
			func(_ *fixture, s *scripted.ValueStream) { s.End(nil) },
			"Unexpected Value entity termination", "the user function ended the stream",
		},
		"on a reply to another command": {
			func(_ *fixture, s *scripted.ValueStream) {
				s.Reply(&protocol.Command{Id: 1}, scripted.Answer("ok"), scripted.Update(scripted.Event("b")))
				s.Close()
			},
			"Unexpected Value entity reply", "replied to command 1, but command 2 was outstanding",
		},
		"on an empty message": {
			func(_ *fixture, s *scripted.ValueStream) { s.Send(&valueentitypb.ValueEntityStreamOut{}); s.Close() },
			"Unexpected Value entity failure", "neither a reply nor a failure",
		},
		"on an update without a value": {
			func(_ *fixture, s *scripted.ValueStream) {
				s.Reply(&protocol.Command{Id: 2}, scripted.Answer("ok"), scripted.Update(nil))
				s.Close()
			},
			"Unexpected Value entity failure", "the reply has an update without a value",
		},
		"when the store fails": {
			func(f *fixture, s *scripted.ValueStream) {
				f.values.Inject(storetest.FailWrite)
				s.Reply(&protocol.Command{Id: 2}, scripted.Answer("ok"), scripted.Update(scripted.Event("b")))
				s.Close()
			},
			"Unexpected Value entity failure", "injected fault",
		},
		"when the store cannot delete": {
			func(f *fixture, s *scripted.ValueStream) {
				f.values.Inject(storetest.FailWrite)
				s.Reply(&protocol.Command{Id: 2}, scripted.Answer("ok"), scripted.Delete())
				s.Close()
			},
			"Unexpected Value entity failure", "injected fault",
		},
		"when another writer was faster": {
			func(f *fixture, s *scripted.ValueStream) {
				f.store(encode(f.t, scripted.Event("a"))) // the same again is another version
				s.Reply(&protocol.Command{Id: 2}, scripted.Answer("ok"), scripted.Delete())
				s.Close()
			},
			"Unexpected Value entity failure", "load the entity again",
		},
		"when the outcome is unknown, and nothing is stored": {
			func(f *fixture, s *scripted.ValueStream) {
				f.values.Inject(storetest.UnknownNotStored)
				s.Reply(&protocol.Command{Id: 2}, scripted.Answer("ok"), scripted.Delete())
				s.Close()
			},
			"Unexpected Value entity failure", "nothing was stored",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t)
				f.store(encode(t, scripted.Event("a")))
				stream, _ := f.openValue("u1")
				current := f.askValue("u1", "current")
				stream.RequireCommand(2, "Ask")
				queued := []*call{f.askValue("u1", "queued"), f.askValue("u1", "queued")}
				synctest.Wait()
				tt.misbehave(f, stream)
				current.requireError(codes.Unknown, tt.text)
				for _, c := range queued {
					c.requireError(codes.Unknown, "Value entity terminated")
				}
				fault := f.requireFault(tt.fault)
				require.Equal(t, routing.Fault{Service: scripted.Value, EntityID: "u1", Command: "Ask", Err: fault.Err}, fault)
				_, state := f.openValue("u1")
				require.True(t, proto.Equal(scripted.Event("a"), state.GetValue()))
			})
		})
	}
}

// An unknown outcome is resolved, and the entity goes on from the new version.
func TestValueEntity_ResolvesUnknownOutcomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		stream, _ := f.openValue("u1")
		f.values.Inject(storetest.UnknownStored, storetest.FailResolve, storetest.FailResolve)
		for i, text := range []string{"a", "b"} {
			c := f.askValue("u1", "update")
			stream.Reply(stream.RequireCommand(int64(i+2), "Ask"), scripted.Answer("ok"), scripted.Update(scripted.Event(text)))
			c.requireAnswer("ok")
			f.requireStored(scripted.Event(text))
		}
		require.Empty(t, f.values.Pending())
	})
}

// overtaken is a store in which another writer follows each write at once.
type overtaken struct {
	store.Values
}

func (o overtaken) Put(ctx context.Context, w store.Write, value []byte) (store.Version, error) {
	version, err := o.Values.Put(ctx, w, value)
	if err != nil {
		return 0, err
	}
	if _, err := o.Delete(ctx, store.Write{Key: w.Key, Expected: version, OpID: store.OpID(uuid.New())}); err != nil {
		return 0, err
	}
	return 0, store.ErrUnknown
}

// What nobody will ever know is not asked for until the timeout.
func TestValueEntity_GivesUpAnOutcomeThatWasOverwritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(c *entities.Config) { c.Values = overtaken{c.Values} })
		stream, _ := f.openValue("u1")
		c := f.askValue("u1", "update")
		sent := time.Now()
		stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("ok"), scripted.Update(scripted.Event("a")))
		c.requireError(codes.Unknown, "Unexpected Value entity failure")
		require.Zero(t, time.Since(sent))
		f.requireFault("the outcome cannot be resolved")
		stream.Close()
	})
}

// a state that cannot be read is answered, not left to the timeout.
func TestValueEntity_StateCannotBeRead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*fixture)
		fault   string
	}{
		"because the store fails":   {func(f *fixture) { f.values.Inject(storetest.FailGet) }, "injected fault"},
		"because it makes no sense": {func(f *fixture) { f.store([]byte("\xff")) }, "it is not an encoded google.protobuf.Any"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			tt.prepare(f)
			c := f.askValue("u1", "hello")
			stream := f.AcceptValue()
			require.Nil(t, stream.Receive())
			c.requireError(codes.Unknown, "Unexpected Value entity failure")
			require.Contains(t, f.requireFault(tt.fault).Err.Error(), `scripted.Value journal "u1"`)
			stream.End(nil)
		})
	}
}

// a failure changes nothing, restarts nothing, and its side effects run.
func TestValueEntity_FailureStoresNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		stream, _ := f.openValue("u1")
		c := f.askValue("u1", "fail")
		stream.Answer(&valueentitypb.ValueEntityReply{
			CommandId: stream.RequireCommand(2, "Ask").GetId(),
			ClientAction: &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: &protocol.Failure{
				CommandId: 2, Description: "not that", Restart: true, GrpcStatusCode: uint32(codes.FailedPrecondition),
			}}},
			StateAction: scripted.Update(scripted.Event("a")),
			SideEffects: effects(scripted.Second, "e1"),
		})
		c.requireError(codes.FailedPrecondition, "not that")
		f.requireFault("the reply is a failure, but has a state action")
		f.requireStored(nil)
		f.takeEffect("e1")
		c = f.askValue("u1", "go on")
		stream.Reply(stream.RequireCommand(3, "Ask"), scripted.Answer("yes"), nil)
		c.requireAnswer("yes")
	})
}

// Whatever an idle entity says is unsolicited: a second answer, for instance.
func TestValueEntity_CrashesWhenItAnswersTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		stream, _ := f.openValue("u1")
		stream.Reply(&protocol.Command{Id: 1}, scripted.Answer("again"), scripted.Update(scripted.Event("a")))
		stream.Close()
		synctest.Wait()
		f.requireFault("no command was outstanding")
		f.requireStored(nil)
		f.openValue("u1")
	})
}

func TestValueEntity_RelayTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		stream, _ := f.openValue("u1")
		c := f.askValue("u1", "slow")
		command := stream.RequireCommand(2, "Ask")
		c.requireError(codes.DeadlineExceeded, `scripted.Value "u1" did not answer Ask within 1m0s`)
		stream.Reply(command, scripted.Answer("late"), scripted.Update(scripted.Event("late")))
		synctest.Wait()
		f.requireStored(scripted.Event("late"))
	})
}
