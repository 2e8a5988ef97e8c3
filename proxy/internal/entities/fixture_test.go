package entities_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/entities"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

// A fixture is a proxy without a front end, before a scripted user function.
type fixture struct {
	*scripted.UserFunction

	t        testing.TB
	ctx      context.Context //nolint:containedctx // of the callers
	stored   *memory.Store
	journal  *storetest.Faulty       // before stored
	values   *storetest.FaultyValues // before stored as well
	entities *entities.Runners       // event sourced
	valued   *entities.Runners       // value entities
	router   *routing.Router
	spec     *spec.Spec
	abort    context.CancelFunc

	mu     sync.Mutex
	faults []routing.Fault
}

// start starts a fixture. Faults that a test does not take fail it.
func start(tb testing.TB, change ...func(*entities.Config)) *fixture {
	tb.Helper()
	uf, conn := scripted.Start(tb)
	return startOn(tb, uf, conn, change...)
}

func startOn(tb testing.TB, uf *scripted.UserFunction, conn *grpc.ClientConn, change ...func(*entities.Config)) *fixture {
	tb.Helper()
	services, err := spec.New(scripted.Spec(tb), spec.Options{})
	require.NoError(tb, err)
	stored := memory.New()
	f := &fixture{UserFunction: uf, t: tb, ctx: tb.Context(), stored: stored, spec: services}
	f.journal, f.values = storetest.NewFaulty(stored), storetest.NewFaultyValues(stored)
	reporter := routing.NewReporter(slog.New(slog.DiscardHandler), f.fault, protocol.NewEntityDiscoveryClient(conn))
	f.router = routing.New(services, reporter)
	config := entities.Config{
		UserFunction:       conn,
		Journal:            f.journal,
		Values:             f.values,
		PassivationTimeout: 30 * time.Second,
		RelayTimeout:       time.Minute,
		Complete:           f.router.Complete,
		Report:             reporter.Report,
	}
	for _, c := range change {
		c(&config)
	}
	ctx, abort := context.WithCancel(context.Background())
	f.abort = abort
	f.entities = entities.NewEventSourced(ctx, config)
	f.router.Register(spec.EventSourced, f.entities)
	f.valued = entities.NewValueEntities(ctx, config)
	f.router.Register(spec.ValueEntity, f.valued)
	reported := make(chan struct{})
	go func() { defer close(reported); reporter.Run(ctx) }()
	tb.Cleanup(func() {
		abort()
		f.entities.Close()
		f.valued.Close()
		require.NoError(tb, f.router.Wait(context.Background()))
		reporter.Close()
		<-reported
		require.Empty(tb, f.faults)
	})
	return f
}

func (f *fixture) fault(fault routing.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, fault)
}

// requireFault requires exactly one fault, and takes it.
func (f *fixture) requireFault(text string) routing.Fault {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Len(f.t, f.faults, 1)
	fault := f.faults[0]
	f.faults = nil
	require.ErrorContains(f.t, fault.Err, text)
	return fault
}

// A call is a command that a client has sent.
type call struct {
	f     *fixture
	done  chan struct{}
	reply *protocol.Reply
	err   error
}

// call sends a question to the first service, and does not wait for the answer.
func (f *fixture) call(ctx context.Context, question *anypb.Any) *call {
	return f.callService(ctx, scripted.First, question)
}

// callService sends a question to a service, and does not wait for the answer.
func (f *fixture) callService(ctx context.Context, service string, question *anypb.Any) *call {
	c := &call{f: f, done: make(chan struct{})}
	command := &routing.Command{Method: f.spec.Service(service).Method("Ask"), Payload: question}
	go func() {
		defer close(c.done)
		c.err = f.router.Call(ctx, command, func(reply *protocol.Reply) error {
			c.reply = reply
			return nil
		})
	}()
	return c
}

// ask sends a question to an entity of the first service.
func (f *fixture) ask(id, text string) *call {
	return f.call(f.ctx, scripted.Question(id, text))
}

// requireAnswer waits for the reply.
func (c *call) requireAnswer(text string) {
	c.f.t.Helper()
	<-c.done
	require.NoError(c.f.t, c.err)
	require.True(c.f.t, proto.Equal(scripted.Answer(text), c.reply.GetPayload()), "got %v", c.reply)
}

// requireError waits for the status.
func (c *call) requireError(code codes.Code, text string) {
	c.f.t.Helper()
	<-c.done
	require.Error(c.f.t, c.err)
	require.Equal(c.f.t, code, status.Code(c.err))
	require.Equal(c.f.t, text, status.Convert(c.err).Message())
	require.Nil(c.f.t, c.reply)
}

// open lets an entity answer its first command, and returns its stream.
func (f *fixture) open(id string) *scripted.Stream {
	f.t.Helper()
	c := f.ask(id, "hello")
	stream := f.Accept()
	stream.RequireInit(id)
	stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("hello"))
	c.requireAnswer("hello")
	return stream
}

// passivate passivates an entity of the first service.
func (f *fixture) passivate(id string, stream *scripted.Stream) {
	f.t.Helper()
	done := make(chan error, 1)
	go func() { done <- f.entities.Passivate(f.ctx, f.spec.Service(scripted.First), id) }()
	stream.Close()
	require.NoError(f.t, <-done)
}

// key is the key of an entity of the first service.
func key(id string) store.Key {
	return store.Key{Type: scripted.PersistenceID(scripted.First), ID: id}
}

// put puts events into the journal of the entity u1.
func (f *fixture) put(events ...*anypb.Any) {
	f.t.Helper()
	head, err := f.stored.Load(f.ctx, key("u1"), func(store.Record) error { return nil })
	require.NoError(f.t, err)
	request := store.Append{Key: key("u1"), Expected: head, OpID: store.OpID(uuid.New())}
	for _, event := range events {
		request.Events = append(request.Events, encode(f.t, event))
	}
	_, err = f.stored.Append(f.ctx, request)
	require.NoError(f.t, err)
}

func encode(tb testing.TB, value *anypb.Any) []byte {
	tb.Helper()
	data, err := proto.Marshal(value)
	require.NoError(tb, err)
	return data
}

// requireJournal requires that the journal of an entity consists of these events,
// with a snapshot first if it is not nil.
func (f *fixture) requireJournal(id string, snapshot *anypb.Any, events ...*anypb.Any) {
	f.t.Helper()
	var got [][]byte
	_, err := f.stored.Load(f.ctx, key(id), func(record store.Record) error {
		require.Equal(f.t, snapshot != nil && len(got) == 0, record.Snapshot)
		got = append(got, record.Data)
		return nil
	})
	require.NoError(f.t, err)
	var want [][]byte
	if snapshot != nil {
		want = append(want, encode(f.t, snapshot))
	}
	for _, event := range events {
		want = append(want, encode(f.t, event))
	}
	require.Equal(f.t, want, got)
}
