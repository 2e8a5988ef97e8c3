package actions_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

func BenchmarkActions_Unary(b *testing.B) {
	f := start(b, echo{})
	command := f.command("Ask")
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, f.Handle(b.Context(), command, func(*routing.Response) error { return nil }))
	}
}

// One operation is one request with its reply, on one stream.
func BenchmarkActions_StreamedMessage(b *testing.B) {
	f := start(b, echo{})
	command := f.command("Both")
	requests := make(chan *anypb.Any)
	command.Requests = func() (*anypb.Any, error) {
		request, open := <-requests
		if !open {
			return nil, io.EOF
		}
		return request, nil
	}
	replies := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- f.Handle(b.Context(), command, func(*routing.Response) error { replies <- struct{}{}; return nil })
	}()
	request := scripted.Question("u1", "hello")
	b.ReportAllocs()
	for b.Loop() {
		requests <- request
		<-replies
	}
	close(requests)
	require.NoError(b, <-done)
}

func BenchmarkActions_1000StreamedReplies(b *testing.B) {
	f := start(b, echo{replies: 1000})
	command := f.command("Out")
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, f.Handle(b.Context(), command, func(*routing.Response) error { return nil }))
	}
}

func BenchmarkActions_1000StreamedRequests(b *testing.B) {
	f := start(b, echo{})
	request := scripted.Question("u1", "hello")
	b.ReportAllocs()
	for b.Loop() {
		command, sent := f.command("In"), 0
		command.Requests = func() (*anypb.Any, error) {
			if sent == 1000 {
				return nil, io.EOF
			}
			sent++
			return request, nil
		}
		require.NoError(b, f.Handle(b.Context(), command, func(*routing.Response) error { return nil }))
	}
}
