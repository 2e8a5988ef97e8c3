// Package eventingtest proves that a broker keeps the promises of package eventing.
//
//	func TestBroker(t *testing.T) {
//		eventingtest.Run(t, "nats", func(t *testing.T) eventing.Broker {
//			return openForTest(t)
//		})
//	}
package eventingtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/eventing"
)

// Run runs the conformance tests, each with a broker that open returns, as subtests of a
// test called name. They run in parallel. A broker may be shared by several of them, as each
// uses topics of its own; open closes it by t.Cleanup.
func Run(t *testing.T, name string, open func(t *testing.T) eventing.Broker) {
	t.Helper()
	tests := map[string]func(*fixture){
		"events arrive in order with all that they have":             testOrder,
		"who waits gets what is published":                           testWait,
		"each consumer gets all events":                              testConsumers,
		"a consumer goes on where it has acknowledged":               testGoOn,
		"what is not acknowledged is delivered again":                testAgain,
		"an event that failed comes first again":                     testRetry,
		"nothing of other topics is delivered":                       testTopics,
		"concurrent publishers lose nothing":                         testPublishers,
		"waiting ends with the context, and nothing is lost":         testCancel,
		"large and empty events survive":                             testSizes,
		"what the caller does to its event afterwards has no effect": testAliasing,
	}
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(&fixture{T: t, broker: open(t), topic: "topic-" + uuid.NewString()})
			})
		}
	})
}

// A fixture is a topic that nobody else uses.
type fixture struct {
	*testing.T

	broker eventing.Broker
	topic  string
}

// event returns an event that its id tells from others.
func event(id string) eventing.Event {
	return eventing.Event{
		ID: id, Source: "eventingtest", SpecVersion: eventing.SpecVersion, Type: "test.Type", DataContentType: "application/octet-stream",
		DataSchema: "https://example.com/schema", Subject: "subject", Time: time.UnixMilli(1_700_000_000_123).UTC(),
		Extensions: map[string]string{"tenant": "a"}, Data: []byte("data of " + id),
	}
}

func (f *fixture) publish(ids ...string) {
	f.Helper()
	for _, id := range ids {
		require.NoError(f, f.broker.Publish(f.Context(), f.topic, event(id)))
	}
}

// A subscription is a subscription of a test.
type subscription struct {
	eventing.Subscription

	f *fixture
}

// subscribe subscribes a consumer, which is "service group".
func (f *fixture) subscribe(consumer string) *subscription {
	f.Helper()
	service, group, _ := strings.Cut(consumer, " ")
	s, err := f.broker.Subscribe(f.Context(), eventing.Consumer{Topic: f.topic, Service: service, Group: group})
	require.NoError(f, err)
	return &subscription{Subscription: s, f: f}
}

// next receives an event, which must be this one.
func (s *subscription) next(id string) eventing.Delivery {
	s.f.Helper()
	delivery, err := s.Receive(s.f.Context())
	require.NoError(s.f, err)
	require.True(s.f, event(id).Time.Equal(delivery.Event.Time))
	got := delivery.Event
	got.Time = event(id).Time
	require.Equal(s.f, event(id), got)
	return delivery
}

// handle receives events, which must be these, and acknowledges each.
func (s *subscription) handle(ids ...string) {
	s.f.Helper()
	for _, id := range ids {
		s.next(id)
		require.NoError(s.f, s.Ack(s.f.Context()))
	}
}

func (s *subscription) close() {
	s.f.Helper()
	require.NoError(s.f, s.Close(s.f.Context()))
}

func testOrder(f *fixture) {
	f.publish("a", "b")
	s := f.subscribe("S g")
	s.handle("a", "b")
	f.publish("c", "a")
	s.handle("c", "a")
	s.close()
}

func testWait(f *fixture) {
	s := f.subscribe("S g")
	var group sync.WaitGroup
	group.Go(func() { s.handle("a", "b") })
	var err error
	for _, id := range []string{"a", "b"} {
		if err == nil {
			err = f.broker.Publish(f.Context(), f.topic, event(id))
		}
	}
	require.NoError(f, err)
	group.Wait()
	s.close()
}

func testConsumers(f *fixture) {
	f.publish("a")
	subscriptions := []*subscription{f.subscribe("S g"), f.subscribe("S h"), f.subscribe("T g")}
	f.publish("b")
	for _, s := range subscriptions {
		s.handle("a", "b")
	}
	for _, s := range subscriptions {
		s.close()
	}
}

func testGoOn(f *fixture) {
	f.publish("a", "b", "c")
	s := f.subscribe("S g")
	s.handle("a", "b")
	s.close()
	f.publish("d")
	s = f.subscribe("S g")
	s.handle("c", "d")
	s.close()
}

func testAgain(f *fixture) {
	f.publish("a", "b", "c")
	s := f.subscribe("S g")
	s.handle("a")
	s.next("b")
	s.close()
	s = f.subscribe("S g")
	s.handle("b", "c")
	s.close()
}

func testRetry(f *fixture) {
	f.publish("a", "b", "c")
	s := f.subscribe("S g")
	s.handle("a")
	require.Zero(f, s.next("b").Attempts)
	require.NoError(f, s.Retry(f.Context(), 1))
	require.NoError(f, s.Retry(f.Context(), 2))
	s.close()
	s = f.subscribe("S g")
	require.Contains(f, []int{0, 2}, s.next("b").Attempts)
	require.NoError(f, s.Ack(f.Context()))
	require.Zero(f, s.next("c").Attempts)
	s.close()
}

func testTopics(f *fixture) {
	other := &fixture{T: f.T, broker: f.broker, topic: f.topic + "-other"}
	f.publish("a")
	other.publish("b")
	f.publish("c")
	for _, s := range []*subscription{f.subscribe("S g"), f.subscribe("T g")} {
		s.handle("a", "c")
		s.close()
	}
	s := other.subscribe("S g")
	s.handle("b")
	s.close()
}

func testPublishers(f *fixture) {
	const publishers, each = 4, 25
	s := f.subscribe("S g")
	var group sync.WaitGroup
	errs := make([]error, publishers)
	for p := range publishers {
		group.Go(func() {
			for n := 0; n < each && errs[p] == nil; n++ {
				errs[p] = f.broker.Publish(f.Context(), f.topic, event(fmt.Sprint(p, " ", n)))
			}
		})
	}
	next := map[int]int{}
	for range publishers * each {
		delivery, err := s.Receive(f.Context())
		require.NoError(f, err)
		var p, n int
		_, err = fmt.Sscan(delivery.Event.ID, &p, &n)
		require.NoError(f, err)
		require.Equal(f, next[p], n, "the events of a publisher have a gap, or are out of order")
		next[p]++
		require.NoError(f, s.Ack(f.Context()))
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(f, err)
	}
	s.close()
}

func testCancel(f *fixture) {
	s := f.subscribe("S g")
	f.publish("a")
	s.handle("a")
	ctx, cancel := context.WithCancel(f.Context())
	var group sync.WaitGroup
	var err error
	group.Go(func() { _, err = s.Receive(ctx) })
	cancel()
	group.Wait()
	require.ErrorIs(f, err, context.Canceled)
	f.publish("b")
	s.handle("b")
	s.close()
}

func testSizes(f *fixture) {
	empty, large := event("empty"), event("large")
	empty.Data = nil
	large.Data = []byte(strings.Repeat("0123456789abcdef", 32<<10)) // 512 KiB
	s := f.subscribe("S g")
	for _, e := range []eventing.Event{empty, large} {
		require.NoError(f, f.broker.Publish(f.Context(), f.topic, e))
		delivery, err := s.Receive(f.Context())
		require.NoError(f, err)
		require.Equal(f, e.ID, delivery.Event.ID)
		require.Equal(f, string(e.Data), string(delivery.Event.Data))
		require.NoError(f, s.Ack(f.Context()))
	}
	s.close()
}

func testAliasing(f *fixture) {
	e := event("a")
	require.NoError(f, f.broker.Publish(f.Context(), f.topic, e))
	clear(e.Data)
	clear(e.Extensions)
	for _, s := range []*subscription{f.subscribe("S g"), f.subscribe("T g")} { // the second shows whether the first got a copy
		clear(s.next("a").Event.Data)
		s.close()
	}
}
