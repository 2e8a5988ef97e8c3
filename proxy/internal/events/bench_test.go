package events_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/backoff"
	"github.com/cloudstate-go/cloudstate/proxy/internal/events"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// BenchmarkConsumers measures what an event of a log costs the proxy, from the store to the
// router and back to the position.
func BenchmarkConsumers(b *testing.B) {
	stored := memory.New()
	event, err := proto.Marshal(&anypb.Any{TypeUrl: scripted.QuestionURL, Value: make([]byte, 256)})
	require.NoError(b, err)
	all := make([][]byte, b.N)
	for i := range all {
		all[i] = event
	}
	_, err = stored.Append(b.Context(), store.Append{Key: store.Key{Type: scripted.PersistenceID(scripted.First), ID: "e1"}, Events: all, OpID: store.OpID(uuid.New())})
	require.NoError(b, err)
	es := scripted.Spec(b)
	scripted.Annotate(b, es, scripted.Action, "Ask", scripted.FromLog(scripted.First, ""))
	discovered, err := spec.New(es, spec.Options{})
	require.NoError(b, err)
	done, handled := make(chan struct{}), 0
	consumers := events.New(b.Context(), events.Config{
		Consumers: discovered.Consumers,
		EventLog:  stored,
		Store:     stored,
		Ready:     func(context.Context) error { return nil },
		Report:    func(_ context.Context, fault routing.Fault) { b.Error(fault.Err) },
		Timeout:   time.Minute,
		Backoff:   backoff.Backoff{Min: 1, Max: 1},
		Deliver: func(context.Context, *routing.Command, func(*protocol.Reply) error) error {
			if handled++; handled == b.N {
				close(done)
			}
			return nil
		},
	})
	b.ReportAllocs()
	b.ResetTimer()
	consumers.Start()
	<-done
	b.StopTimer()
	consumers.Stop()
	consumers.Wait()
}
