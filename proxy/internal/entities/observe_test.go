package entities_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/meter"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// sums has what was observed, added up.
type sums struct {
	mu  sync.Mutex
	sum map[observe.What]observe.Observation
}

// watch observes a service from now on.
func (f *fixture) watch(service string) *sums {
	s := &sums{sum: map[observe.What]observe.Observation{}}
	f.spec.Service(service).Meter = func(o observe.Observation) {
		s.mu.Lock()
		defer s.mu.Unlock()
		sum := s.sum[o.What]
		s.sum[o.What] = observe.Observation{Count: sum.Count + o.Count, Bytes: sum.Bytes + o.Bytes, Took: sum.Took + o.Took}
	}
	return s
}

// take returns what was observed since the last time.
func (s *sums) take() map[observe.What]observe.Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.sum
	s.sum = map[observe.What]observe.Observation{}
	return taken
}

// once is an observation that happened once and took some seconds.
func once(seconds int) observe.Observation {
	return observe.Observation{Count: 1, Took: time.Duration(seconds) * time.Second}
}

// sized is an observation of several things of a size.
func sized(t *testing.T, values ...*anypb.Any) observe.Observation {
	t.Helper()
	o := observe.Observation{Count: len(values)}
	for _, value := range values {
		o.Bytes += len(encode(t, value))
	}
	return o
}

// pause lets virtual time pass.
func pause(seconds int) { <-time.After(time.Duration(seconds) * time.Second) }

func TestEntity_IsObserved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		f.put(scripted.Event("1"), scripted.Event("22"))
		watched := f.watch(scripted.First)

		first := f.ask("u1", "one")
		stream := f.Accept()
		stream.RequireInit("u1")
		stream.RequireEvent(1)
		stream.RequireEvent(2)
		command := stream.RequireCommand(1, "Ask")
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{
			observe.CommandReceived: {Count: 1},
			observe.Activated:       {Count: 1},
			observe.LoadedEvents:    sized(t, scripted.Event("1"), scripted.Event("22")),
			observe.Recovered:       once(0),
		}, watched.take())

		second := f.ask("u1", "two") // waits for the first
		synctest.Wait()
		pause(3)
		answer := reply(command, scripted.Event("333"), scripted.Event("4"))
		answer.Snapshot = scripted.Event("state after 4")
		stream.Answer(answer)
		first.requireAnswer("ok")
		command = stream.RequireCommand(2, "Ask")
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{
			observe.CommandReceived:    {Count: 1},
			observe.CommandStashed:     {Count: 1},
			observe.CommandProcessed:   once(3),
			observe.Persisted:          once(0),
			observe.PersistedEvents:    sized(t, scripted.Event("333"), scripted.Event("4")),
			observe.PersistedSnapshots: sized(t, scripted.Event("state after 4")),
			observe.CommandCompleted:   once(3),
			observe.CommandUnstashed:   once(3),
		}, watched.take())

		pause(2)
		stream.Fail(command, &protocol.Failure{Description: "no"})
		second.requireError(codes.Unknown, "no")
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{
			observe.CommandProcessed: once(2),
			observe.CommandFailed:    {Count: 1},
			observe.CommandCompleted: once(5),
		}, watched.take())

		pause(10)
		f.passivate("u1", stream)
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{observe.Passivated: once(15)}, watched.take())

		third := f.ask("u1", "three")
		stream = f.Accept()
		require.NotNil(t, stream.RequireInit("u1").GetSnapshot())
		stream.RequireCommand(1, "Ask")
		fourth := f.ask("u1", "four")
		synctest.Wait()
		pause(1)
		stream.GiveUp(1, "broken")
		third.requireError(codes.Unknown, "Unexpected entity failure")
		fourth.requireError(codes.Unknown, "Entity terminated")
		f.requireFault("broken")
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{
			observe.CommandReceived:  {Count: 2},
			observe.Activated:        {Count: 1},
			observe.LoadedSnapshots:  sized(t, scripted.Event("state after 4")),
			observe.Recovered:        once(0),
			observe.CommandStashed:   {Count: 1},
			observe.CommandUnstashed: once(1),
			observe.Failed:           {Count: 1},
			observe.CommandFailed:    {Count: 2},
			observe.CommandCompleted: {Count: 2, Took: 2 * time.Second},
			observe.Passivated:       once(1),
		}, watched.take())
	})
}

// A client that leaves has an outcome, and what it leaves behind does not wait any more when
// the proxy notices.
func TestEntity_ObservesClientsThatLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		watched := f.watch(scripted.First)
		stream := f.open("u1")
		first := f.ask("u1", "one")
		command := stream.RequireCommand(2, "Ask")
		watched.take()

		ctx, leave := context.WithCancel(t.Context())
		impatient := f.call(ctx, scripted.Question("u1", "two"))
		synctest.Wait()
		pause(4)
		leave()
		impatient.requireError(codes.Canceled, context.Canceled.Error())
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{
			observe.CommandReceived:  {Count: 1},
			observe.CommandStashed:   {Count: 1},
			observe.CommandUnstashed: once(4),
			observe.CommandFailed:    {Count: 1},
			observe.CommandCompleted: once(4),
		}, watched.take())
		stream.Reply(command, scripted.Answer("ok"))
		first.requireAnswer("ok")
	})
}

func TestValueEntity_IsObserved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		watched := f.watch(scripted.Value)
		state := scripted.Event("state")

		first := f.callService(f.ctx, scripted.Value, scripted.Question("u1", "one"))
		stream := f.AcceptValue()
		stream.RequireInit("u1")
		stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("ok"), scripted.Update(state))
		first.requireAnswer("ok")
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{
			observe.CommandReceived:  {Count: 1},
			observe.Activated:        {Count: 1},
			observe.Recovered:        once(0),
			observe.CommandProcessed: once(0),
			observe.Persisted:        once(0),
			observe.PersistedValues:  sized(t, state),
			observe.CommandCompleted: once(0),
		}, watched.take())
		pause(30)
		stream.Close()
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{observe.Passivated: once(30)}, watched.take())

		second := f.callService(f.ctx, scripted.Value, scripted.Question("u1", "two"))
		stream = f.AcceptValue()
		stream.RequireInit("u1")
		stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("ok"), scripted.Delete())
		second.requireAnswer("ok")
		synctest.Wait()
		got := watched.take()
		require.Equal(t, sized(t, state), got[observe.LoadedValues])
		require.Equal(t, observe.Observation{Count: 1}, got[observe.DeletedValues])
		require.Equal(t, once(0), got[observe.Persisted])
		require.NotContains(t, got, observe.PersistedValues)
		stream.Close()
	})
}

// Being observed costs no allocation either.
func BenchmarkEntity_CommandWithOneEventObserved(b *testing.B) {
	f := start(b)
	go serveTrivially(f, scripted.Event("something happened"))
	f.spec.Service(scripted.First).Meter = meter.Meter(func(observe.Observation) {})
	command := &routing.Command{Method: f.spec.Service(scripted.First).Method("Ask"), Payload: scripted.Question("u1", "hello")}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, f.router.Call(b.Context(), command, func(*protocol.Reply) error { return nil }))
	}
}
