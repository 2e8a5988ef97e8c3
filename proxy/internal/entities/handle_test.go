package entities_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// effects returns an asynchronous side effect.
func effects(service, id string) []*protocol.SideEffect {
	return []*protocol.SideEffect{{ServiceName: service, CommandName: "Tell", Payload: scripted.Question(id, "effect")}}
}

// takeEffect lets an entity of the second service answer a side effect. It works in a
// bubble only.
func (f *fixture) takeEffect(id string) {
	f.t.Helper()
	stream := f.Accept()
	stream.RequireInit(id)
	stream.Reply(stream.RequireCommand(1, "Tell"), scripted.Nothing())
	synctest.Wait()
}

//
func TestHandle_RefusesCommandsWithoutAnEntity(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.ask("", "hello").requireError(codes.InvalidArgument, "entity key must not be empty")
	c := f.call(t.Context(), &anypb.Any{TypeUrl: scripted.QuestionURL, Value: []byte{0x0a, 0xff}})
	<-c.done
	require.ErrorContains(t, c.err, "scripted.First")
}

// The relay timeout answers the client; the entity goes on, and what it answers late
// is carried out unseen: its events are stored and its side effects happen.
func TestHandle_RelayTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		sent := time.Now()
		c := f.ask("u1", "slow")
		stream := f.Accept()
		stream.RequireInit("u1")
		command := stream.RequireCommand(1, "Ask")
		time.Sleep(time.Second) //nolint:forbidigo // virtual time
		queued := f.ask("u1", "queued")
		c.requireError(codes.DeadlineExceeded, `scripted.First "u1" did not answer Ask within 1m0s`)
		require.Equal(t, time.Minute, time.Since(sent))
		queued.requireError(codes.DeadlineExceeded, `scripted.First "u1" did not answer Ask within 1m0s`)

		next := f.ask("u1", "next")
		synctest.Wait()
		answer := reply(command, scripted.Event("late"))
		answer.SideEffects = effects(scripted.Second, "e1")
		stream.Answer(answer)
		f.takeEffect("e1")
		f.requireJournal("u1", nil, scripted.Event("late"))

		// What waited in the queue when its client left is never sent.
		command = stream.RequireCommand(2, "Ask")
		require.True(t, proto.Equal(scripted.Question("u1", "next"), command.GetPayload()))
		stream.Reply(command, scripted.Answer("ok"))
		next.requireAnswer("ok")
	})
}

// A late forward is carried out as well: it is part of a command that has happened.
func TestHandle_LateForward(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		c := f.ask("u1", "slow")
		stream := f.Accept()
		stream.RequireInit("u1")
		command := stream.RequireCommand(1, "Ask")
		c.requireError(codes.DeadlineExceeded, `scripted.First "u1" did not answer Ask within 1m0s`)
		stream.Answer(&eventsourcedpb.EventSourcedReply{
			CommandId:    command.GetId(),
			ClientAction: scripted.Forwarded(scripted.Second, "Ask", scripted.Question("f1", "forwarded")),
		})
		target := f.Accept()
		target.RequireInit("f1")
		target.Fail(target.RequireCommand(1, "Ask"), &protocol.Failure{Description: "nobody listens"})
		require.NoError(t, f.router.Wait(t.Context()))
	})
}

func TestHandle_ClientLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		stream := f.open("u1")
		ctx, cancel := context.WithCancel(t.Context())
		current := f.call(ctx, scripted.Question("u1", "current"))
		command := stream.RequireCommand(2, "Ask")
		queued := f.call(ctx, scripted.Question("u1", "queued"))
		synctest.Wait()
		stays := f.ask("u1", "stays")
		synctest.Wait()
		cancel()
		current.requireError(codes.Canceled, "context canceled")
		queued.requireError(codes.Canceled, "context canceled")

		stream.Reply(command, scripted.Answer("unseen"), scripted.Event("a"))
		command = stream.RequireCommand(3, "Ask")
		require.True(t, proto.Equal(scripted.Question("u1", "stays"), command.GetPayload()))
		stream.Reply(command, scripted.Answer("ok"))
		stays.requireAnswer("ok")
		f.requireJournal("u1", nil, scripted.Event("a"))
	})
}

// P-170: the target is an entity of its own, and its answer takes the place of ours.
func TestHandle_Forward(t *testing.T) {
	t.Parallel()
	f := start(t)
	stream := f.open("u1")
	c := f.ask("u1", "forward")
	stream.Answer(&eventsourcedpb.EventSourcedReply{
		CommandId:    stream.RequireCommand(2, "Ask").GetId(),
		ClientAction: scripted.Forwarded(scripted.Second, "Ask", scripted.Question("u2", "forwarded")),
		Events:       []*anypb.Any{scripted.Event("a")},
	})
	target := f.Accept()
	require.Equal(t, scripted.Second, target.RequireInit("u2").GetServiceName())
	command := target.RequireCommand(1, "Ask")
	require.True(t, proto.Equal(scripted.Question("u2", "forwarded"), command.GetPayload()))
	f.requireJournal("u1", nil, scripted.Event("a")) // P-054
	target.Reply(command, scripted.Answer("from the other"))
	c.requireAnswer("from the other")
}

// An entity may forward to itself, and have side effects on itself: its own turn is
// over by then.
func TestHandle_ForwardAndEffectToTheSameEntity(t *testing.T) {
	t.Parallel()
	f := start(t)
	stream := f.open("u1")
	c := f.ask("u1", "forward")
	answer := reply(stream.RequireCommand(2, "Ask"))
	answer.SideEffects = effects(scripted.First, "u1")
	answer.SideEffects[0].Synchronous = true
	answer.ClientAction = scripted.Forwarded(scripted.First, "Ask", scripted.Question("u1", "again"))
	stream.Answer(answer)
	stream.Reply(stream.RequireCommand(3, "Tell"), scripted.Nothing())
	stream.Reply(stream.RequireCommand(4, "Ask"), scripted.Answer("done"))
	c.requireAnswer("done")
}
