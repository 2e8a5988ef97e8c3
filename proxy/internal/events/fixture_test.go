package events_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/backoff"
	"github.com/cloudstate-go/cloudstate/proxy/internal/events"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// A fixture has a store that outlives the consumers, and notes what they deliver. What it
// does with that is for the test.
type fixture struct {
	t      *testing.T
	stored *memory.Store
	config events.Config
	head   map[string]store.Head
	began  time.Time

	mu       sync.Mutex
	handle   func(d delivery) error // nil handles everything
	got      []delivery
	faults   []string
	failures map[string]error // of the store, by method
	saved    int
}

// A delivery is an event that a method got.
type delivery struct {
	method, event string
	at            time.Duration   // since the test began
	ctx           context.Context //nolint:containedctx // the test looks at it
	metadata      *protocol.Metadata
}

func (d delivery) String() string { return d.method + " " + d.event }

// newFixture returns a fixture whose methods of the action have these annotations.
func newFixture(t *testing.T, annotated map[string]*annotations.Eventing) *fixture {
	t.Helper()
	f := &fixture{t: t, stored: memory.New(), head: map[string]store.Head{}, began: time.Now(), failures: map[string]error{}}
	es := scripted.Spec(t)
	for method, eventing := range annotated {
		scripted.Annotate(t, es, scripted.Action, method, eventing)
	}
	discovered, err := spec.New(es, spec.Options{})
	require.NoError(t, err)
	f.config = events.Config{
		Consumers:   discovered.Consumers,
		EventLog:    flakyLog{EventLog: f.stored, f: f},
		Broker:      events.NewBroker(f.stored, flakyConsumers{Consumers: f.stored, f: f}),
		Store:       flakyConsumers{Consumers: f.stored, f: f},
		Deliver:     f.deliver,
		Ready:       func(context.Context) error { return nil },
		Timeout:     time.Minute,
		Backoff:     backoff.Backoff{Min: 3 * time.Second, Max: 30 * time.Second},
		MaxAttempts: -1,
		Report: func(_ context.Context, fault routing.Fault) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.faults = append(f.faults, fault.Service+"."+fault.Command+": "+fault.Err.Error())
		},
	}
	return f
}

func (f *fixture) deliver(ctx context.Context, command *routing.Command, send func(*protocol.Reply) error) error {
	require.True(f.t, command.Event)
	d := delivery{
		method: command.Method.Name, event: string(command.Payload.GetValue()),
		at: time.Since(f.began), ctx: ctx, metadata: command.Metadata,
	}
	f.mu.Lock()
	f.got = append(f.got, d)
	handle := f.handle
	f.mu.Unlock()
	if handle == nil {
		return send(&protocol.Reply{Payload: scripted.Answer("ok")})
	}
	return handle(d)
}

// onDelivery says what methods do from now on.
func (f *fixture) onDelivery(handle func(d delivery) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handle = handle
}

// start starts consumers, which end when the result is called, or the test ends.
func (f *fixture) start() (consumers *events.Consumers, stop func()) {
	f.t.Helper()
	consumers = events.New(context.WithoutCancel(f.t.Context()), f.config)
	consumers.Start()
	stop = sync.OnceFunc(func() {
		consumers.Stop()
		consumers.Wait()
	})
	f.t.Cleanup(stop)
	return consumers, stop
}

// emit appends events to the log of the first service. Each has the type of a question, and is
// no more than its text.
func (f *fixture) emit(id string, texts ...string) {
	f.t.Helper()
	payloads := make([]*anypb.Any, len(texts))
	for i, text := range texts {
		payloads[i] = &anypb.Any{TypeUrl: scripted.QuestionURL, Value: []byte(text)}
	}
	f.emitAny(id, payloads...)
}

func (f *fixture) emitAny(id string, payloads ...*anypb.Any) {
	f.t.Helper()
	a := store.Append{Key: store.Key{Type: scripted.PersistenceID(scripted.First), ID: id}, Expected: f.head[id], OpID: store.OpID(uuid.New())}
	for _, payload := range payloads {
		data, err := proto.Marshal(payload)
		require.NoError(f.t, err)
		a.Events = append(a.Events, data)
	}
	head, err := f.stored.Append(f.t.Context(), a)
	require.NoError(f.t, err)
	f.head[id] = head
}

// publish publishes events with the type of a question to the topic t.
func (f *fixture) publish(texts ...string) {
	f.t.Helper()
	for _, text := range texts {
		require.NoError(f.t, f.config.Broker.Publish(f.t.Context(), "t", eventing.Event{
			ID: text, Source: "test", SpecVersion: eventing.SpecVersion, Type: "scripted.Question", DataContentType: "application/protobuf", Data: []byte(text),
		}))
	}
}

// take returns what was delivered since the last call.
func (f *fixture) take() []delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.got
	f.got = nil
	return got
}

// requireDelivered requires that exactly this was delivered since the last call, as
// "Method event".
func (f *fixture) requireDelivered(want ...string) []delivery {
	f.t.Helper()
	got := f.take()
	texts := make([]string, 0, len(got))
	for _, d := range got {
		texts = append(texts, d.String())
	}
	require.Equal(f.t, append([]string{}, want...), texts)
	return got
}

// saves returns how often a position was saved.
func (f *fixture) saves() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.saved
}

// takeFaults returns what was reported since the last call.
func (f *fixture) takeFaults() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	faults := f.faults
	f.faults = nil
	return faults
}

func (f *fixture) requireNoFaults() {
	f.t.Helper()
	require.Empty(f.t, f.takeFaults())
}

var errStore = errors.New("the disk is full")

// failing lets methods of the store fail, or no method.
func (f *fixture) failing(methods ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.failures)
	for _, m := range methods {
		f.failures[m] = errStore
	}
}

func (f *fixture) failure(method string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failures[method]
}

// flakyConsumers fail when the test says so.
type flakyConsumers struct {
	store.Consumers

	f *fixture
}

func (c flakyConsumers) LoadPosition(ctx context.Context, consumer store.Consumer) (store.Position, error) {
	if err := c.f.failure("LoadPosition"); err != nil {
		return store.Position{}, err
	}
	return c.Consumers.LoadPosition(ctx, consumer)
}

func (c flakyConsumers) SavePosition(ctx context.Context, consumer store.Consumer, position store.Position) error {
	if err := c.f.failure("SavePosition"); err != nil {
		return err
	}
	c.f.mu.Lock()
	c.f.saved++
	c.f.mu.Unlock()
	return c.Consumers.SavePosition(ctx, consumer, position)
}

func (c flakyConsumers) AddDeadLetter(ctx context.Context, letter store.DeadLetter) (uint64, error) {
	if err := c.f.failure("AddDeadLetter"); err != nil {
		return 0, err
	}
	return c.Consumers.AddDeadLetter(ctx, letter)
}

func (c flakyConsumers) RemoveDeadLetter(ctx context.Context, id uint64) error {
	if err := c.f.failure("RemoveDeadLetter"); err != nil {
		return err
	}
	return c.Consumers.RemoveDeadLetter(ctx, id)
}

// flakyLog fails when the test says so.
type flakyLog struct {
	store.EventLog

	f *fixture
}

func (l flakyLog) ReadEvents(ctx context.Context, persistenceID string, after uint64, limit int) ([]store.LoggedEvent, error) {
	if err := l.f.failure("ReadEvents"); err != nil {
		return nil, err
	}
	return l.EventLog.ReadEvents(ctx, persistenceID, after, limit)
}

// texts returns the numbers from one to another.
func texts(from, to int) []string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprint(n))
	}
	return all
}

// each returns what a method got for events.
func each(method string, events []string) []string {
	delivered := slices.Clone(events)
	for i := range delivered {
		delivered[i] = method + " " + delivered[i]
	}
	return delivered
}
