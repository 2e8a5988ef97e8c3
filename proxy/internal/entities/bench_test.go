package entities_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// serveTrivially answers every command of every entity with the same events, and ends
// when the user function is stopped.
func serveTrivially(f *fixture, events ...*anypb.Any) {
	for {
		stream, open := f.Next()
		if !open {
			return
		}
		go func() { // ends with the stream
			for message := stream.Receive(); message != nil; message = stream.Receive() {
				if command := message.GetCommand(); command != nil {
					stream.Reply(command, scripted.Answer("ok"), events...)
				}
			}
			stream.End(nil)
		}()
	}
}

func BenchmarkEntity_CommandWithOneEvent(b *testing.B) {
	f := start(b)
	go serveTrivially(f, scripted.Event("something happened"))
	command := &routing.Command{Method: f.spec.Service(scripted.First).Method("Ask"), Payload: scripted.Question("u1", "hello")}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, f.router.Call(b.Context(), command, func(*protocol.Reply) error { return nil }))
	}
}

func BenchmarkValueEntity_CommandWithUpdate(b *testing.B) {
	f := start(b)
	go func() {
		for stream, open := f.NextValue(); open; stream, open = f.NextValue() {
			for message := stream.Receive(); message != nil; message = stream.Receive() {
				if command := message.GetCommand(); command != nil {
					stream.Reply(command, scripted.Answer("ok"), scripted.Update(scripted.Event("state")))
				}
			}
			stream.End(nil)
		}
	}()
	command := &routing.Command{Method: f.spec.Service(scripted.Value).Method("Ask"), Payload: scripted.Question("u1", "hello")}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, f.router.Call(b.Context(), command, func(*protocol.Reply) error { return nil }))
	}
}

func BenchmarkEntity_ReplayOf10000Events(b *testing.B) {
	f := start(b)
	go serveTrivially(f)
	for range 10 { // a command without events does not let the journal grow
		f.put(slices.Repeat([]*anypb.Any{scripted.Event("something happened")}, 1000)...)
	}
	service := f.spec.Service(scripted.First)
	command := &routing.Command{Method: service.Method("Ask"), Payload: scripted.Question("u1", "hello")}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, f.router.Call(b.Context(), command, func(*protocol.Reply) error { return nil }))
		require.NoError(b, f.entities.Passivate(b.Context(), service, "u1"))
	}
}
