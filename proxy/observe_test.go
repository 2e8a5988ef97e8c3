package proxy_test

import (
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// observed has what was observed of each service, added up.
type observed struct {
	mu   sync.Mutex
	sums map[observe.Service]map[observe.What]observe.Observation
}

func (o *observed) observe(service observe.Service) observe.Observer {
	o.mu.Lock()
	defer o.mu.Unlock()
	sums := map[observe.What]observe.Observation{}
	o.sums[service] = sums
	return func(one observe.Observation) {
		o.mu.Lock()
		defer o.mu.Unlock()
		sum := sums[one.What]
		sums[one.What] = observe.Observation{Count: sum.Count + one.Count, Bytes: sum.Bytes + one.Bytes, Took: sum.Took + one.Took}
	}
}

// take returns what was observed of a service since the last time.
func (o *observed) take(of observe.Service) map[observe.What]observe.Observation {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := maps.Clone(o.sums[of])
	clear(o.sums[of])
	return taken
}

func startObserved(t *testing.T) (*fixture, *observed) {
	t.Helper()
	o := &observed{sums: map[observe.Service]map[observe.What]observe.Observation{}}
	f := start(t, func(f *fixture) { f.proxy.Observe = o.observe }).ready()
	return f, o
}

var (
	observedCRDT   = observe.Service{Kind: observe.CRDT, Name: scripted.CRDT, PersistenceID: scripted.PersistenceID(scripted.CRDT)}
	observedAction = observe.Service{Kind: observe.Action, Name: scripted.Action}
)

func TestObserve_IsAskedOnceForEachService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, o := startObserved(t)
		require.Contains(t, o.sums, observe.Service{Kind: observe.EventSourced, Name: scripted.First, PersistenceID: scripted.PersistenceID(scripted.First)})
		require.Contains(t, o.sums, observe.Service{Kind: observe.ValueEntity, Name: scripted.Value, PersistenceID: scripted.PersistenceID(scripted.Value)})
		require.Contains(t, o.sums, observedCRDT)
		require.Contains(t, o.sums, observedAction)
		f.stop()
		require.NoError(t, <-f.done)
	})
}

func TestObserve_CRDTs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, o := startObserved(t)
		first := f.askCRDT("e")
		stream := f.AcceptCRDT()
		stream.RequireInit("e")
		stream.RequireCommand(1, "Ask")
		<-time.After(2 * time.Second)
		stream.Reply(1, scripted.Answer("hello"), counted(1))
		first.requireAnswer("hello")
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{
			observe.CommandReceived:  {Count: 1},
			observe.Activated:        {Count: 1},
			observe.CommandProcessed: {Count: 1, Took: 2 * time.Second},
			observe.CommandCompleted: {Count: 1, Took: 2 * time.Second},
		}, o.take(observedCRDT))

		watching := f.openWatch(stream, "e", 2)
		<-time.After(3 * time.Second)
		stream.Fail(&protocol.Failure{Description: "broken"})
		watching.requireFailure("Entity terminating")
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{
			observe.CommandReceived:  {Count: 1},
			observe.CommandProcessed: {Count: 1},
			observe.Failed:           {Count: 1},
			observe.CommandFailed:    {Count: 1},
			observe.CommandCompleted: {Count: 1, Took: 3 * time.Second},
			observe.Passivated:       {Count: 1, Took: 5 * time.Second},
		}, o.take(observedCRDT))
		f.requireFaults("broken")
	})
}

func TestObserve_Actions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, o := startObserved(t)
		s := f.begin(t.Context(), "Ask")
		call := f.accept("Ask")
		<-time.After(time.Second)
		call.Reply(scripted.Answer("hello"))
		s.requireAnswer("hello")
		s.requireEnd()
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{
			observe.CommandReceived:  {Count: 1},
			observe.CommandCompleted: {Count: 1, Took: time.Second},
		}, o.take(observedAction))

		s = f.begin(t.Context(), "Ask")
		f.accept("Ask").Fail(&protocol.Failure{Description: "no"})
		s.requireStatus(codes.Unknown, "no")
		synctest.Wait()
		require.Equal(t, map[observe.What]observe.Observation{
			observe.CommandReceived:  {Count: 1},
			observe.CommandFailed:    {Count: 1},
			observe.CommandCompleted: {Count: 1},
		}, o.take(observedAction))
	})
}
