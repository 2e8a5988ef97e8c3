package proxy_test

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/annotations"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// annotate lets a method get events, or publish its replies.
func annotate(service, method string, with *annotations.Eventing) func(*fixture) {
	return func(f *fixture) {
		f.Change(func(es *protocol.EntitySpec) { scripted.Annotate(f.t, es, service, method, with) })
	}
}

// emit lets the event sourced entity e1 emit events, and leave memory.
func (f *fixture) emit(events ...*anypb.Any) {
	f.t.Helper()
	c := f.ask("e1")
	stream := f.Accept()
	message := stream.Receive()
	for message.GetCommand() == nil { // init, and former events
		message = stream.Receive()
	}
	stream.Reply(message.GetCommand(), scripted.Answer("emitted"), events...)
	c.requireAnswer("emitted")
	f.passivate(stream)
}

// passivate lets e1 leave memory.
func (f *fixture) passivate(stream *scripted.Stream) {
	f.t.Helper()
	passivated := make(chan error, 1)
	go func() {
		passivated <- f.proxy.Passivate(f.t.Context(), scripted.PersistenceID(scripted.First), "e1")
	}()
	stream.Close()
	require.NoError(f.t, <-passivated)
}

// metadata returns metadata of keys and values in turn.
func metadataOf(keysAndValues ...string) *protocol.Metadata {
	m := &protocol.Metadata{}
	for i := 0; i < len(keysAndValues); i += 2 {
		m.Entries = append(m.Entries, &protocol.MetadataEntry{Key: keysAndValues[i], Value: &protocol.MetadataEntry_StringValue{StringValue: keysAndValues[i+1]}})
	}
	return m
}

// event is an event for the action.
func event(id string) eventing.Event {
	return eventing.Event{
		ID: id, Source: "test", SpecVersion: "1.0", Type: "scripted.Question", DataContentType: "application/protobuf",
		Data: scripted.Question("q", id).GetValue(),
	}
}

// publish publishes events for the action to a topic.
func (f *fixture) publish(topic string, ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		require.NoError(f.t, f.proxy.Publish(f.t.Context(), topic, event(id)))
	}
}

// id returns the CloudEvent id of a command.
func id(command interface{ GetMetadata() *protocol.Metadata }) string {
	for _, e := range command.GetMetadata().GetEntries() {
		if e.GetKey() == "ce-id" {
			return e.GetStringValue()
		}
	}
	return ""
}

// A flakyBroker is a broker that waits, or fails, when the test says so.
type flakyBroker struct {
	eventing.Broker

	broken  atomic.Bool
	blocked chan struct{} // publishing waits until it is closed; nil for not
}

var errBroker = errors.New("the broker is away")

func (b *flakyBroker) Publish(ctx context.Context, topic string, event eventing.Event) error {
	if b.broken.Load() {
		return errBroker
	}
	if b.blocked != nil {
		select {
		case <-b.blocked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return b.Broker.Publish(ctx, topic, event)
}
